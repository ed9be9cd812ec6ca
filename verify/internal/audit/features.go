package audit

// This file names the feature bits, and says which of them can be judged.

// Feature bits, with the kernel's names less EXT4_FEATURE_.
const (
	compatDirPrealloc   = 0x0001
	compatImagicInodes  = 0x0002
	compatHasJournal    = 0x0004
	compatExtAttr       = 0x0008
	compatResizeInode   = 0x0010
	compatDirIndex      = 0x0020
	compatLazyBg        = 0x0040
	compatExcludeInode  = 0x0080
	compatExcludeBitmap = 0x0100
	compatSparseSuper2  = 0x0200
	compatFastCommit    = 0x0400
	compatStableInodes  = 0x0800
	compatOrphanFile    = 0x1000

	incompatCompression = 0x00001
	incompatFiletype    = 0x00002
	incompatRecover     = 0x00004
	incompatJournalDev  = 0x00008
	incompatMetaBg      = 0x00010
	incompatExtents     = 0x00040
	incompat64bit       = 0x00080
	incompatMMP         = 0x00100
	incompatFlexBg      = 0x00200
	incompatEaInode     = 0x00400
	incompatDirdata     = 0x01000
	incompatCsumSeed    = 0x02000
	incompatLargedir    = 0x04000
	incompatInlineData  = 0x08000
	incompatEncrypt     = 0x10000
	incompatCasefold    = 0x20000

	roCompatSparseSuper   = 0x00001
	roCompatLargeFile     = 0x00002
	roCompatBtreeDir      = 0x00004
	roCompatHugeFile      = 0x00008
	roCompatGdtCsum       = 0x00010
	roCompatDirNlink      = 0x00020
	roCompatExtraIsize    = 0x00040
	roCompatHasSnapshot   = 0x00080
	roCompatQuota         = 0x00100
	roCompatBigalloc      = 0x00200
	roCompatMetadataCsum  = 0x00400
	roCompatReplica       = 0x00800
	roCompatReadonly      = 0x01000
	roCompatProject       = 0x02000
	roCompatSharedBlocks  = 0x04000
	roCompatVerity        = 0x08000
	roCompatOrphanPresent = 0x10000
)
