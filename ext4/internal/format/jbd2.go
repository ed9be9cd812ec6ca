package format

// This file is the journal's structures, big-endian (kernel: include/linux/jbd2.h; Documentation/filesystems/ext4/journal.rst):
// its superblock, and the descriptor and commit blocks of a transaction.

const (
	// Every block of the journal's own begins with these.
	JMagic     B32 = 0x00
	JBlockType B32 = 0x04
	JSequence  B32 = 0x08

	JBD2Magic = 0xC03B3998

	JDescriptor   = 1
	JCommit       = 2
	JSuperblockV1 = 3
	JSuperblockV2 = 4
	JRevoke       = 5

	// The superblock.
	JSBlockSize       B32 = 0x0C // bytes
	JSMaxlen          B32 = 0x10 // blocks of the journal
	JSFirst           B32 = 0x14 // first block of the log
	JSSequence        B32 = 0x18 // of the first transaction in the log, or the next one
	JSStart           B32 = 0x1C // block of the first transaction; 0: the log is empty
	JSErrno           B32 = 0x20
	JSFeatureCompat   B32 = 0x24
	JSFeatureIncompat B32 = 0x28
	JSFeatureROCompat B32 = 0x2C
	JSNrUsers         B32 = 0x40 // file systems that use the journal
	jsUUID                = 0x30 // 16 bytes
	JSChecksumType    U8  = 0x50
	JSNumFCBlocks     B32 = 0x54 // blocks of the fast commit area; 0: as many as JDefaultFCBlocks
	JSChecksum        B32 = 0xFC
	JSSize                = 1024 // bytes that the checksum covers

	JCompatChecksum      = 0x01 // a crc32 over a transaction in its commit block
	JIncompatRevoke      = 0x01
	JIncompat64Bit       = 0x02
	JIncompatAsyncCommit = 0x04
	JIncompatCsumV2      = 0x08
	JIncompatCsumV3      = 0x10
	JIncompatFastCommit  = 0x20
	JChecksumCRC32       = 1 // of JCompatChecksum
	JChecksumCRC32C      = 4

	JDefaultFCBlocks = 256 // JBD2_DEFAULT_FAST_COMMIT_BLOCKS

	// A tag in a descriptor block. Up to version 2 of the checksums:
	JTagBlock   B32 = 0x00
	JTagCsum16  B16 = 0x04
	JTagFlags16 B16 = 0x06
	// Version 3 has the flags in 32 bits, of which the lower are at the same place, and the checksum behind the high half.
	JTagBlockHi B32 = 0x08
	JTagCsum32  B32 = 0x0C

	JFlagEscape   = 1 // the block began with the magic number, which the log has as zero
	JFlagSameUUID = 2
	JFlagLastTag  = 8

	JHeaderSize = 12 // bytes before the tags

	// A revoke block: numbers of blocks, of 32 bits, or of 64 with JIncompat64Bit.
	JRevokeBytes  B32 = 0x0C // in use in the block, the header included
	JRevokeHeader     = 16   // bytes before the numbers

	// The commit block.
	JCommitChecksumType U8  = 0x0C // with JCompatChecksum
	JCommitChecksumSize U8  = 0x0D
	JCommitChecksum     B32 = 0x10
	JCommitSec          B64 = 0x30
	JCommitNsec         B32 = 0x38
	JCommitSize             = 0x40 // bytes, padding included
)

// JournalSuperblock is a view of the journal's first block.
type JournalSuperblock []byte

func (s JournalSuperblock) UUID() []byte { return s[jsUUID:][:16] }

func (s JournalSuperblock) checksum() uint32 {
	sum := CRC32C(^uint32(0), s[:JSChecksum])
	sum = CRC32C(sum, make([]byte, 4))
	return CRC32C(sum, s[JSChecksum+4:JSSize])
}

func (s JournalSuperblock) ChecksumOK() bool { return JSChecksum.Get(s) == s.checksum() }
func (s JournalSuperblock) SetChecksum()     { JSChecksum.Set(s, s.checksum()) }
