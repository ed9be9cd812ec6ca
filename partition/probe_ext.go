// This file recognises ext2, ext3 and ext4: the few superblock fields that tell them apart, with the kernel's names for them.

package partition

import (
	"encoding/binary"
	"fmt"
)

// extSuper is the superblock, the 1024 bytes at byte 1024 (struct ext4_super_block, fs/ext4/ext4.h).
type extSuper []byte

func (s extSuper) u32(off int) uint32 { return binary.LittleEndian.Uint32(s[off:]) }

func (s extSuper) blocksCountLo() uint32   { return s.u32(0x04) }
func (s extSuper) logBlockSize() uint32    { return s.u32(0x18) }
func (s extSuper) blocksPerGroup() uint32  { return s.u32(0x20) }
func (s extSuper) inodesPerGroup() uint32  { return s.u32(0x28) }
func (s extSuper) magic() uint16           { return binary.LittleEndian.Uint16(s[0x38:]) }
func (s extSuper) blockGroupNr() uint16    { return binary.LittleEndian.Uint16(s[0x5a:]) }
func (s extSuper) featureCompat() uint32   { return s.u32(0x5c) }
func (s extSuper) featureIncompat() uint32 { return s.u32(0x60) }
func (s extSuper) featureRoCompat() uint32 { return s.u32(0x64) }
func (s extSuper) uuid() []byte            { return s[0x68:0x78] }
func (s extSuper) volumeName() []byte      { return s[0x78:0x88] }
func (s extSuper) blocksCountHi() uint32   { return s.u32(0x150) }

const (
	extMagic = 0xef53

	compatHasJournal   = 0x4
	incompatJournalDev = 0x8
	incompat64bit      = 0x80

	// What ext3 knows: anything beyond makes it ext4.
	ext3Incompat = 0x2 | 0x4 | 0x10 // filetype, needs_recovery, meta_bg
	ext3RoCompat = 0x1 | 0x2 | 0x4  // sparse_super, large_file, btree_dir
)

func isExt(fsType string) bool { return fsType == "ext4" || fsType == "ext3" || fsType == "ext2" }

// plausible asks more than the magic number, which two random bytes have once in 65536 times.
func (s extSuper) plausible() bool {
	journal := s.featureIncompat()&incompatJournalDev != 0 // which has no groups
	return s.magic() == extMagic && s.logBlockSize() <= 6 && (journal || s.blocksPerGroup() != 0 && s.inodesPerGroup() != 0)
}

// size is the file system's length in bytes; 0 where the count is beyond what a disk can have.
func (s extSuper) size() int64 {
	blocks := uint64(s.blocksCountLo())
	if s.featureIncompat()&incompat64bit != 0 {
		blocks |= uint64(s.blocksCountHi()) << 32
	}
	shift := 10 + s.logBlockSize()
	if blocks > (1<<63-1)>>shift {
		return 1<<63 - 1
	}
	return int64(blocks << shift)
}

func (s extSuper) fsType() string {
	switch {
	case s.featureIncompat()&incompatJournalDev != 0:
		return "jbd" // an external journal, no file system
	case s.featureIncompat()&^ext3Incompat != 0 || s.featureRoCompat()&^ext3RoCompat != 0:
		return "ext4"
	case s.featureCompat()&compatHasJournal != 0:
		return "ext3"
	}
	return "ext2"
}

func probeExt(d disk) (found, bool, error) {
	s := make(extSuper, 1024)
	if ok, err := d.peek(s, 1024); !ok || err != nil {
		return found{}, false, err
	}
	if !s.plausible() {
		return found{}, false, nil
	}
	f := found{
		FileSystem: FileSystem{Type: s.fsType(), Label: labelText(s.volumeName()), UUID: uuidText(s.uuid())},
		size:       s.size(),
	}
	if f.Type == "jbd" {
		f.size = 0
	}
	return f, true, nil
}

// lostExt looks where the first backup superblock lies (group 1, for blocks of 1, 2 and 4 KiB with full groups), so that a
// file system whose own superblock is gone is not called unknown.
func lostExt(d disk) (found, error) {
	for log := range int64(3) {
		blockSize := int64(1024) << log
		at := 8 * blockSize * blockSize // a group has as many blocks as a block has bits
		if log == 0 {
			at += blockSize // s_first_data_block is 1
		}
		s := make(extSuper, 1024)
		ok, err := d.peek(s, at)
		if err != nil {
			return found{}, err
		}
		if ok && s.plausible() && int64(s.logBlockSize()) == log && s.blockGroupNr() == 1 {
			return found{note: fmt.Sprintf("no superblock, but the backup of an %s superblock at byte %d", s.fsType(), at)}, nil
		}
	}
	return found{}, nil
}
