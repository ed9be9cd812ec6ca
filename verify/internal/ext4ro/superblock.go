// The superblock: what it says of the file system's geometry, and whether that geometry can be.

package ext4ro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// Kinds of error. Anything else that this package returns is I/O.
var (
	ErrNotExt  = errors.New("no ext2, ext3 or ext4 file system")
	ErrCorrupt = errors.New("damaged")

	// ErrTruncated is the kind of ErrCorrupt where the file system ends behind its image, and its superblock means it.
	ErrTruncated = fmt.Errorf("%w", ErrCorrupt)
)

// Feature bits, with the kernel's names less EXT4_FEATURE_.
const (
	CompatHasJournal   = 0x0004
	CompatResizeInode  = 0x0010
	CompatDirIndex     = 0x0020
	CompatSparseSuper2 = 0x0200
	CompatOrphanFile   = 0x1000

	IncompatCompression = 0x00001
	IncompatFiletype    = 0x00002
	IncompatRecover     = 0x00004
	IncompatJournalDev  = 0x00008
	IncompatMetaBg      = 0x00010
	IncompatExtents     = 0x00040
	Incompat64bit       = 0x00080
	IncompatMmp         = 0x00100
	IncompatFlexBg      = 0x00200
	IncompatEaInode     = 0x00400
	IncompatDirdata     = 0x01000
	IncompatCsumSeed    = 0x02000
	IncompatLargedir    = 0x04000
	IncompatInlineData  = 0x08000
	IncompatEncrypt     = 0x10000
	IncompatCasefold    = 0x20000

	RoCompatSparseSuper   = 0x00001
	RoCompatHugeFile      = 0x00008
	RoCompatGdtCsum       = 0x00010
	RoCompatExtraIsize    = 0x00040
	RoCompatQuota         = 0x00100
	RoCompatBigalloc      = 0x00200
	RoCompatMetadataCsum  = 0x00400
	RoCompatVerity        = 0x08000
	RoCompatOrphanPresent = 0x10000
)

// StateErrors is the bit of s_state that says that the kernel or e2fsck has seen damage.
const StateErrors = 0x2

const (
	superblockOffset = 1024
	superblockSize   = 1024
	superMagic       = 0xEF53 // s_magic
	maxLogBlockSize  = 6      // blocks of 64 KiB, EXT4_MAX_BLOCK_LOG_SIZE less 10
)

// Superblock is the part of a superblock that says where things are. Counts are in the units their names say.
type Superblock struct {
	InodesCount     uint32
	BlocksCount     uint64
	FirstDataBlock  uint32
	BlockSize       int64 // bytes
	ClusterBlocks   uint32
	BlocksPerGroup  uint32
	InodesPerGroup  uint32
	State           uint16
	RevLevel        uint32
	InodeSize       uint16 // bytes
	FeatureCompat   uint32
	FeatureIncompat uint32
	FeatureRoCompat uint32
	DescSize        uint16 // bytes
	FirstMetaBg     uint32
	BackupBgs       [2]uint32
	Groups          uint32

	CreatorOS         uint32
	FirstIno          uint32
	UUID              [16]byte
	ReservedGDTBlocks uint16
	JournalUUID       [16]byte
	JournalInum       uint32
	JournalDev        uint32
	LastOrphan        uint32
	HashSeed          [4]uint32
	MinExtraIsize     uint16 // bytes
	WantExtraIsize    uint16 // bytes
	Flags             uint32
	MMPBlock          uint64
	ChecksumType      uint8
	ErrorCount        uint32
	QuotaInums        [3]uint32 // of users, groups, projects
	ChecksumSeed      uint32
	OrphanFileInum    uint32
	ReservedBlocks    uint64
	ownClusters       bool   // s_log_cluster_size and s_clusters_per_group say what the same fields of blocks say
	raw               []byte // all of it, 1024 bytes
}

// ReadSuperblock reads the primary superblock of a file system that begins at offset 0 of r and has size bytes to live in. A
// superblock whose numbers contradict each other, or describe more than size bytes, is an error that wraps ErrCorrupt.
func ReadSuperblock(r io.ReaderAt, size int64) (*Superblock, error) {
	if size < superblockOffset+superblockSize {
		return nil, fmt.Errorf("%w: %d bytes are too few for a superblock", ErrNotExt, size)
	}
	buf := make([]byte, superblockSize)
	if _, err := r.ReadAt(buf, superblockOffset); err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
	}
	sb, err := parseSuperblock(buf)
	if err != nil {
		return nil, err
	}
	if have := uint64(size) / uint64(sb.BlockSize); sb.BlocksCount > have {
		kind := ErrTruncated
		if sb.checksums() && binary.LittleEndian.Uint32(buf[superChecksum:]) != uint32(crcStart.bytes(buf[:superChecksum])) {
			kind = ErrCorrupt
		}
		return nil, fmt.Errorf("superblock: %w: the file system has %d blocks of %d bytes, the image holds %d of them: it is truncated",
			kind, sb.BlocksCount, sb.BlockSize, have)
	}
	return sb, nil
}

func parseSuperblock(buf []byte) (*Superblock, error) {
	c := &cursor{buf}
	var sb Superblock
	sb.InodesCount = c.u32()
	blocksLo := c.u32()
	reservedLo := c.u32()
	c.skip(4 + 4) // s_free_blocks_count_lo, s_free_inodes_count
	sb.FirstDataBlock = c.u32()
	logBlockSize := c.u32()
	logClusterSize := c.u32()
	sb.BlocksPerGroup = c.u32()
	clustersPerGroup := c.u32()
	sb.InodesPerGroup = c.u32()
	c.skip(4 + 4 + 2 + 2) // s_mtime, s_wtime, s_mnt_count, s_max_mnt_count
	if magic := c.u16(); magic != superMagic {
		return nil, fmt.Errorf("%w: the magic number is 0x%04x, not 0x%04x", ErrNotExt, magic, superMagic)
	}
	sb.State = c.u16()
	c.skip(2 + 2 + 4 + 4) // s_errors, s_minor_rev_level, s_lastcheck, s_checkinterval
	sb.CreatorOS = c.u32()
	sb.RevLevel = c.u32()
	c.skip(2 + 2) // s_def_resuid, s_def_resgid
	sb.FirstIno = c.u32()
	sb.InodeSize = c.u16()
	c.skip(2) // s_block_group_nr
	sb.FeatureCompat = c.u32()
	sb.FeatureIncompat = c.u32()
	sb.FeatureRoCompat = c.u32()
	copy(sb.UUID[:], c.bytes(16))
	c.skip(16 + 64 + 4 + 1 + 1) // s_volume_name, s_last_mounted, s_algorithm_usage_bitmap, s_prealloc_blocks, s_prealloc_dir_blocks
	sb.ReservedGDTBlocks = c.u16()
	copy(sb.JournalUUID[:], c.bytes(16))
	sb.JournalInum = c.u32()
	sb.JournalDev = c.u32()
	sb.LastOrphan = c.u32()
	for i := range sb.HashSeed {
		sb.HashSeed[i] = c.u32()
	}
	c.skip(1 + 1) // s_def_hash_version, s_jnl_backup_type
	sb.DescSize = c.u16()
	c.skip(4) // s_default_mount_opts
	sb.FirstMetaBg = c.u32()
	c.skip(4 + 17*4)    // s_mkfs_time, s_jnl_blocks
	blocksHi := c.u32() // s_blocks_count_hi, at 0x150
	reservedHi := c.u32()
	c.skip(4) // s_free_blocks_count_hi
	sb.MinExtraIsize = c.u16()
	sb.WantExtraIsize = c.u16()
	sb.Flags = c.u32()
	c.skip(2 + 2) // s_raid_stride, s_mmp_interval
	sb.MMPBlock = c.u64()
	c.skip(4 + 1) // s_raid_stripe_width, s_log_groups_per_flex
	sb.ChecksumType = c.u8()
	c.skip(0x194 - 0x176) // s_encryption_level … s_snapshot_list
	sb.ErrorCount = c.u32()
	c.skip(0x240 - 0x198) // s_first_error_time … s_mount_opts
	sb.QuotaInums[0], sb.QuotaInums[1] = c.u32(), c.u32()
	c.skip(4)                 // s_overhead_clusters
	sb.BackupBgs[0] = c.u32() // s_backup_bgs
	sb.BackupBgs[1] = c.u32()
	c.skip(0x26C - 0x254) // s_encrypt_algos … s_lpf_ino
	sb.QuotaInums[2] = c.u32()
	sb.ChecksumSeed = c.u32()
	c.skip(0x280 - 0x274) // s_wtime_hi … s_encoding_flags
	sb.OrphanFileInum = c.u32()
	sb.raw = buf

	if sb.RevLevel == 0 { // EXT4_GOOD_OLD_REV has neither features nor a size of inodes
		sb.InodeSize, sb.FeatureCompat, sb.FeatureIncompat, sb.FeatureRoCompat = 128, 0, 0, 0
	}
	if sb.FeatureIncompat&Incompat64bit != 0 {
		sb.BlocksCount, sb.ReservedBlocks = wide(blocksLo, blocksHi), wide(reservedLo, reservedHi)
	} else {
		sb.BlocksCount, sb.ReservedBlocks, sb.DescSize = uint64(blocksLo), uint64(reservedLo), 32
	}
	sb.ownClusters = logClusterSize == logBlockSize && clustersPerGroup == sb.BlocksPerGroup
	if logBlockSize > maxLogBlockSize {
		return nil, fmt.Errorf("superblock: %w: s_log_block_size is %d, more than %d", ErrCorrupt, logBlockSize, maxLogBlockSize)
	}
	sb.BlockSize = 1024 << logBlockSize
	sb.ClusterBlocks = 1
	if sb.FeatureRoCompat&RoCompatBigalloc != 0 {
		// EXT4_MAX_CLUSTER_LOG_SIZE is 30: a cluster has at most 1 GiB.
		if logClusterSize < logBlockSize || logClusterSize > 20 {
			return nil, fmt.Errorf("superblock: %w: s_log_cluster_size is %d with blocks of %d bytes", ErrCorrupt, logClusterSize, sb.BlockSize)
		}
		sb.ClusterBlocks = 1 << (logClusterSize - logBlockSize)
	} else {
		clustersPerGroup = sb.BlocksPerGroup
	}
	return &sb, sb.check(clustersPerGroup)
}

// check compares the fields with each other and derives the number of groups.
func (sb *Superblock) check(clustersPerGroup uint32) error {
	bitsPerBlock := uint32(8 * sb.BlockSize) // a bitmap is one block
	firstData := uint32(0)
	if sb.BlockSize == 1024 && sb.ClusterBlocks == 1 {
		firstData = 1 // the superblock's block, after the boot sectors'
	}
	switch {
	case sb.FirstDataBlock != firstData:
		return fmt.Errorf("superblock: %w: s_first_data_block is %d with blocks of %d bytes", ErrCorrupt, sb.FirstDataBlock, sb.BlockSize)
	case clustersPerGroup == 0 || clustersPerGroup > bitsPerBlock || uint64(sb.BlocksPerGroup) != uint64(clustersPerGroup)*uint64(sb.ClusterBlocks):
		return fmt.Errorf("superblock: %w: %d blocks per group, a bitmap of one block has %d bits", ErrCorrupt, sb.BlocksPerGroup, bitsPerBlock)
	case sb.InodesPerGroup == 0 || sb.InodesPerGroup > bitsPerBlock:
		return fmt.Errorf("superblock: %w: %d inodes per group, a bitmap of one block has %d bits", ErrCorrupt, sb.InodesPerGroup, bitsPerBlock)
	case sb.InodeSize < 128 || int64(sb.InodeSize) > sb.BlockSize || bits.OnesCount16(sb.InodeSize) != 1:
		return fmt.Errorf("superblock: %w: inodes of %d bytes", ErrCorrupt, sb.InodeSize)
	case sb.DescSize < 32 || int64(sb.DescSize) > sb.BlockSize || bits.OnesCount16(sb.DescSize) != 1:
		return fmt.Errorf("superblock: %w: group descriptors of %d bytes", ErrCorrupt, sb.DescSize)
	case sb.BlocksCount <= uint64(sb.FirstDataBlock):
		return fmt.Errorf("superblock: %w: %d blocks", ErrCorrupt, sb.BlocksCount)
	}
	groups := (sb.BlocksCount - uint64(sb.FirstDataBlock) + uint64(sb.BlocksPerGroup) - 1) / uint64(sb.BlocksPerGroup)
	if groups*uint64(sb.InodesPerGroup) != uint64(sb.InodesCount) {
		return fmt.Errorf("superblock: %w: %d inodes in %d groups of %d", ErrCorrupt, sb.InodesCount, groups, sb.InodesPerGroup)
	}
	sb.Groups = uint32(groups) // fits: it divides InodesCount
	return nil
}

// DescsPerBlock is the number of group descriptors in a block.
func (sb *Superblock) DescsPerBlock() uint32 { return uint32(sb.BlockSize) / uint32(sb.DescSize) }

// DescTable is the offset of the first group descriptor, in bytes: the block after the superblock's. It is not always
// s_first_data_block that tells, as that is 0 where blocks of 1 KiB are in clusters.
func (sb *Superblock) DescTable() int64 {
	return (superblockOffset/sb.BlockSize + 1) * sb.BlockSize
}

// OneTable says whether all group descriptors stand in one run after the superblock, as readers without meta_bg expect them.
func (sb *Superblock) OneTable() bool {
	if sb.FeatureIncompat&IncompatMetaBg == 0 {
		return true
	}
	// The first block of descriptors is where it always was, whatever s_first_meta_bg says.
	return uint64(sb.Groups) <= uint64(max(sb.FirstMetaBg, 1))*uint64(sb.DescsPerBlock())
}
