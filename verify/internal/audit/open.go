package audit

// This file reads the primary superblock and says whether there is something to audit.

import (
	"encoding/binary"
	"fmt"
	"time"
)

// maxGroups bounds the table of descriptors. 2 Mi groups of 128 MiB, as they are with blocks of 4 KiB, are 256 TiB.
const maxGroups = 1 << 21

// maxBlocks bounds the sets of blocks, which have 8 bytes for each 32 Ki. Groups of large clusters may have so many.
const maxBlocks = 1 << 38

// open reads the superblock. It says no where findings say why nothing else can be judged. Its error is an image that holds no file
// system, or one that cannot be read.
func (c *checker) open() (bool, error) {
	o := Object{Superblock, 0}
	if c.size < superblockOffset+superblockSize {
		return false, fmt.Errorf("%w: %d bytes are too few for a superblock", ErrNotExt, c.size)
	}
	raw := make([]byte, superblockSize)
	if n, err := c.disk.ReadAt(raw, superblockOffset); n < len(raw) {
		return false, fmt.Errorf("superblock: %w", err)
	}
	c.sb = parseSuper(raw)
	if c.sb.Magic != superMagic {
		group, ok := c.findBackup()
		if !ok {
			return false, fmt.Errorf("%w: the magic number is 0x%04x, not 0x%04x", ErrNotExt, c.sb.Magic, superMagic)
		}
		c.report(CodeSuperblock, o, "the magic number is 0x%04x, not 0x%04x, and group %d has a copy", c.sb.Magic, superMagic, group)
		return false, nil
	}
	if c.sb.hasIncompat(incompatJournalDev) {
		return false, fmt.Errorf("%w: a journal on a device of its own", ErrNotExt)
	}
	if c.sb.hasRoCompat(roCompatMetadataCsum) {
		if c.sb.ChecksumType != 1 { // EXT4_CRC32C_CHKSUM
			c.report(CodeSuperblock, o, "s_checksum_type is %d", c.sb.ChecksumType)
			return false, nil
		}
		if sum := superChecksum(raw); sum != c.sb.Checksum {
			c.report(CodeSuperblockChecksum, o, "the checksum is 0x%08x, not 0x%08x", c.sb.Checksum, sum)
		}
	}
	if c.sb.RevLevel > 1 { // EXT4_DYNAMIC_REV
		c.report(CodeSuperblock, o, "s_rev_level is %d", c.sb.RevLevel)
		return false, nil
	}
	if !c.checkFeatures() {
		return false, nil
	}
	if err := c.sb.derive(); err != nil {
		c.report(CodeSuperblock, o, "%s", err)
		return false, nil
	}
	if have := uint64(c.size) / uint64(c.sb.blockSize); c.sb.BlocksCount > have {
		c.report(CodeSuperblock, o, "the file system has %d blocks of %d bytes, and the image holds %d of them", c.sb.BlocksCount, c.sb.blockSize, have)
		return false, nil
	}
	if c.sb.groupCount > maxGroups {
		return false, fmt.Errorf("%d groups are more than can be judged", c.sb.groupCount)
	}
	if c.sb.BlocksCount > maxBlocks {
		return false, fmt.Errorf("%d blocks are more than can be judged", c.sb.BlocksCount)
	}
	c.checkSuper()
	return true, nil
}

// findBackup looks for a copy of the superblock where group 1 has it with groups as large as a bitmap allows.
func (c *checker) findBackup() (group uint32, ok bool) {
	var raw [superblockSize]byte
	for shift := uint32(0); shift <= maxLogBlockSize; shift++ {
		blockSize := int64(1024) << shift
		at := 8 * blockSize * blockSize
		if shift == 0 {
			at += blockSize
		}
		if at+superblockSize > c.size {
			break
		}
		if n, _ := c.disk.ReadAt(raw[:], at); n < len(raw) {
			continue
		}
		if binary.LittleEndian.Uint16(raw[0x38:]) == superMagic && binary.LittleEndian.Uint32(raw[0x18:]) == shift {
			return 1, true
		}
	}
	return 0, false
}

// checkSuper looks at what does not keep anybody from going on. e2fsck -n mentions some of it, and ends with 0.
func (c *checker) checkSuper() {
	s, o := c.sb, Object{Superblock, 0}
	if s.State&stateErrors != 0 {
		c.warn(CodeErrorsFlag, o, "the file system is marked as having errors")
	}
	if s.State&stateValid == 0 {
		c.warn(CodeNotClean, o, "the file system was not unmounted cleanly")
	}
	if s.inodeSize > goodOldInodeSize {
		for _, x := range []struct {
			name  string
			value uint16
		}{{"s_min_extra_isize", s.MinExtraIsize}, {"s_want_extra_isize", s.WantExtraIsize}} {
			// i_extra_isize covers itself and i_checksum_hi.
			if x.value != 0 && (x.value < 4 || int(x.value) > s.inodeSize-goodOldInodeSize || x.value%4 != 0) {
				c.warn(CodeSuperblock, o, "%s is %d with inodes of %d bytes", x.name, x.value, s.inodeSize)
			}
		}
	}
	now := uint64(time.Now().Unix())
	for _, x := range []struct {
		name  string
		value uint32
	}{{"last mount", s.Mtime}, {"last write", s.Wtime}} {
		if uint64(x.value) > now {
			c.warn(CodeSuperblock, o, "the time of the %s lies in the future", x.name)
		}
	}
	if s.FreeBlocksCount > s.BlocksCount || s.FreeInodesCount > s.InodesCount {
		c.warn(CodeCounters, o, "more is free than there is")
	}
}
