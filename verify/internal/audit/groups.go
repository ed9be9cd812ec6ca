package audit

// This file decodes the group descriptors and finds the blocks they stand in.

import "encoding/binary"

// Bits of bg_flags.
const (
	groupInodeUninit = 0x1
	groupBlockUninit = 0x2
)

// descriptor is a group descriptor. Halves are joined where descriptors have 64 bytes.
type descriptor struct {
	BlockBitmap, InodeBitmap, InodeTable uint64 // blocks
	FreeBlocks                           uint32 // clusters
	FreeInodes                           uint32
	UsedDirs                             uint32
	ItableUnused                         uint32
	BlockBitmapCsum, InodeBitmapCsum     uint32
	Flags                                uint16
	Checksum                             uint16

	badChecksum bool
}

// decode reads a descriptor; raw has 32 bytes or more.
func (d *descriptor) decode(raw []byte) {
	c := cursor{raw}
	blockBitmap, inodeBitmap, inodeTable := c.u32(), c.u32(), c.u32()
	freeBlocks, freeInodes, usedDirs := uint32(c.u16()), uint32(c.u16()), uint32(c.u16())
	*d = descriptor{Flags: c.u16()}
	c.skip(4) // bg_exclude_bitmap_lo
	blockCsum, inodeCsum := uint32(c.u16()), uint32(c.u16())
	unused := uint32(c.u16())
	d.Checksum = c.u16()
	var blockBitmapHi, inodeBitmapHi, inodeTableHi uint32
	if len(raw) >= 64 {
		blockBitmapHi, inodeBitmapHi, inodeTableHi = c.u32(), c.u32(), c.u32()
		freeBlocks |= uint32(c.u16()) << 16
		freeInodes |= uint32(c.u16()) << 16
		usedDirs |= uint32(c.u16()) << 16
		unused |= uint32(c.u16()) << 16
		c.skip(4) // bg_exclude_bitmap_hi
		blockCsum |= uint32(c.u16()) << 16
		inodeCsum |= uint32(c.u16()) << 16
	}
	d.BlockBitmap, d.InodeBitmap, d.InodeTable = wide(blockBitmap, blockBitmapHi), wide(inodeBitmap, inodeBitmapHi), wide(inodeTable, inodeTableHi)
	d.FreeBlocks, d.FreeInodes, d.UsedDirs, d.ItableUnused = freeBlocks, freeInodes, usedDirs, unused
	d.BlockBitmapCsum, d.InodeBitmapCsum = blockCsum, inodeCsum
}

// hasSuper says whether a group begins with a copy of the superblock.
func (s *super) hasSuper(g uint32) bool {
	switch {
	case g == 0:
		return true
	case s.hasCompat(compatSparseSuper2):
		return g == s.BackupBgs[0] || g == s.BackupBgs[1]
	case g == 1 || !s.hasRoCompat(roCompatSparseSuper):
		return true
	case g&1 == 0:
		return false
	}
	for _, base := range []uint32{3, 5, 7} {
		n := g
		for n%base == 0 {
			n /= base
		}
		if n == 1 {
			return true
		}
	}
	return false
}

// superBlock0 is the block that holds the primary superblock.
func (s *super) superBlock0() uint64 { return uint64(superblockOffset / s.blockSize) }

// descBlock returns the block that holds the n-th block of the group descriptors, of the primary ones.
func (s *super) descBlock(n uint32) uint64 {
	if !s.hasIncompat(incompatMetaBg) || n < s.FirstMetaBg {
		return s.superBlock0() + 1 + uint64(n)
	}
	g := n * s.descsPerBlock // the first group of a meta group carries its descriptors
	b := s.groupStart(g)
	if g == 0 {
		b = s.superBlock0()
	}
	if s.hasSuper(g) {
		b++
	}
	return b
}

// descriptorChecksum computes bg_checksum of a descriptor, and says whether the file system has it.
func (s *super) descriptorChecksum(g uint32, raw []byte) (uint16, bool) {
	const at = 0x1E // bg_checksum
	switch {
	case s.metadataCsum:
		return uint16(crc32c(crc32cZeros(crc32c(crc32cU32(s.csumSeed, g), raw[:at]), 2), raw[at+2:])), true
	case s.groupCsum:
		sum := crc16(0xffff, s.UUID[:])
		sum = crc16(sum, binary.LittleEndian.AppendUint32(nil, g))
		return crc16(crc16(sum, raw[:at]), raw[at+2:]), true
	}
	return 0, false
}
