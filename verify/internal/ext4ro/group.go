// Group descriptors: where the bitmaps and the inode table of a group are, and their checksums.

package ext4ro

import (
	"encoding/binary"
	"fmt"
)

// Bits of bg_flags.
const (
	groupInodeUninit = 0x1
	groupBlockUninit = 0x2
)

// group is a group descriptor.
type group struct {
	blockBitmap, inodeBitmap, inodeTable uint64 // blocks
	flags                                uint16
	blockBitmapCsum, inodeBitmapCsum     uint32 // of 16 bits where the descriptor has 32 bytes
	itableUnused                         uint32 // inodes at the table's end that were never used
	checksum                             uint16
}

// group reads one descriptor.
func (fs *FS) group(n uint32) (*group, error) {
	buf := make([]byte, fs.DescSize)
	block := fs.descBlock(n / fs.DescsPerBlock())
	off := int64(block)*fs.BlockSize + int64(n%fs.DescsPerBlock())*int64(fs.DescSize)
	if _, err := fs.r.ReadAt(buf, off); err != nil {
		return nil, fmt.Errorf("group %d: descriptor: %w", n, err)
	}
	return parseGroup(buf), nil
}

func parseGroup(buf []byte) *group {
	c := &cursor{buf}
	blockBitmap, inodeBitmap, inodeTable := c.u32(), c.u32(), c.u32()
	c.skip(2 + 2 + 2) // bg_free_blocks_count_lo, bg_free_inodes_count_lo, bg_used_dirs_count_lo
	g := &group{flags: c.u16()}
	c.skip(4) // bg_exclude_bitmap_lo
	g.blockBitmapCsum, g.inodeBitmapCsum = uint32(c.u16()), uint32(c.u16())
	g.itableUnused = uint32(c.u16())
	g.checksum = c.u16()
	g.blockBitmap, g.inodeBitmap, g.inodeTable = uint64(blockBitmap), uint64(inodeBitmap), uint64(inodeTable)
	if len(buf) >= 64 {
		g.blockBitmap, g.inodeBitmap, g.inodeTable = wide(blockBitmap, c.u32()), wide(inodeBitmap, c.u32()), wide(inodeTable, c.u32())
		c.skip(2 + 2 + 2) // bg_free_blocks_count_hi, bg_free_inodes_count_hi, bg_used_dirs_count_hi
		g.itableUnused |= uint32(c.u16()) << 16
		c.skip(4) // bg_exclude_bitmap_hi
		g.blockBitmapCsum |= uint32(c.u16()) << 16
		g.inodeBitmapCsum |= uint32(c.u16()) << 16
	}
	return g
}

// tableBlocks is the length of a group's inode table, in blocks.
func (sb *Superblock) tableBlocks() uint64 {
	return (uint64(sb.InodesPerGroup)*uint64(sb.InodeSize) + uint64(sb.BlockSize) - 1) / uint64(sb.BlockSize)
}

// tableFits says whether the inode table lies in the file system.
func (g *group) tableFits(sb *Superblock) bool {
	return g.inodeTable != 0 && g.inodeTable <= sb.BlocksCount && sb.tableBlocks() <= sb.BlocksCount-g.inodeTable
}

// groupChecksum computes bg_checksum of a descriptor, and says whether the file system has it.
func (sb *Superblock) groupChecksum(n uint32, desc []byte) (uint16, bool) {
	const at = 0x1E // bg_checksum
	switch {
	case sb.checksums():
		return uint16(sb.seed().u32(n).bytes(desc[:at]).zeros(2).bytes(desc[at+2:])), true
	case sb.FeatureRoCompat&RoCompatGdtCsum != 0:
		sum := crc16(0xffff, sb.UUID[:])
		sum = crc16(sum, binary.LittleEndian.AppendUint32(nil, n))
		return crc16(crc16(sum, desc[:at]), desc[at+2:]), true
	}
	return 0, false
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
