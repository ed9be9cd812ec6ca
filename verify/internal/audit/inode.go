package audit

// This file decodes inodes, and says of each what can be told from it alone.

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Bits of i_mode.
const (
	modeType    = 0xF000
	modeFIFO    = 0x1000
	modeChar    = 0x2000
	modeDir     = 0x4000
	modeBlock   = 0x6000
	modeRegular = 0x8000
	modeSymlink = 0xA000
	modeSocket  = 0xC000
)

// Bits of i_flags.
const (
	flagImmutable  = 0x00000010
	flagAppend     = 0x00000020
	flagEncrypt    = 0x00000800
	flagIndex      = 0x00001000
	flagImagic     = 0x00002000
	flagHugeFile   = 0x00040000
	flagExtents    = 0x00080000
	flagVerity     = 0x00100000
	flagEaInode    = 0x00200000
	flagInlineData = 0x10000000
	flagCasefold   = 0x40000000
)

// inode is an inode with all of its fields, halves joined. Times are the raw lower fields beside the raw extra ones.
type inode struct {
	ino        uint32
	Mode       uint16
	UID, GID   uint32
	Size       uint64 // bytes; the upper half counts only for some types: sizeHigh is the raw one
	sizeHigh   uint32
	Atime      uint32
	Ctime      uint32
	Mtime      uint32
	Dtime      uint32
	Links      uint16
	Blocks     uint64 // 48 bits, in the unit that features and flags say
	blocksHigh uint16
	Flags      uint32
	Version    uint64 // i_osd1 and i_version_hi
	Block      []byte // 60 bytes
	Generation uint32
	FileACL    uint64 // 48 bits
	aclHigh    uint16
	Faddr      uint32
	ChecksumLo uint16
	// Beyond the first 128 bytes; zero where inodes are that small.
	ExtraIsize  uint16
	ChecksumHi  uint16
	CtimeExtra  uint32
	MtimeExtra  uint32
	AtimeExtra  uint32
	Crtime      uint32
	CrtimeExtra uint32
	VersionHi   uint32
	ProjID      uint32

	raw []byte // all of it
}

// decode fills in from the bytes of a table, which it keeps.
func (in *inode) decode(ino uint32, raw []byte) {
	c := cursor{raw}
	*in = inode{ino: ino, raw: raw}
	in.Mode = c.u16()
	uid := uint32(c.u16())
	size := c.u32()
	in.Atime = c.u32()
	in.Ctime = c.u32()
	in.Mtime = c.u32()
	in.Dtime = c.u32()
	gid := uint32(c.u16())
	in.Links = c.u16()
	blocks := c.u32()
	in.Flags = c.u32()
	version := c.u32()
	in.Block = c.bytes(60)
	in.Generation = c.u32()
	acl := c.u32()
	in.sizeHigh = c.u32()
	in.Faddr = c.u32()
	in.blocksHigh = c.u16()
	in.aclHigh = c.u16()
	in.UID = uid | uint32(c.u16())<<16
	in.GID = gid | uint32(c.u16())<<16
	in.ChecksumLo = c.u16()
	c.skip(2) // l_i_reserved
	in.Size = wide(size, in.sizeHigh)
	in.Blocks = wide(blocks, uint32(in.blocksHigh))
	in.FileACL = wide(acl, uint32(in.aclHigh))
	if len(c.rest) >= 32 { // i_extra_isize says whether they count
		in.ExtraIsize = c.u16()
		in.ChecksumHi = c.u16()
		in.CtimeExtra = c.u32()
		in.MtimeExtra = c.u32()
		in.AtimeExtra = c.u32()
		in.Crtime = c.u32()
		in.CrtimeExtra = c.u32()
		in.VersionHi = c.u32()
		in.ProjID = c.u32()
	}
	in.Version = wide(version, in.VersionHi)
}

func (in *inode) isDir() bool     { return in.Mode&modeType == modeDir }
func (in *inode) isRegular() bool { return in.Mode&modeType == modeRegular }
func (in *inode) isSymlink() bool { return in.Mode&modeType == modeSymlink }
func (in *inode) has(flag uint32) bool {
	return in.Flags&flag != 0
}

// hasChecksumHi says whether the upper half of the checksum counts: i_extra_isize reaches beyond it.
func (in *inode) hasChecksumHi() bool { return len(in.raw) > goodOldInodeSize && in.ExtraIsize >= 4 }

// neverUsed says whether the first 128 bytes of an inode are zero.
func neverUsed(raw []byte) bool { return allZero(raw[:goodOldInodeSize]) }

func allZero(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p) != 0 {
			return false
		}
		p = p[8:]
	}
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// checksumOK compares i_checksum_lo and, where there is one, i_checksum_hi. An inode of zeros needs none.
func (s *super) checksumOK(in *inode) bool {
	if !s.metadataCsum {
		return true
	}
	const lo, hi = 124, 130 // the places of the two halves
	sum := s.inodeSeed(in.ino, in.Generation)
	sum = crc32c(sum, in.raw[:lo])
	sum = crc32cZeros(sum, 2)
	want := uint32(in.ChecksumLo)
	if in.hasChecksumHi() {
		sum = crc32c(sum, in.raw[lo+2:hi])
		sum = crc32cZeros(sum, 2)
		sum = crc32c(sum, in.raw[hi+2:])
		want |= uint32(in.ChecksumHi) << 16
	} else {
		sum = crc32c(sum, in.raw[lo+2:]) & 0xFFFF
	}
	return sum == want || neverUsed(in.raw)
}

// acl returns the block of the extended attributes, 0 for none. Its upper half counts only with 64bit.
func (s *super) acl(in *inode) uint64 {
	if s.hasIncompat(incompat64bit) {
		return in.FileACL
	}
	return in.FileACL & 0xFFFFFFFF
}

// usedBlocks returns i_blocks. Its upper half counts only with huge_file.
func (s *super) usedBlocks(in *inode) uint64 {
	if s.hasRoCompat(roCompatHugeFile) {
		return in.Blocks
	}
	return in.Blocks & 0xFFFFFFFF
}

// hasMap says whether i_block is a map of blocks: of files, directories and those symlinks whose target does not fit.
func (s *super) hasMap(in *inode) bool {
	switch in.Mode & modeType {
	case modeDir, modeRegular:
	case modeSymlink:
		if s.acl(in) == 0 {
			if uint32(in.Blocks) == 0 {
				return false
			}
			break
		}
		// i_blocks counts the attributes' block, too: the size tells, and what a map of one block looks like.
		size := uint32(in.Size)
		if size < iblockSize && !(size > 4 && binary.LittleEndian.Uint32(in.Block[4:]) == 0) {
			return false
		}
	default:
		return false
	}
	return !in.has(flagInlineData)
}

// readInode reads inode ino, which is valid, into buf, which has s_inode_size bytes.
func (c *checker) readInode(ino uint32, in *inode, buf []byte) error {
	d := &c.groups[c.sb.groupOfInode(ino)]
	at := int64(d.InodeTable)*int64(c.sb.blockSize) + int64((ino-1)%c.sb.InodesPerGroup)*int64(c.sb.inodeSize)
	buf = buf[:c.sb.inodeSize]
	if n, err := c.disk.ReadAt(buf, at); n < len(buf) {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("inode %d: %w", ino, err)
	}
	in.decode(ino, buf)
	return nil
}
