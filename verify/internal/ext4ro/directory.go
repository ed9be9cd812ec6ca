// The shape of a directory: its size, its map and, where it is hashed, its index; not its entries.

package ext4ro

import "fmt"

// MaxDirectory bounds the directories that are read, in bytes. A directory of 4 MiB holds some 50,000 names of the length of a
// store path; a size beyond it is damage or beyond what is checked here.
const MaxDirectory = 4 << 20

// MaxOwnDirectory is the bound for our own decoder, which reads each directory once: some 800,000 names.
const MaxOwnDirectory = 64 << 20

const (
	dxRootInfo    = 0x18       // struct dx_root: after the entries of "." and ".."
	dxNodeEntries = 0x08       // struct dx_node: after an empty entry
	dxBlockMask   = 0x0fffffff // the upper bits of a block number in the index are reserved
	dxMaxLevels   = 3          // EXT4_HTREE_LEVEL
)

// CheckDirectory reports whether inode ino is a directory whose size, block map and index hold together, so that a reader that
// trusts them reads each of its blocks at most once.
func (fs *FS) CheckDirectory(ino uint32) error { return fs.checkDirectory(ino, MaxDirectory) }

// checkDirectory is CheckDirectory for directories of at most limit bytes.
func (fs *FS) checkDirectory(ino uint32, limit uint64) error {
	in, err := fs.Inode(ino)
	if err != nil {
		return err
	}
	if in.Mode&ModeType != ModeDir {
		return fmt.Errorf("inode %d: not a directory: i_mode is 0%o", ino, in.Mode)
	}
	if in.Size == 0 || in.Size%uint64(fs.BlockSize) != 0 {
		return fmt.Errorf("inode %d: %w: a directory of %d bytes in blocks of %d", ino, ErrCorrupt, in.Size, fs.BlockSize)
	}
	if in.Size > limit {
		return fmt.Errorf("inode %d: a directory of %d bytes: more than %d are not read", ino, in.Size, limit)
	}
	m, err := fs.Map(in)
	if err != nil {
		return err
	}
	if !m.Plain() || m.Mapped != m.Blocks {
		return fmt.Errorf("inode %d: %w: a directory of %d blocks has %d on the disk", ino, ErrCorrupt, m.Blocks, m.Mapped)
	}
	if in.Flags&FlagIndex == 0 {
		return nil
	}
	x := &indexer{fs: fs, ino: ino, m: m, seen: make([]bool, m.Blocks)}
	return x.root()
}

// indexer walks the hash tree of a directory and sees to it that no block comes twice.
type indexer struct {
	fs   *FS
	ino  uint32
	m    *Map
	seen []bool
}

func (x *indexer) corrupt(format string, args ...any) error {
	return fmt.Errorf("inode %d: directory index: %w: %s", x.ino, ErrCorrupt, fmt.Sprintf(format, args...))
}

// block reads a block of the directory by its number in the file.
func (x *indexer) block(n uint64) ([]byte, error) {
	for _, r := range x.m.runs {
		if n < r.file || n >= r.file+r.blocks {
			continue
		}
		buf := make([]byte, x.fs.BlockSize)
		if _, err := x.fs.r.ReadAt(buf, int64(r.disk+n-r.file)*x.fs.BlockSize); err != nil {
			return nil, fmt.Errorf("inode %d: directory block %d: %w", x.ino, n, err)
		}
		return buf, nil
	}
	return nil, x.corrupt("block %d of %d", n, x.m.Blocks)
}

func (x *indexer) visit(n uint64) error {
	if n >= uint64(len(x.seen)) || x.seen[n] {
		return x.corrupt("block %d of %d is used twice or not there", n, len(x.seen))
	}
	x.seen[n] = true
	return nil
}

func (x *indexer) root() error {
	buf, err := x.block(0)
	if err != nil {
		return err
	}
	x.seen[0] = true
	c := &cursor{buf}
	c.skip(dxRootInfo)
	c.skip(4 + 1) // reserved_zero, hash_version
	infoLength, levels := c.u8(), int(c.u8())
	c.skip(1) // unused_flags
	if infoLength != 8 || levels >= dxMaxLevels {
		return x.corrupt("a root with %d levels and information of %d bytes", levels, infoLength)
	}
	return x.entries(c, levels)
}

// entries walks the entries of a node that has levels levels of nodes below it before the leaves.
func (x *indexer) entries(c *cursor, levels int) error {
	limit, count := int(c.u16()), int(c.u16())
	if count == 0 || count > limit || limit > (len(c.rest)+4)/8 {
		return x.corrupt("a node with %d of %d entries", count, limit)
	}
	for i := range count {
		if i > 0 {
			c.skip(4) // hash; the first entry's is the limit and the count
		}
		n := uint64(c.u32() & dxBlockMask)
		if err := x.visit(n); err != nil {
			return err
		}
		if levels == 0 {
			continue
		}
		buf, err := x.block(n)
		if err != nil {
			return err
		}
		child := &cursor{buf}
		child.skip(dxNodeEntries)
		if err := x.entries(child, levels-1); err != nil {
			return err
		}
	}
	return nil
}
