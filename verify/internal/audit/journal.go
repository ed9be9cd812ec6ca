package audit

// This file judges the journal: where it is, and its superblock (include/linux/jbd2.h). The log itself is not read, as e2fsck -n does
// not replay it.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
)

// Of the journal's superblock, which is big-endian.
const (
	journalMagic   = 0xC03B3998 // JBD2_MAGIC_NUMBER
	journalSuperV1 = 3          // JBD2_SUPERBLOCK_V1
	journalSuperV2 = 4          // JBD2_SUPERBLOCK_V2

	journalCompatChecksum     = 0x1
	journalIncompatCsumV2     = 0x8
	journalIncompatCsumV3     = 0x10
	journalIncompatFastCommit = 0x20
	journalIncompatKnown      = 0x3F
	journalCRC32C             = 4    // JBD2_CRC32C_CHKSUM
	journalMinBlocks          = 1024 // JBD2_MIN_JOURNAL_BLOCKS
	journalDefaultFastCommits = 256  // JBD2_DEFAULT_FAST_COMMIT_BLOCKS
	journalBackupBlocks       = 1    // EXT3_JNL_BACKUP_BLOCKS: s_jnl_blocks hold the inode's i_block and i_size
	journalSuperSize          = 1024
	journalChecksumPlace      = 0xFC // s_checksum
)

var errShortJournal = errors.New("it is too short")

// journalSuper is the journal's superblock, with the kernel's names less s_.
type journalSuper struct {
	Magic, Blocktype                                uint32
	Blocksize, Maxlen, Start, Errno                 uint32
	FeatureCompat, FeatureIncompat, FeatureRoCompat uint32
	NrUsers                                         uint32
	ChecksumType                                    uint8
	NumFcBlks                                       uint32
	Checksum                                        uint32
}

func parseJournalSuper(raw []byte) *journalSuper {
	at := func(off int) uint32 { return binary.BigEndian.Uint32(raw[off:]) }
	return &journalSuper{
		Magic: at(0), Blocktype: at(4),
		Blocksize: at(0xC), Maxlen: at(0x10), Start: at(0x1C), Errno: at(0x20),
		FeatureCompat: at(0x24), FeatureIncompat: at(0x28), FeatureRoCompat: at(0x2C),
		NrUsers:      at(0x40),
		ChecksumType: raw[0x50],
		NumFcBlks:    at(0x54),
		Checksum:     at(journalChecksumPlace),
	}
}

// checkJournal judges what the superblock says of the journal, the journal's inode as far as it takes to find its first block, and
// the superblock there. Nearly all of it ends e2fsck.
func (c *checker) checkJournal() {
	s := c.sb
	has, recover := s.hasCompat(compatHasJournal), s.hasIncompat(incompatRecover)
	external := s.JournalUUID != [16]byte{}
	switch {
	case !has && !recover && s.JournalInum == 0 && !external:
		return
	case external:
		c.report(CodeJournal, Object{Kind: Journal}, "it is on another device, which an image has not with it")
		return
	case !s.validInode(s.JournalInum):
		switch {
		case has || s.JournalInum != 0:
			c.report(CodeJournal, inodeObject(s.JournalInum), "it is to be the journal, and there is no such inode")
		case recover:
			c.report(CodeJournal, Object{Kind: Journal}, "the superblock says that it has to be replayed, and there is none")
		}
		return
	}
	first, blocks, err := c.openJournal()
	if err != nil {
		c.report(CodeJournal, inodeObject(s.JournalInum), "it is to be the journal, and cannot be: %v", err)
		return
	}
	// A journal that begins with a hole begins with block 0 for e2fsck.
	raw := make([]byte, journalSuperSize)
	if n, err := c.disk.ReadAt(raw, int64(first)*int64(s.blockSize)); n < len(raw) {
		c.fail(err)
		return
	}
	c.judgeJournal(raw, first, blocks)
}

// openJournal finds the first block of the journal and how many there are. Where the inode is not one of a journal, what the
// superblock keeps of it (s_jnl_blocks) stands in.
func (c *checker) openJournal() (first, blocks uint64, err error) {
	in, err := c.systemInode(c.sb.JournalInum)
	if err == nil {
		if first, blocks, err = c.mapJournal(in); err == nil {
			if c.sb.JnlBackupType == journalBackupBlocks && !bytes.Equal(in.Block, c.sb.journalBackup().Block) {
				c.warn(CodeJournal, Object{Kind: Superblock}, "its copy of the journal's inode is another's")
			}
			return first, blocks, nil
		}
	}
	if c.sb.JnlBackupType != journalBackupBlocks {
		return 0, 0, err
	}
	first, blocks, backupErr := c.mapJournal(c.sb.journalBackup())
	if backupErr != nil {
		return 0, 0, err
	}
	c.warn(CodeJournal, inodeObject(c.sb.JournalInum), "it is to be the journal, and only its copy in the superblock can be: %v", err)
	return first, blocks, nil
}

// journalBackup is the journal's inode as the superblock keeps it. i_flags are not among what is kept: it serves e2fsck only where the
// journal has no extents.
func (s *super) journalBackup() *inode {
	in := &inode{ino: s.JournalInum, Mode: modeRegular | 0o600, Links: 1, Size: wide(s.JnlBlocks[16], s.JnlBlocks[15])}
	for _, word := range s.JnlBlocks[:15] {
		in.Block = binary.LittleEndian.AppendUint32(in.Block, word)
	}
	return in
}

// mapJournal holds an inode to what a journal's is, and finds its first block.
func (c *checker) mapJournal(in *inode) (first, blocks uint64, err error) {
	switch {
	case in.Links == 0:
		return 0, 0, errors.New("it has no links")
	case !in.isRegular():
		return 0, 0, errors.New("it is no file")
	case in.has(flagEncrypt):
		return 0, 0, errors.New("it is encrypted")
	}
	size := uint64(c.sb.blockSize)
	if in.Size/size < journalMinBlocks {
		return 0, 0, errShortJournal
	}
	var end uint64
	err = c.walkSystem(in, func(r run) error {
		if r.logical == 0 {
			first = r.physical
		}
		if r.logical > end && !in.has(flagExtents) { // e2fsck does not see the gaps between extents
			return errShortJournal
		}
		end = r.logical + r.length
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	// e2fsck takes the size for an int: what is larger has any length.
	if int64(end*size) < int64(int32(in.Size)) {
		return 0, 0, errShortJournal
	}
	return first, in.Size / size & math.MaxUint32, nil
}

// judgeJournal judges the journal's superblock, which is in block first of the file system.
func (c *checker) judgeJournal(raw []byte, first, blocks uint64) {
	s, j := c.sb, parseJournalSuper(raw)
	o := Object{Kind: Journal}
	v2 := j.Blocktype == journalSuperV2
	var compat, incompat, roCompat uint32
	if v2 { // the first version has none, whatever stands there
		compat, incompat, roCompat = j.FeatureCompat, j.FeatureIncompat, j.FeatureRoCompat
	}
	sums := incompat & (journalIncompatCsumV2 | journalIncompatCsumV3)
	var fast uint32
	if incompat&journalIncompatFastCommit != 0 {
		if fast = j.NumFcBlks; fast == 0 {
			fast = journalDefaultFastCommits
		}
	}
	switch {
	case j.Magic != journalMagic:
		c.report(CodeJournal, o, "it does not begin with a journal's superblock")
	case !v2 && j.Blocktype != journalSuperV1:
		c.report(CodeJournal, o, "its superblock is of type %d", j.Blocktype)
	case v2 && j.NrUsers > 1:
		c.report(CodeJournal, o, "%d file systems use it", j.NrUsers)
	case incompat&^journalIncompatKnown != 0:
		c.report(CodeJournal, o, "it has unknown incompatible features: %#x", incompat)
	case roCompat != 0:
		c.report(CodeJournal, o, "it has unknown features: %#x", roCompat)
	case sums == journalIncompatCsumV2|journalIncompatCsumV3 || sums != 0 && compat&journalCompatChecksum != 0:
		c.report(CodeJournal, o, "it has two kinds of checksums")
	case sums != 0 && j.ChecksumType != journalCRC32C:
		c.report(CodeJournal, o, "its checksums are of type %d", j.ChecksumType)
	case sums != 0 && j.Checksum != journalChecksum(raw):
		c.report(CodeJournal, o, "the checksum of its superblock is wrong")
	case j.Blocksize != uint32(s.blockSize):
		c.report(CodeJournal, o, "its blocks have %d bytes, the file system's %d", j.Blocksize, s.blockSize)
	case uint64(j.Maxlen) > blocks:
		c.report(CodeJournal, o, "it is to have %d blocks, and its file has %d", j.Maxlen, blocks)
	case fast != 0 && j.Maxlen-fast < journalMinBlocks:
		c.report(CodeJournal, o, "%d of its %d blocks are for fast commits", fast, j.Maxlen)
	default:
		c.journalWarnings(j, first)
	}
}

// journalWarnings tells what e2fsck -n leaves as it is, mostly. The superblock is in block first.
func (c *checker) journalWarnings(j *journalSuper, first uint64) {
	s := c.sb
	o := Object{Kind: Journal}
	if j.Blocktype == journalSuperV1 && j.FeatureCompat|j.FeatureIncompat|j.FeatureRoCompat|j.NrUsers != 0 {
		c.warn(CodeJournal, o, "its superblock is of the first version and has fields of the second")
	}
	has, recover := s.hasCompat(compatHasJournal), s.hasIncompat(incompatRecover)
	if !has {
		c.warn(CodeJournal, o, "there is one, and the superblock has not the feature has_journal")
	}
	if recover {
		c.warn(CodeNeedsRecovery, Object{Kind: Superblock}, "the journal holds changes that have to be replayed")
		return
	}
	if has && j.Start != 0 {
		c.warn(CodeJournal, o, "it holds changes, and the superblock does not say that they have to be replayed")
	}
	if j.Errno != 0 {
		// The kernel has given up writing, and marks the file system as damaged when it mounts it. e2fsck -n would write the number away,
		// and gives up when it cannot, which depends on its cache.
		c.report(CodeJournal, Object{Kind: Block, Number: first}, "it says that the journal was given up after error %d", int32(j.Errno))
	}
}

// journalChecksum computes s_checksum: over the superblock with zeros in its place.
func journalChecksum(raw []byte) uint32 {
	sum := crc32c(crcStart, raw[:journalChecksumPlace])
	sum = crc32cZeros(sum, 4)
	return crc32c(sum, raw[journalChecksumPlace+4:journalSuperSize])
}
