package audit

// This file names the feature bits, and says which of them can be judged.

import (
	"fmt"
	"strings"
)

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

// What e2fsck 1.47 knows of: with any other feature it does not judge.
const (
	knownCompat = compatDirPrealloc | compatImagicInodes | compatHasJournal | compatExtAttr | compatResizeInode | compatDirIndex |
		compatSparseSuper2 | compatFastCommit | compatStableInodes | compatOrphanFile
	knownIncompat = incompatFiletype | incompatRecover | incompatMetaBg | incompatExtents | incompat64bit | incompatMMP | incompatFlexBg |
		incompatEaInode | incompatCsumSeed | incompatLargedir | incompatInlineData | incompatEncrypt | incompatCasefold
	knownRoCompat = roCompatSparseSuper | roCompatLargeFile | roCompatHugeFile | roCompatGdtCsum | roCompatDirNlink | roCompatExtraIsize |
		roCompatQuota | roCompatBigalloc | roCompatMetadataCsum | roCompatReadonly | roCompatProject | roCompatSharedBlocks |
		roCompatVerity | roCompatOrphanPresent
)

// encodingUTF8 is the only s_encoding that there is: Unicode 12.1.
const encodingUTF8 = 1

// featureNames are those of mke2fs.
var featureNames = [3]map[uint32]string{
	{
		compatDirPrealloc: "dir_prealloc", compatImagicInodes: "imagic_inodes", compatHasJournal: "has_journal", compatExtAttr: "ext_attr",
		compatResizeInode: "resize_inode", compatDirIndex: "dir_index", compatLazyBg: "lazy_bg", compatExcludeInode: "snapshot_exclude",
		compatExcludeBitmap: "exclude_bitmap", compatSparseSuper2: "sparse_super2", compatFastCommit: "fast_commit",
		compatStableInodes: "stable_inodes", compatOrphanFile: "orphan_file",
	},
	{
		incompatCompression: "compression", incompatFiletype: "filetype", incompatRecover: "needs_recovery", incompatJournalDev: "journal_dev",
		incompatMetaBg: "meta_bg", incompatExtents: "extent", incompat64bit: "64bit", incompatMMP: "mmp", incompatFlexBg: "flex_bg",
		incompatEaInode: "ea_inode", incompatDirdata: "dirdata", incompatCsumSeed: "metadata_csum_seed", incompatLargedir: "large_dir",
		incompatInlineData: "inline_data", incompatEncrypt: "encrypt", incompatCasefold: "casefold",
	},
	{
		roCompatSparseSuper: "sparse_super", roCompatLargeFile: "large_file", roCompatBtreeDir: "btree_dir", roCompatHugeFile: "huge_file",
		roCompatGdtCsum: "uninit_bg", roCompatDirNlink: "dir_nlink", roCompatExtraIsize: "extra_isize", roCompatHasSnapshot: "has_snapshot",
		roCompatQuota: "quota", roCompatBigalloc: "bigalloc", roCompatMetadataCsum: "metadata_csum", roCompatReplica: "replica",
		roCompatReadonly: "read-only", roCompatProject: "project", roCompatSharedBlocks: "shared_blocks", roCompatVerity: "verity",
		roCompatOrphanPresent: "orphan_present",
	},
}

// features names those of a superblock, in the order of the three fields and of their bits.
func (s *super) features() []string {
	var names []string
	for i, field := range [3]uint32{s.FeatureCompat, s.FeatureIncompat, s.FeatureRoCompat} {
		names = append(names, namesOf(i, field)...)
	}
	return names
}

func namesOf(field int, set uint32) []string {
	var names []string
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if set&bit == 0 {
			continue
		}
		name, ok := featureNames[field][bit]
		if !ok {
			name = fmt.Sprintf("%s 0x%x", [3]string{"compatible", "incompatible", "read-only compatible"}[field], bit)
		}
		names = append(names, name)
	}
	return names
}

// checkFeatures says whether all features are known, and notes what does not go together.
func (c *checker) checkFeatures() bool {
	s, o := c.sb, Object{Superblock, 0}
	var unknown []string
	for i, field := range [3]uint32{s.FeatureCompat &^ knownCompat, s.FeatureIncompat &^ knownIncompat, s.FeatureRoCompat &^ knownRoCompat} {
		unknown = append(unknown, namesOf(i, field)...)
	}
	if len(unknown) != 0 {
		c.report(CodeFeatures, o, "no check knows of: %s", strings.Join(unknown, ", "))
		return false
	}
	if s.hasIncompat(incompatCasefold) && s.Encoding != encodingUTF8 {
		c.report(CodeFeatures, o, "names are encoded as %d, which nobody knows of", s.Encoding)
		return false
	}
	// What follows e2fsck mentions, and goes on.
	if s.hasRoCompat(roCompatMetadataCsum) && s.hasRoCompat(roCompatGdtCsum) {
		c.warn(CodeFeatures, o, "metadata_csum and uninit_bg exclude each other")
	}
	if !s.hasRoCompat(roCompatMetadataCsum) && s.hasIncompat(incompatCsumSeed) {
		c.warn(CodeFeatures, o, "metadata_csum_seed is of no use without metadata_csum")
	}
	if s.hasIncompat(incompat64bit) && !s.hasIncompat(incompatExtents) {
		c.warn(CodeFeatures, o, "64bit without extent does not reach all blocks")
	}
	if s.RevLevel == 0 && s.FeatureCompat|s.FeatureIncompat|s.FeatureRoCompat != 0 {
		c.warn(CodeFeatures, o, "revision 0 has no features")
	}
	return true
}
