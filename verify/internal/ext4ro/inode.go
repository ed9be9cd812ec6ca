// Inodes: where they are, and what they say of themselves.

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

	FlagImmutable  = 0x00000010
	FlagAppend     = 0x00000020
	FlagEncrypt    = 0x00000800
	FlagIndex      = 0x00001000
	FlagHugeFile   = 0x00040000
	FlagExtents    = 0x00080000
	FlagVerity     = 0x00100000
	FlagEaInode    = 0x00200000
	FlagInlineData = 0x10000000
	FlagCasefold   = 0x40000000
)

// RootIno is the inode of the root directory.
const RootIno = 2

// Inode is an inode, less its time stamps.
type Inode struct {
	Ino        uint32
	Mode       uint16 // i_mode
	UID, GID   uint32
	Size       uint64 // bytes
	Dtime      uint32
	Links      uint16
	Blocks     uint64 // i_blocks, in the unit that its flags say
	Flags      uint32 // i_flags
	Generation uint32
	FileACL    uint64 // i_file_acl: the block of extended attributes, or 0
	Faddr      uint32 // i_obso_faddr, of no use any more
	ExtraIsize uint16 // bytes beyond the first 128 that are in use
	block      []byte // i_block, 60 bytes: extent tree, block map, target of a short symlink
	raw        []byte // all of it
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
	buf := make([]byte, fs.InodeSize)
	off := int64(table)*fs.BlockSize + int64((ino-1)%fs.InodesPerGroup)*int64(fs.InodeSize)
	if _, err := fs.r.ReadAt(buf, off); err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	return parseInode(ino, buf), nil
}

func parseInode(ino uint32, buf []byte) *Inode {
	c := &cursor{buf}
	in := &Inode{Ino: ino, raw: buf}
	in.Mode = c.u16()
	uidLo := c.u16()
	sizeLo := c.u32()
	c.skip(3 * 4) // i_atime, i_ctime, i_mtime
	in.Dtime = c.u32()
	gidLo := c.u16()
	in.Links = c.u16()
	blocksLo := c.u32()
	in.Flags = c.u32()
	c.skip(4) // i_osd1
	in.block = c.bytes(60)
	in.Generation = c.u32()
	aclLo := c.u32()
	in.Size = wide(sizeLo, c.u32())
	in.Faddr = c.u32()
	in.Blocks = wide(blocksLo, uint32(c.u16()))
	in.FileACL = wide(aclLo, uint32(c.u16()))
	in.UID = uint32(uidLo) | uint32(c.u16())<<16
	in.GID = uint32(gidLo) | uint32(c.u16())<<16
	c.skip(2 + 2) // l_i_checksum_lo, l_i_reserved
	if len(c.rest) >= 2 {
		in.ExtraIsize = c.u16()
	}
	return in
}

// inodeTable returns the first block of the inode table of a group.
func (fs *FS) inodeTable(group uint32) (uint64, error) {
	g, err := fs.group(group)
	if err != nil {
		return 0, err
	}
	if !g.tableFits(fs.Superblock) {
		return 0, fmt.Errorf("group %d: descriptor: %w: the inode table begins at block %d of %d", group, ErrCorrupt, g.inodeTable, fs.BlocksCount)
	}
	return g.inodeTable, nil
}
