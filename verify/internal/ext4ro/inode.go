// Group descriptors and inodes: where an inode is, and what shape it claims to have.

package ext4ro

import (
	"fmt"
	"io"
)

// FS reads the structures of one file system.
type FS struct {
	*Superblock
	r io.ReaderAt
}

// Open reads the superblock of the file system at offset 0 of r, size bytes long, and nothing else.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	sb, err := ReadSuperblock(r, size)
	if err != nil {
		return nil, err
	}
	return &FS{Superblock: sb, r: r}, nil
}

// Bits of i_mode and i_flags.
const (
	ModeType    = 0xF000
	ModeDir     = 0x4000
	ModeRegular = 0x8000
	ModeSymlink = 0xA000

	FlagIndex      = 0x00001000
	FlagExtents    = 0x00080000
	FlagInlineData = 0x10000000
)

// RootIno is the inode of the root directory.
const RootIno = 2

// Inode is the part of an inode that says how its content is stored.
type Inode struct {
	Ino   uint32
	Mode  uint16 // i_mode
	Size  uint64 // bytes
	Flags uint32 // i_flags
	block []byte // i_block, 60 bytes: extent tree, block map, target of a short symlink
}

// Inode reads inode ino.
func (fs *FS) Inode(ino uint32) (*Inode, error) {
	if ino == 0 || ino > fs.InodesCount {
		return nil, fmt.Errorf("inode %d: %w: the file system has %d inodes", ino, ErrCorrupt, fs.InodesCount)
	}
	table, err := fs.inodeTable((ino - 1) / fs.InodesPerGroup)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 128)
	off := int64(table)*fs.BlockSize + int64((ino-1)%fs.InodesPerGroup)*int64(fs.InodeSize)
	if _, err := fs.r.ReadAt(buf, off); err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	c := &cursor{buf}
	in := &Inode{Ino: ino}
	in.Mode = c.u16()
	c.skip(2) // i_uid
	sizeLo := c.u32()
	c.skip(4 * 4)     // i_atime, i_ctime, i_mtime, i_dtime
	c.skip(2 + 2 + 4) // i_gid, i_links_count, i_blocks_lo
	in.Flags = c.u32()
	c.skip(4) // i_osd1
	in.block = c.bytes(60)
	c.skip(4 + 4) // i_generation, i_file_acl_lo
	in.Size = wide(sizeLo, c.u32())
	return in, nil
}

// inodeTable returns the first block of the inode table of a group.
func (fs *FS) inodeTable(group uint32) (uint64, error) {
	buf := make([]byte, fs.DescSize)
	block := fs.descBlock(group / fs.DescsPerBlock())
	off := int64(block)*fs.BlockSize + int64(group%fs.DescsPerBlock())*int64(fs.DescSize)
	if _, err := fs.r.ReadAt(buf, off); err != nil {
		return 0, fmt.Errorf("group %d: descriptor: %w", group, err)
	}
	c := &cursor{buf}
	c.skip(4 + 4) // bg_block_bitmap_lo, bg_inode_bitmap_lo
	table := uint64(c.u32())
	if fs.DescSize >= 64 {
		c.skip(0x28 - 0x0C) // bg_free_blocks_count_lo … bg_inode_bitmap_hi
		table |= uint64(c.u32()) << 32
	}
	tableBytes := int64(fs.InodesPerGroup) * int64(fs.InodeSize)
	if table == 0 || table+uint64((tableBytes+fs.BlockSize-1)/fs.BlockSize) > fs.BlocksCount || table > fs.BlocksCount {
		return 0, fmt.Errorf("group %d: descriptor: %w: the inode table begins at block %d of %d", group, ErrCorrupt, table, fs.BlocksCount)
	}
	return table, nil
}

// descBlock returns the block that holds the n-th block of group descriptors.
func (fs *FS) descBlock(n uint32) uint64 {
	if fs.FeatureIncompat&IncompatMetaBg == 0 || n < fs.FirstMetaBg {
		return uint64(fs.DescTable()/fs.BlockSize) + uint64(n)
	}
	group := uint64(n) * uint64(fs.DescsPerBlock()) // the first group of the meta group carries its descriptors
	block := uint64(fs.FirstDataBlock) + group*uint64(fs.BlocksPerGroup)
	if fs.hasSuper(uint32(group)) {
		block++
	}
	return block
}

// hasSuper says whether a group begins with a copy of the superblock.
func (fs *FS) hasSuper(group uint32) bool {
	switch {
	case group == 0:
		return true
	case fs.FeatureCompat&CompatSparseSuper2 != 0:
		return group == fs.BackupBgs[0] || group == fs.BackupBgs[1]
	case fs.FeatureRoCompat&RoCompatSparseSuper == 0 || group == 1:
		return true
	}
	for _, base := range []uint32{3, 5, 7} {
		n := group
		for n%base == 0 {
			n /= base
		}
		if n == 1 {
			return true
		}
	}
	return false
}
