package audit

// This file decodes what is wanted of the superblock.

import "fmt"

const (
	superblockOffset = 1024
	superblockSize   = 1024
	superMagic       = 0xEF53 // s_magic
	maxLogBlockSize  = 6      // blocks of 64 KiB, EXT4_MAX_BLOCK_LOG_SIZE less 10
	goodOldInodeSize = 128
)

// Bits of s_state and s_flags.
const (
	stateValid  = 0x1
	stateErrors = 0x2

	flagUnsignedHash = 0x2
)

// super is a superblock. Fields have the kernel's names less s_, halves are joined where the features say that the upper one counts.
type super struct {
	InodesCount       uint32
	BlocksCount       uint64
	RBlocksCount      uint64
	FreeBlocksCount   uint64
	FreeInodesCount   uint32
	FirstDataBlock    uint32
	LogBlockSize      uint32
	LogClusterSize    uint32
	BlocksPerGroup    uint32
	ClustersPerGroup  uint32
	InodesPerGroup    uint32
	Mtime, Wtime      uint32 // without the upper eight bits
	Magic             uint16
	State             uint16
	CreatorOS         uint32
	RevLevel          uint32
	FirstIno          uint32
	InodeSize         uint16
	FeatureCompat     uint32
	FeatureIncompat   uint32
	FeatureRoCompat   uint32
	UUID              [16]byte
	VolumeName        [16]byte
	PreallocDirBlocks uint8
	ReservedGDTBlocks uint16
	JournalUUID       [16]byte
	JournalInum       uint32
	LastOrphan        uint32
	HashSeed          [4]uint32
	JnlBackupType     uint8
	DescSize          uint16
	FirstMetaBg       uint32
	MkfsTime          uint32 // as these
	JnlBlocks         [17]uint32
	MinExtraIsize     uint16
	WantExtraIsize    uint16
	Flags             uint32
	MMPInterval       uint16
	MMPBlock          uint64
	LogGroupsPerFlex  uint8
	ChecksumType      uint8
	QuotaInums        [3]uint32 // users, groups, projects
	BackupBgs         [2]uint32
	ChecksumSeed      uint32
	Encoding          uint16
	EncodingFlags     uint16
	OrphanFileInum    uint32
	Checksum          uint32

	raw []byte // all 1024 bytes

	// Derived, once the fields were found possible.
	blockSize      int    // bytes
	inodeSize      int    // bytes
	descSize       int    // bytes, as it counts
	clusterRatio   uint32 // blocks a cluster
	clusterShift   uint32 // log2 of that
	groupCount     uint32
	itableBlocks   uint32 // blocks of a group's inode table
	descBlocks     uint32 // blocks of all descriptors
	metadataCsum   bool
	groupCsum      bool   // metadata_csum or uninit_bg: descriptors have a checksum, and what they say of uninitialised parts counts
	csumSeed       uint32 // where the checksums of all but the superblock start
	firstInode     uint32 // the first that is not reserved
	inodesPerBlock int
	descsPerBlock  uint32
}

func (s *super) hasCompat(bit uint32) bool   { return s.FeatureCompat&bit != 0 }
func (s *super) hasIncompat(bit uint32) bool { return s.FeatureIncompat&bit != 0 }
func (s *super) hasRoCompat(bit uint32) bool { return s.FeatureRoCompat&bit != 0 }

// parseSuper decodes the 1024 bytes of a superblock and derives nothing.
func parseSuper(raw []byte) *super {
	c := &cursor{raw}
	s := &super{raw: raw}
	s.InodesCount = c.u32()
	blocks, rBlocks, freeBlocks := c.u32(), c.u32(), c.u32()
	s.FreeInodesCount = c.u32()
	s.FirstDataBlock = c.u32()
	s.LogBlockSize = c.u32()
	s.LogClusterSize = c.u32()
	s.BlocksPerGroup = c.u32()
	s.ClustersPerGroup = c.u32()
	s.InodesPerGroup = c.u32()
	s.Mtime, s.Wtime = c.u32(), c.u32()
	c.skip(2 * 2) // s_mnt_count, s_max_mnt_count
	s.Magic = c.u16()
	s.State = c.u16()
	c.skip(2*2 + 2*4) // s_errors to s_checkinterval
	s.CreatorOS = c.u32()
	s.RevLevel = c.u32()
	c.skip(2 * 2) // s_def_resuid, s_def_resgid
	s.FirstIno = c.u32()
	s.InodeSize = c.u16()
	c.skip(2) // s_block_group_nr
	s.FeatureCompat = c.u32()
	s.FeatureIncompat = c.u32()
	s.FeatureRoCompat = c.u32()
	copy(s.UUID[:], c.bytes(16))
	copy(s.VolumeName[:], c.bytes(16))
	c.skip(64 + 4 + 1) // s_last_mounted, s_algorithm_usage_bitmap, s_prealloc_blocks
	s.PreallocDirBlocks = c.u8()
	s.ReservedGDTBlocks = c.u16()
	copy(s.JournalUUID[:], c.bytes(16))
	s.JournalInum = c.u32()
	c.skip(4) // s_journal_dev
	s.LastOrphan = c.u32()
	for i := range s.HashSeed {
		s.HashSeed[i] = c.u32()
	}
	c.skip(1) // s_def_hash_version
	s.JnlBackupType = c.u8()
	s.DescSize = c.u16()
	c.skip(4) // s_default_mount_opts
	s.FirstMetaBg = c.u32()
	s.MkfsTime = c.u32()
	for i := range s.JnlBlocks {
		s.JnlBlocks[i] = c.u32()
	}
	blocksHi, rBlocksHi, freeBlocksHi := c.u32(), c.u32(), c.u32() // at 0x150
	s.MinExtraIsize = c.u16()
	s.WantExtraIsize = c.u16()
	s.Flags = c.u32()
	c.skip(2) // s_raid_stride
	s.MMPInterval = c.u16()
	s.MMPBlock = c.u64()
	c.skip(4) // s_raid_stripe_width
	s.LogGroupsPerFlex = c.u8()
	s.ChecksumType = c.u8()
	c.skip(2 + 8)              // s_encryption_level, s_reserved_pad, s_kbytes_written
	c.skip(4 + 4 + 8 + 4)      // s_snapshot_inum to s_snapshot_list
	c.skip(4 + 2*(4+4+8+32+4)) // s_error_count, then the first error and the last one
	c.skip(64)                 // s_mount_opts
	s.QuotaInums[0], s.QuotaInums[1] = c.u32(), c.u32()
	c.skip(4) // s_overhead_clusters
	s.BackupBgs[0], s.BackupBgs[1] = c.u32(), c.u32()
	c.skip(4 + 16 + 4) // s_encrypt_algos, s_encrypt_pw_salt, s_lpf_ino
	s.QuotaInums[2] = c.u32()
	s.ChecksumSeed = c.u32()
	c.skip(6 + 2) // upper bits of times; s_first_error_errcode, s_last_error_errcode
	s.Encoding = c.u16()
	s.EncodingFlags = c.u16()
	s.OrphanFileInum = c.u32()
	c.skip(94 * 4) // s_reserved
	s.Checksum = c.u32()

	s.BlocksCount, s.RBlocksCount, s.FreeBlocksCount = uint64(blocks), uint64(rBlocks), uint64(freeBlocks)
	if s.hasIncompat(incompat64bit) {
		s.BlocksCount, s.RBlocksCount, s.FreeBlocksCount = wide(blocks, blocksHi), wide(rBlocks, rBlocksHi), wide(freeBlocks, freeBlocksHi)
	}
	return s
}

// superChecksum computes s_checksum, the last field, over all before it.
func superChecksum(raw []byte) uint32 { return crc32c(crcStart, raw[:superblockSize-4]) }

// derive computes what follows from the fields. An error is a field with which no check gets anywhere.
func (s *super) derive() error {
	s.firstInode, s.inodeSize = s.FirstIno, int(s.InodeSize)
	if s.RevLevel == 0 { // EXT4_GOOD_OLD_REV
		s.firstInode, s.inodeSize = 11, goodOldInodeSize
	}
	if s.LogBlockSize > maxLogBlockSize {
		return fmt.Errorf("s_log_block_size is %d, more than %d", s.LogBlockSize, maxLogBlockSize)
	}
	s.blockSize = 1024 << s.LogBlockSize
	// EXT4_MAX_CLUSTER_LOG_SIZE: a cluster has at most 1 GiB.
	if s.LogClusterSize < s.LogBlockSize || s.LogClusterSize > 19 || !s.hasRoCompat(roCompatBigalloc) && s.LogClusterSize != s.LogBlockSize {
		return fmt.Errorf("s_log_cluster_size is %d with blocks of %d bytes", s.LogClusterSize, s.blockSize)
	}
	s.clusterShift = s.LogClusterSize - s.LogBlockSize
	s.clusterRatio = 1 << s.clusterShift
	s.descSize = 32
	if s.hasIncompat(incompat64bit) {
		s.descSize = int(s.DescSize)
	}
	if err := s.checkSizes(); err != nil {
		return err
	}
	groups := (s.BlocksCount - uint64(s.FirstDataBlock) + uint64(s.BlocksPerGroup) - 1) / uint64(s.BlocksPerGroup)
	if groups*uint64(s.InodesPerGroup) != uint64(s.InodesCount) {
		return fmt.Errorf("s_inodes_count is %d, and there are %d groups of %d inodes", s.InodesCount, groups, s.InodesPerGroup)
	}
	s.groupCount = uint32(groups) // fits: it divides InodesCount
	s.inodesPerBlock = s.blockSize / s.inodeSize
	s.itableBlocks = uint32((uint64(s.InodesPerGroup)*uint64(s.inodeSize) + uint64(s.blockSize) - 1) / uint64(s.blockSize))
	s.descsPerBlock = uint32(s.blockSize / s.descSize)
	s.descBlocks = (s.groupCount + s.descsPerBlock - 1) / s.descsPerBlock
	s.metadataCsum = s.hasRoCompat(roCompatMetadataCsum)
	s.groupCsum = s.metadataCsum || s.hasRoCompat(roCompatGdtCsum)
	switch {
	case s.hasIncompat(incompatCsumSeed):
		s.csumSeed = s.ChecksumSeed
	default:
		s.csumSeed = crc32c(crcStart, s.UUID[:])
	}
	switch {
	case s.RevLevel != 0 && (s.FirstIno < 11 || s.FirstIno > s.InodesCount):
		return fmt.Errorf("s_first_ino is %d, of %d inodes", s.FirstIno, s.InodesCount)
	case s.hasIncompat(incompatMetaBg) && s.FirstMetaBg > s.descBlocks:
		return fmt.Errorf("s_first_meta_bg is %d, of %d blocks of descriptors", s.FirstMetaBg, s.descBlocks)
	}
	return nil
}

// checkSizes looks at the fields that say how much of something there is.
func (s *super) checkSizes() error {
	bits := uint32(8 * s.blockSize)   // of a bitmap, which is one block
	maxClusters := min(bits, 1<<16-8) // EXT2_MAX_CLUSTERS_PER_GROUP
	firstData := s.FirstDataBlock     // the superblock's block
	powerOf2 := func(n int) bool { return n&(n-1) == 0 }
	switch {
	case s.inodeSize < goodOldInodeSize || s.inodeSize > s.blockSize || !powerOf2(s.inodeSize):
		return fmt.Errorf("s_inode_size is %d, not a power of 2 between %d and the %d bytes of a block", s.inodeSize, goodOldInodeSize, s.blockSize)
	case !powerOf2(int(s.DescSize)) || s.DescSize > 1024:
		return fmt.Errorf("s_desc_size is %d, not a power of 2 up to 1024", s.DescSize)
	case s.hasIncompat(incompat64bit) && s.DescSize < 64:
		return fmt.Errorf("s_desc_size is %d, and descriptors with the feature 64bit have at least 64 bytes", s.DescSize)
	case s.ClustersPerGroup < 8 || s.ClustersPerGroup > maxClusters || s.ClustersPerGroup%8 != 0 ||
		uint64(s.BlocksPerGroup) != uint64(s.ClustersPerGroup)<<s.clusterShift:
		return fmt.Errorf("s_clusters_per_group is %d, and s_blocks_per_group %d: a group has a multiple of 8 clusters, at most %d, of %d blocks each",
			s.ClustersPerGroup, s.BlocksPerGroup, maxClusters, s.clusterRatio)
	case s.BlocksCount == 0 || uint64(s.FirstDataBlock) >= s.BlocksCount:
		return fmt.Errorf("s_blocks_count is %d, and s_first_data_block is %d: there is no block", s.BlocksCount, s.FirstDataBlock)
	case s.BlocksCount > 1<<48:
		return fmt.Errorf("s_blocks_count is %d, more than the 2^48 that can be numbered", s.BlocksCount)
	case s.LogBlockSize == 0 && s.clusterRatio == 1 && firstData != 1 || (s.LogBlockSize != 0 || s.clusterRatio != 1) && firstData != 0:
		return fmt.Errorf("s_first_data_block is %d with blocks of %d bytes", firstData, s.blockSize)
	case s.RBlocksCount > s.BlocksCount/2:
		return fmt.Errorf("s_r_blocks_count is %d, more than half of the %d blocks", s.RBlocksCount, s.BlocksCount)
	case int(s.ReservedGDTBlocks) > s.blockSize/4:
		return fmt.Errorf("s_reserved_gdt_blocks is %d, more than the %d that the resize inode has room to name", s.ReservedGDTBlocks, s.blockSize/4)
	case s.LogGroupsPerFlex > 31:
		return fmt.Errorf("s_log_groups_per_flex is %d", s.LogGroupsPerFlex)
	}
	perBlock := uint32(s.blockSize / s.inodeSize)
	maxInodes := min(uint64(perBlock)*uint64(s.BlocksPerGroup-4), 1<<16-uint64(perBlock), uint64(bits))
	if s.InodesPerGroup < perBlock || uint64(s.InodesPerGroup) > maxInodes || s.InodesPerGroup%8 != 0 {
		return fmt.Errorf("s_inodes_per_group is %d, not a multiple of 8 between %d and %d", s.InodesPerGroup, perBlock, maxInodes)
	}
	return nil
}

// clusterOf returns the cluster that holds a block. They are counted from the first group's first on, as in the bitmaps.
func (s *super) clusterOf(b uint64) uint64 { return (b - uint64(s.FirstDataBlock)) >> s.clusterShift }

// clusterCount is how many there are.
func (s *super) clusterCount() uint64 { return s.clusterOf(s.BlocksCount-1) + 1 }

// groupClusters says how many a group has.
func (s *super) groupClusters(g uint32) uint32 {
	return uint32(min(uint64(s.ClustersPerGroup), s.clusterCount()-uint64(g)*uint64(s.ClustersPerGroup)))
}

// validBlock says whether a block may be pointed to.
func (s *super) validBlock(b uint64) bool {
	return b >= uint64(s.FirstDataBlock) && b < s.BlocksCount
}

// validInode says whether there is an inode of that number.
func (s *super) validInode(ino uint32) bool { return ino != 0 && ino <= s.InodesCount }

// groupStart returns the first block of a group, and groupBlocks how many it has.
func (s *super) groupStart(g uint32) uint64 {
	return uint64(s.FirstDataBlock) + uint64(g)*uint64(s.BlocksPerGroup)
}

func (s *super) groupBlocks(g uint32) uint32 {
	return uint32(min(uint64(s.BlocksPerGroup), s.BlocksCount-s.groupStart(g)))
}

// groupOfBlock and groupOfInode say where something lies; both want valid numbers.
func (s *super) groupOfBlock(b uint64) uint32 {
	return uint32((b - uint64(s.FirstDataBlock)) / uint64(s.BlocksPerGroup))
}

func (s *super) groupOfInode(ino uint32) uint32 { return (ino - 1) / s.InodesPerGroup }

// inodeSeed is where the checksums of what belongs to an inode start.
func (s *super) inodeSeed(ino, generation uint32) uint32 {
	return crc32cU32(crc32cU32(s.csumSeed, ino), generation)
}
