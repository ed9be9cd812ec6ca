package format

// This file is the superblock: 1024 bytes at byte 1024 of the file system (kernel: struct ext4_super_block).

const (
	SuperblockOffset = 1024 // bytes from the start of the file system
	SuperblockSize   = 1024 // bytes
	SuperblockMagic  = 0xEF53
)

// Superblock is a view of the 1024 bytes.
type Superblock []byte

const (
	SInodesCount       U32 = 0x000
	SBlocksCountLo     U32 = 0x004
	SRBlocksCountLo    U32 = 0x008
	SFreeBlocksCountLo U32 = 0x00C
	SFreeInodesCount   U32 = 0x010
	SFirstDataBlock    U32 = 0x014
	SLogBlockSize      U32 = 0x018 // block size = 1024 << this
	SLogClusterSize    U32 = 0x01C
	SBlocksPerGroup    U32 = 0x020
	SClustersPerGroup  U32 = 0x024
	SInodesPerGroup    U32 = 0x028
	SMtime             U32 = 0x02C
	SWtime             U32 = 0x030
	SMntCount          U16 = 0x034
	SMaxMntCount       U16 = 0x036
	SMagic             U16 = 0x038
	SState             U16 = 0x03A
	SErrors            U16 = 0x03C
	SMinorRevLevel     U16 = 0x03E
	SLastcheck         U32 = 0x040
	SCheckinterval     U32 = 0x044
	SCreatorOS         U32 = 0x048
	SRevLevel          U32 = 0x04C
	SDefResuid         U16 = 0x050
	SDefResgid         U16 = 0x052
	SFirstIno          U32 = 0x054
	SInodeSize         U16 = 0x058
	SBlockGroupNr      U16 = 0x05A
	SFeatureCompat     U32 = 0x05C
	SFeatureIncompat   U32 = 0x060
	SFeatureROCompat   U32 = 0x064
	sUUID                  = 0x068 // 16 bytes
	sVolumeName            = 0x078 // 16 bytes
	sLastMounted           = 0x088 // 64 bytes
	SReservedGDTBlocks U16 = 0x0CE
	sJournalUUID           = 0x0D0 // 16 bytes
	SJournalInum       U32 = 0x0E0
	SJournalDev        U32 = 0x0E4
	SLastOrphan        U32 = 0x0E8
	sHashSeed              = 0x0EC // 4 words
	SDefHashVersion    U8  = 0x0FC
	SJnlBackupType     U8  = 0x0FD
	SDescSize          U16 = 0x0FE
	SDefaultMountOpts  U32 = 0x100
	SFirstMetaBG       U32 = 0x104
	SMkfsTime          U32 = 0x108
	sJnlBlocks             = 0x10C // 17 words: i_block of the journal's inode, the high and the low word of its size
	SBlocksCountHi     U32 = 0x150
	SRBlocksCountHi    U32 = 0x154
	SFreeBlocksCountHi U32 = 0x158
	SMinExtraIsize     U16 = 0x15C
	SWantExtraIsize    U16 = 0x15E
	SFlags             U32 = 0x160
	SMMPBlock          U64 = 0x168
	SLogGroupsPerFlex  U8  = 0x174
	SChecksumType      U8  = 0x175
	SKbytesWritten     U64 = 0x178
	SErrorCount        U32 = 0x194
	SUsrQuotaInum      U32 = 0x240
	SGrpQuotaInum      U32 = 0x244
	sBackupBGs             = 0x24C // 2 words
	SPrjQuotaInum      U32 = 0x26C
	SChecksumSeed      U32 = 0x270
	SWtimeHi           U8  = 0x274
	SMtimeHi           U8  = 0x275
	SMkfsTimeHi        U8  = 0x276
	SLastcheckHi       U8  = 0x277
	SEncoding          U16 = 0x27C
	SOrphanFileInum    U32 = 0x280
	SChecksum          U32 = 0x3FC // crc32c over all before it
)

// Bits of s_state and s_flags, and values of others.
const (
	StateValid  = 0x1 // cleanly unmounted
	StateErrors = 0x2 // errors detected
	StateOrphan = 0x4 // orphans being recovered

	FlagSignedHash   = 0x1
	FlagUnsignedHash = 0x2

	RevDynamic     = 1
	JnlBackup      = 1 // of s_jnl_backup_type: s_jnl_blocks has a copy
	OSHurd         = 1 // of s_creator_os: other fields in the inode
	ChecksumCRC32C = 1
	EncodingUTF8   = 1 // of s_encoding: UTF-8 12.1

	RootIno       Ino = 2
	UserQuotaIno  Ino = 3
	GroupQuotaIno Ino = 4
	ResizeIno     Ino = 7
	JournalIno    Ino = 8
)

func lohi(b []byte, lo, hi U32) uint64 { return uint64(lo.Get(b)) | uint64(hi.Get(b))<<32 }

func setLohi(b []byte, lo, hi U32, v uint64) {
	lo.Set(b, uint32(v))
	hi.Set(b, uint32(v>>32))
}

// Has64 tells whether the high halves of block counts are in use: only with the 64bit feature.
func (s Superblock) Has64() bool { return SFeatureIncompat.Get(s)&Incompat64Bit != 0 }

// HasHigh tells whether one of these high halves is not zero.
func (s Superblock) HasHigh() bool {
	return SBlocksCountHi.Get(s)|SRBlocksCountHi.Get(s)|SFreeBlocksCountHi.Get(s) != 0
}

func (s Superblock) BlocksCount() uint64 {
	if s.Has64() {
		return lohi(s, SBlocksCountLo, SBlocksCountHi)
	}
	return uint64(SBlocksCountLo.Get(s))
}

func (s Superblock) FreeBlocks() uint64 {
	if s.Has64() {
		return lohi(s, SFreeBlocksCountLo, SFreeBlocksCountHi)
	}
	return uint64(SFreeBlocksCountLo.Get(s))
}

func (s Superblock) SetFreeBlocks(v uint64) {
	if s.Has64() {
		setLohi(s, SFreeBlocksCountLo, SFreeBlocksCountHi, v)
		return
	}
	SFreeBlocksCountLo.Set(s, uint32(v))
}

func (s Superblock) ReservedBlocks() uint64 {
	if s.Has64() {
		return lohi(s, SRBlocksCountLo, SRBlocksCountHi)
	}
	return uint64(SRBlocksCountLo.Get(s))
}

func (s Superblock) UUID() []byte        { return s[sUUID:][:16] }
func (s Superblock) JournalUUID() []byte { return s[sJournalUUID:][:16] }

// SetJournalBackup copies where the journal is from its inode, if there is such a copy: e2fsck finds the journal by it.
func (s Superblock) SetJournalBackup(journal Inode) {
	if SJnlBackupType.Get(s) != JnlBackup {
		return
	}
	words := s[sJnlBlocks:][:IBlockSize+8]
	copy(words, journal.IBlock())
	U32(IBlockSize).Set(words, uint32(journal.Size()>>32))
	U32(IBlockSize+4).Set(words, uint32(journal.Size()))
}

func (s Superblock) VolumeName() string  { return cString(s[sVolumeName:][:16]) }
func (s Superblock) LastMounted() string { return cString(s[sLastMounted:][:64]) }
func (s Superblock) BackupBGs() [2]uint32 {
	return [2]uint32{U32(sBackupBGs).Get(s), U32(sBackupBGs + 4).Get(s)}
}

// HashSeed is the key of the directory hash, four words.
func (s Superblock) HashSeed() (seed [4]uint32) {
	for i := range seed {
		seed[i] = U32(sHashSeed + 4*i).Get(s)
	}
	return seed
}

// Wtime is the time of the last write in seconds since 1970: 40 bits (s_wtime, s_wtime_hi).
func (s Superblock) Wtime() int64 { return int64(SWtime.Get(s)) | int64(SWtimeHi.Get(s))<<32 }

func (s Superblock) SetWtime(sec int64) {
	SWtime.Set(s, uint32(sec))
	SWtimeHi.Set(s, uint8(sec>>32))
}

func (s Superblock) Mtime() int64 { return int64(SMtime.Get(s)) | int64(SMtimeHi.Get(s))<<32 }

func (s Superblock) MkfsTime() int64 { return int64(SMkfsTime.Get(s)) | int64(SMkfsTimeHi.Get(s))<<32 }

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
