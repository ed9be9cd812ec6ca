// Directories, judged: every block's checksum, the chains of entries, names, "." and "..", the hash tree, the number of links.

package ext4ro

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strings"
)

const (
	direntHead  = 8    // bytes of an entry before its name
	tailLength  = 12   // bytes of the entry that holds a block's checksum
	tailType    = 0xDE // its file type
	typeDir     = 2    // file_type of a directory
	maxFileType = 7
	maxLinks    = 65000 // EXT4_LINK_MAX
)

// Directory is what a directory holds.
type Directory struct {
	names   map[string]dirent // "." and ".." included
	subdirs int
	empty   int // blocks of entries that have no name in them
}

type dirent struct {
	ino      uint32
	fileType uint8 // 0: unknown
}

// fileTypes are the file types of entries by the upper bits of i_mode.
var fileTypes = map[uint16]uint8{ModeRegular: 1, ModeDir: typeDir, 0x2000: 3, 0x6000: 4, 0x1000: 5, 0xC000: 6, ModeSymlink: 7}

// Child judges a directory and what a name in it leads to. A name that is not there is fs.ErrNotExist. What is found of the directory
// goes to inDir, if that is not nil; the rest stays to be taken.
func (a *Audit) Child(dir uint32, name string, inDir func([]Damage)) (*Inode, error) {
	d, err := a.Directory(dir)
	if inDir != nil {
		inDir(a.Take())
	}
	if err != nil {
		return nil, err
	}
	e, ok := d.names[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	in, err := a.Inode(e.ino)
	if err != nil {
		return nil, err
	}
	object, kind := fmt.Sprintf("inode %d", in.Ino), in.Mode&ModeType
	if want := fileTypes[kind]; e.fileType != 0 && e.fileType != want {
		a.note(object, "the directory says that its type is %d, i_mode that it is %d", e.fileType, want)
	}
	if kind != ModeDir {
		return in, nil
	}
	below, err := a.Directory(e.ino)
	if err != nil {
		return nil, err
	}
	if up := below.names[".."].ino; up != dir {
		a.note(object, `its ".." is inode %d, and it is in inode %d`, up, dir)
	}
	return in, nil
}

// Target returns what a symlink that was judged points to.
func (a *Audit) Target(in *Inode) (string, error) {
	if in.Flags&FlagEncrypt != 0 {
		return "", fmt.Errorf("inode %d: its target is encrypted", in.Ino)
	}
	if in.Flags&FlagInlineData != 0 {
		target, err := a.fs.inlineData(in)
		return string(target), err
	}
	if in.fast(a.fs.Superblock) {
		return string(in.block[:min(in.Size, fastLink)]), nil
	}
	m := a.mapOf(in.Ino)
	if m == nil || !m.Plain() || len(m.runs) == 0 || in.Size > uint64(a.fs.BlockSize) {
		return "", fmt.Errorf("inode %d: %w: the target of the symlink is not on the disk", in.Ino, ErrCorrupt)
	}
	block, err := a.block(m.runs[0].disk)
	if err != nil {
		return "", err
	}
	return string(block[:in.Size]), nil
}

// Directory judges a directory, and returns its names. An error that wraps ErrCorrupt is damage that leaves nothing to judge.
func (a *Audit) Directory(ino uint32) (*Directory, error) {
	if d, ok := a.dirs[ino]; ok && d != nil {
		return d, nil
	} else if ok {
		return nil, fmt.Errorf("inode %d: %w: the directory cannot be read", ino, ErrCorrupt)
	}
	a.dirs[ino] = nil
	in, err := a.Inode(ino)
	if err != nil {
		return nil, err
	}
	if in.Flags&(FlagEncrypt|FlagCasefold) != 0 {
		return nil, fmt.Errorf("inode %d: a directory with the flags 0x%x is not judged", ino, in.Flags)
	}
	x := &dirReader{a: a, in: in, object: fmt.Sprintf("inode %d", ino), d: &Directory{names: map[string]dirent{}}, index: map[uint64]bool{}}
	if in.Mode&ModeType == ModeDir && in.Flags&FlagInlineData != 0 {
		if err := x.inlineDirectory(); err != nil {
			return nil, err
		}
		x.count()
		a.dirs[ino] = x.d
		return x.d, nil
	}
	if err := a.fs.checkDirectory(ino, MaxOwnDirectory); err != nil {
		return nil, err
	}
	m := a.mapOf(ino)
	if m == nil {
		return nil, fmt.Errorf("inode %d: %w: the directory has no blocks", ino, ErrCorrupt)
	}
	x.x = &indexer{fs: a.fs, ino: ino, m: m}
	if in.Flags&FlagIndex != 0 {
		if err := x.hashTree(); err != nil {
			return nil, err
		}
	}
	for n := range m.Blocks {
		if x.index[n] {
			continue
		}
		block, err := x.x.block(n)
		if err != nil {
			return nil, err
		}
		x.leaf(n, block)
	}
	x.count()
	a.dirs[ino] = x.d
	return x.d, nil
}

// dirReader reads one directory.
type dirReader struct {
	a      *Audit
	in     *Inode
	object string
	x      *indexer
	d      *Directory
	index  map[uint64]bool // blocks of the hash tree
	ranges map[uint64]hashRange
	hasher *hasher // nil: no hash tree
}

func (x *dirReader) note(format string, args ...any) { x.a.note(x.object, format, args...) }

// leaf judges a block of entries: the n-th of the directory.
func (x *dirReader) leaf(n uint64, block []byte) {
	if x.a.fs.checksums() {
		block = x.tail(n, block)
	}
	before := len(x.d.names)
	x.chain(n, block)
	if len(x.d.names) == before {
		x.d.empty++
	}
}

// chain judges a chain of entries, to its end.
func (x *dirReader) chain(n uint64, block []byte) {
	for at := 0; at < len(block); {
		if at+direntHead > len(block) {
			x.note("block %d: %d bytes after the last entry", n, len(block)-at)
			return
		}
		c := &cursor{block[at:]}
		ino, length, nameLength, fileType := c.u32(), int(c.u16()), int(c.u8()), c.u8()
		if x.a.fs.FeatureIncompat&IncompatFiletype == 0 {
			nameLength |= int(fileType) << 8
			fileType = 0
		}
		if len(block) == 65536 && (length == 65535 || length == 0) {
			length = 65536 // a block of 64 KiB in one entry: rec_len has 16 bits
		}
		if length < direntHead+(nameLength+3)&^3 || length%4 != 0 || length > len(block)-at {
			x.note("block %d: the entry at byte %d has %d bytes, its name %d", n, at, length, nameLength)
			return
		}
		if n == 0 && at <= direntHead+4 && c.rest[nameLength] != 0 {
			x.note(`block 0: "." and ".." do not end with a NUL`)
		}
		if ino != 0 {
			x.entry(n, at, ino, fileType, string(c.bytes(nameLength)))
		}
		at += length
	}
}

// tail judges the checksum at a block's end and returns what is before it.
func (x *dirReader) tail(n uint64, block []byte) []byte {
	end := len(block) - tailLength
	c := &cursor{block[end:]}
	ino, length, nameLength, fileType, got := c.u32(), c.u16(), c.u8(), c.u8(), c.u32()
	if ino != 0 || length != tailLength || nameLength != 0 || fileType != tailType {
		x.note("block %d has no checksum at its end", n)
		return block
	}
	if want := uint32(x.in.seed(x.a.fs.Superblock).bytes(block[:end])); got != want {
		x.note("block %d: the checksum is 0x%08x, that of what it holds is 0x%08x", n, got, want)
	}
	return block[:end]
}

func (x *dirReader) entry(n uint64, at int, ino uint32, fileType uint8, name string) {
	_, twice := x.d.names[name]
	switch {
	case name == "":
		x.note("block %d: the entry at byte %d has no name", n, at)
	case len(name) > 255:
		x.note("block %d: the entry at byte %d has a name of %d bytes", n, at, len(name))
	case strings.ContainsAny(name, "/\x00"):
		x.note("block %d: the entry at byte %d has a name with a slash or a NUL in it", n, at)
	case twice:
		x.note("block %d: the entry at byte %d has a name that is there twice", n, at)
	case ino > x.a.fs.InodesCount:
		x.note("block %d: the entry at byte %d is inode %d of %d", n, at, ino, x.a.fs.InodesCount)
	case ino < x.a.fs.FirstIno && ino != RootIno:
		x.note("block %d: the entry at byte %d is inode %d, which is reserved", n, at, ino)
	case fileType > maxFileType:
		x.note("block %d: the entry at byte %d has the file type %d", n, at, fileType)
	}
	switch first, second := n == 0 && at == 0, n == 0 && at == direntHead+4; {
	case first != (name == ".") || second != (name == ".."):
		x.note("block %d: the entry at byte %d is %q, and the first two are those of the directory and of the one above", n, at, dots(name))
	case first && ino != x.in.Ino:
		x.note(`its "." is inode %d`, ino)
	case second && x.in.Ino == RootIno && ino != RootIno:
		x.note(`its ".." is inode %d, and it is the root`, ino)
	case !first && !second:
		if ino == RootIno {
			x.note("block %d: the entry at byte %d is the root", n, at)
		}
		if fileType == typeDir {
			x.d.subdirs++
		}
		x.hashed(n, at, name)
	}
	if !twice {
		x.d.names[name] = dirent{ino, fileType}
	}
}

// dots hides a name that is neither "." nor "..": what an image holds may be secret.
func dots(name string) string {
	if name == "." || name == ".." {
		return name
	}
	return "…"
}

// count compares the links with the directories inside: each has one to the directory above, and "." is one, and its own name.
func (x *dirReader) count() {
	if x.d.names["."].ino == 0 || x.d.names[".."].ino == 0 {
		x.note(`it lacks "." or ".."`)
	}
	if x.a.fs.FeatureIncompat&IncompatFiletype == 0 {
		return
	}
	want := x.d.subdirs + 2
	if want > maxLinks {
		want = 1 // more than fit (dir_nlink)
	}
	if int(x.in.Links) != want {
		x.note("i_links_count is %d, and the directories in it make %d", x.in.Links, want)
	}
}

// indexTail judges the checksum of a block of the hash tree, whose entries begin at byte first.
func (x *dirReader) indexTail(n uint64, block []byte, first int) {
	c := &cursor{block[first:]}
	limit, count := int(c.u16()), int(c.u16())
	room := (len(block) - first) / 8
	if x.a.fs.checksums() {
		room = (len(block) - first - 8) / 8
	}
	if limit != room {
		x.note("block %d: the index has room for %d entries, and says %d", n, room, limit)
		return
	}
	if !x.a.fs.checksums() {
		return
	}
	end := first + 8*count
	at := first + 8*limit
	got := binary.LittleEndian.Uint32(block[at+4:])
	want := uint32(x.in.seed(x.a.fs.Superblock).bytes(block[:end]).bytes(block[at : at+4]).zeros(4))
	if got != want {
		x.note("block %d: the checksum is 0x%08x, that of what it holds is 0x%08x", n, got, want)
	}
}
