package audit

// This file judges the block of the multiple mount protection (mmp), by which machines that share a disk keep out of each other's way.

import "encoding/binary"

const (
	mmpMagic    = 0x004D4D50 // EXT4_MMP_MAGIC
	mmpClean    = 0xFF4D4D50 // EXT4_MMP_SEQ_CLEAN
	mmpFsck     = 0xE24D4D50 // EXT4_MMP_SEQ_FSCK
	mmpMax      = 0xE24D4D4F // EXT4_MMP_SEQ_MAX
	mmpInterval = 0x70       // mmp_check_interval, seconds
	mmpChecksum = 1020       // mmp_checksum, the last field of struct mmp_struct

	mmpMinInterval = 5 // EXT4_MMP_MIN_CHECK_INTERVAL
)

// checkMMP judges the block that s_mmp_block names. e2fsck does not look at a file system whose block is damaged, or that another
// e2fsck seems to have in hand. One that seems to be mounted it looks at when it has seen that nobody counts mmp_seq up; an image
// does not change, so that is a warning.
func (c *checker) checkMMP() {
	s := c.sb
	if !s.hasIncompat(incompatMMP) {
		return
	}
	o := Object{Kind: MMP, Number: s.MMPBlock}
	if s.MMPBlock <= uint64(s.FirstDataBlock) || s.MMPBlock >= s.BlocksCount {
		c.report(CodeMMP, o, "s_mmp_block is not a block that can be used")
		return
	}
	buf := make([]byte, s.blockSize)
	if err := c.readBlock(s.MMPBlock, buf); err != nil {
		c.fail(err)
		return
	}
	if magic := binary.LittleEndian.Uint32(buf); magic != mmpMagic {
		c.report(CodeMMP, o, "mmp_magic is %#x", magic)
		return
	}
	if s.metadataCsum {
		if sum := crc32c(s.csumSeed, buf[:mmpChecksum]); binary.LittleEndian.Uint32(buf[mmpChecksum:]) != sum {
			c.report(CodeMMP, o, "mmp_checksum is wrong")
			return
		}
	}
	switch seq := binary.LittleEndian.Uint32(buf[4:]); {
	case seq == mmpClean:
	case seq == mmpFsck:
		c.report(CodeMMP, o, "it says that e2fsck is running")
		return
	case seq > mmpMax:
		c.report(CodeMMP, o, "mmp_seq is %#x", seq)
		return
	default:
		c.warn(CodeMMP, o, "it says that the file system is mounted")
	}
	interval := max(mmpMinInterval, int(s.MMPInterval), int(binary.LittleEndian.Uint16(buf[mmpInterval:])))
	if wait := 2*interval + 1; wait > 4*mmpMinInterval {
		c.warn(CodeMMP, o, "who wants to use the file system has to wait for %d seconds", wait)
	}
}
