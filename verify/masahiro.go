// github.com/masahiro331/go-ext4-filesystem: reads what the others do not (no checksums, no flex_bg, block maps, inodes of 128 bytes,
// hashed directories), and holes as zeros. It has no checks of checksums.
//
// Its FileInfo does not tell owners, and its ReadLink tidies targets. But it asks the cache it is given for every inode it
// needs and hands it each that it has read; so the cache is where both come from.

package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	masahiro "github.com/masahiro331/go-ext4-filesystem/ext4"
	masahirolog "github.com/masahiro331/go-ext4-filesystem/log"
	"go.uber.org/zap"

	"boringboot/verify/internal/ext4ro"
)

type masahiroExt4 struct {
	b     *budget
	fsys  *masahiro.FileSystem
	cache *inodeCache
	dirs  map[string]map[string]uint32 // inodes by name, of the directories that were read
}

// The library logs what it finds odd to standard error, which is not its to write to; what it found is in its errors too.
func init() { masahirolog.SetLogger(zap.NewNop().Sugar()) }

// masahiroIncompat are the incompatible features that the library reads right. It ignores bits that it does not know.
const masahiroIncompat = ext4ro.IncompatFiletype | ext4ro.IncompatRecover | ext4ro.IncompatMetaBg | ext4ro.IncompatExtents | ext4ro.Incompat64bit |
	ext4ro.IncompatMmp | ext4ro.IncompatFlexBg | ext4ro.IncompatEaInode | ext4ro.IncompatCsumSeed | ext4ro.IncompatLargedir

func openMasahiro(b *budget, ro *ext4ro.FS) (library, error) {
	if unknown := ro.FeatureIncompat &^ masahiroIncompat; unknown != 0 {
		return nil, fmt.Errorf("incompatible features 0x%x", unknown)
	}
	if !ro.OneTable() {
		return nil, errors.New("the group descriptors are spread over the groups (meta_bg)")
	}
	if int64(ro.FirstDataBlock+1)*ro.BlockSize != ro.DescTable() {
		return nil, errors.New("the group descriptors are not after the first data block (bigalloc with blocks of 1 KiB)")
	}
	if ro.FeatureIncompat&ext4ro.Incompat64bit != 0 && ro.DescSize != 64 {
		return nil, fmt.Errorf("group descriptors of %d bytes", ro.DescSize)
	}
	cache := &inodeCache{inodes: map[string]masahiro.Inode{}}
	fsys, err := masahiro.NewFS(*io.NewSectionReader(b, 0, b.size), cache)
	if err != nil {
		return nil, err
	}
	return &masahiroExt4{b: b, fsys: fsys, cache: cache, dirs: map[string]map[string]uint32{}}, nil
}

// inodeCache keeps the inodes that the library has read, and the order in which it asked for them.
type inodeCache struct {
	inodes map[string]masahiro.Inode
	asked  []string
}

func (c *inodeCache) Add(key string, value any) bool {
	if in, ok := value.(masahiro.Inode); ok {
		c.inodes[key] = in
	}
	return false
}

func (c *inodeCache) Get(key string) (any, bool) {
	c.asked = append(c.asked, key)
	in, ok := c.inodes[key]
	return in, ok
}

// key is how the library names inode ino in its cache.
func (*inodeCache) key(ino uint32) string { return fmt.Sprintf("ext4:%d", ino) }

func (*inodeCache) ino(key string) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(key, "ext4:"), 10, 32)
	return uint32(n), err
}

func (l *masahiroExt4) root() (attr, error) {
	if _, err := l.fsys.ReadDirInfo("/"); err != nil {
		return attr{}, err
	}
	return l.attr(ext4ro.RootIno)
}

func (l *masahiroExt4) child(dir string, _ uint32, name string) (attr, error) {
	names, err := l.list(dir)
	if err != nil {
		return attr{}, err
	}
	ino, ok := names[name]
	if !ok {
		return attr{}, fs.ErrNotExist
	}
	return l.attr(ino)
}

// list reads a directory. The library asks its cache for the inodes of all names last, and in their order: this is how a name
// is matched with its inode, and type and size are compared to see that it was.
func (l *masahiroExt4) list(dir string) (map[string]uint32, error) {
	if names, ok := l.dirs[dir]; ok {
		return names, nil
	}
	l.cache.asked = nil
	entries, err := l.fsys.ReadDir("/" + dir)
	if err != nil {
		return nil, err
	}
	asked := l.cache.asked
	if len(asked) < len(entries) {
		return nil, fmt.Errorf("%d names, and %d inodes were read for them", len(entries), len(asked))
	}
	asked = asked[len(asked)-len(entries):]
	names := make(map[string]uint32, len(entries))
	for i, e := range entries {
		ino, err := l.cache.ino(asked[i])
		if err != nil {
			return nil, fmt.Errorf("the library's cache: %w", err)
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		in := l.cache.inodes[asked[i]]
		if uint16(in.Mode)&0o7777 != unixMode(info.Mode()) || in.GetSize() != info.Size() {
			return nil, fmt.Errorf("inode %d: not the one that the library means", ino)
		}
		if _, twice := names[e.Name()]; twice {
			return nil, errors.New("a directory with the same name twice")
		}
		names[e.Name()] = ino
	}
	l.dirs[dir] = names
	return names, nil
}

func (l *masahiroExt4) attr(ino uint32) (attr, error) {
	in, ok := l.cache.inodes[l.cache.key(ino)]
	if !ok {
		return attr{}, fmt.Errorf("inode %d: the library has not read it", ino)
	}
	a := attr{
		ino:  ino,
		kind: kindOf(in.Mode),
		size: in.GetSize(),
		mode: in.Mode & 0o7777,
		uid:  uint32(in.UID) | uint32(in.UIDHigh)<<16,
		gid:  uint32(in.GID) | uint32(in.GIDHigh)<<16,
	}
	if a.kind != kindSymlink {
		return a, nil
	}
	target, err := l.target(&in)
	if err != nil {
		return attr{}, fmt.Errorf("inode %d: symlink: %w", ino, err)
	}
	a.target = target
	return a, nil
}

// target reads a symlink's target: from the inode where it is short, else as content.
func (l *masahiroExt4) target(in *masahiro.Inode) (string, error) {
	size := in.GetSize()
	if size < 0 || size > l.blockSize() {
		return "", fmt.Errorf("a size of %d bytes", size)
	}
	if !in.UsesExtents() && size < int64(len(in.BlockOrExtents)) {
		return string(in.BlockOrExtents[:size]), nil
	}
	r, err := l.read(in)
	if err != nil {
		return "", err
	}
	buf := make([]byte, size)
	if _, err := io.ReadFull(r, buf); err != nil {
		return "", err
	}
	return string(buf), nil
}

// content does not go through the library's Open: that reads all directories from the root on for each file again.
func (l *masahiroExt4) content(_ *way, a attr) (io.Reader, error) {
	in, ok := l.cache.inodes[l.cache.key(a.ino)]
	if !ok {
		return nil, fmt.Errorf("inode %d: the library has not read it", a.ino)
	}
	return l.read(&in)
}

func (l *masahiroExt4) blockSize() int64 {
	sb := l.fsys.GetSuperBlock()
	return sb.GetBlockSize()
}

// read returns the content of an inode, whose blocks the library finds.
func (l *masahiroExt4) read(in *masahiro.Inode) (io.Reader, error) {
	m := &mapped{b: l.b, blockSize: l.blockSize(), size: in.GetSize()}
	if in.UsesExtents() {
		extents, err := l.fsys.Extents(in)
		if err != nil {
			return nil, err
		}
		for _, e := range extents {
			if !e.IsUninitialized() { // what is not written reads as zeros, like a hole
				m.pieces = append(m.pieces, piece{int64(e.Block), int64(e.StartHi)<<32 | int64(e.StartLo), int64(e.GetLen())})
			}
		}
		return m, nil
	}
	blocks, err := in.GetBlockAddresses(l.fsys)
	if err != nil {
		return nil, err
	}
	for i, block := range blocks {
		if block != 0 {
			m.pieces = append(m.pieces, piece{int64(i), int64(block), 1})
		}
	}
	return m, nil
}

// piece is a run of blocks: where it is in the file and on the disk.
type piece struct{ file, disk, blocks int64 }

// mapped reads a file from its pieces, in the order of the file, and zeros between them.
type mapped struct {
	b         *budget
	blockSize int64
	size      int64 // bytes
	off       int64
	pieces    []piece
}

func (m *mapped) Read(p []byte) (int, error) {
	if m.off >= m.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), m.size-m.off)]
	for len(m.pieces) > 0 && m.off >= (m.pieces[0].file+m.pieces[0].blocks)*m.blockSize {
		m.pieces = m.pieces[1:]
	}
	inPiece := int64(-1)
	if len(m.pieces) > 0 {
		next := m.pieces[0]
		inPiece = m.off - next.file*m.blockSize
		if inPiece >= 0 {
			p = p[:min(int64(len(p)), next.blocks*m.blockSize-inPiece)]
		} else {
			p = p[:min(int64(len(p)), -inPiece)]
		}
	}
	if inPiece < 0 {
		clear(p)
		m.off += int64(len(p))
		return len(p), nil
	}
	n, err := m.b.ReadAt(p, m.pieces[0].disk*m.blockSize+inPiece)
	m.off += int64(n)
	return n, err
}
