package ext4

// This file is the feature gate: one table says of every known feature bit whether it is used, preserved or refused, and it
// is asked before anything but the superblock is read.

import (
	"fmt"
	"strings"

	"boringboot/ext4/internal/format"
)

type featureSet int

const (
	setCompat featureSet = iota
	setIncompat
	setROCompat
)

func (s featureSet) String() string { return [...]string{"compat", "incompat", "ro_compat"}[s] }

func (s featureSet) of(sb format.Superblock) uint32 {
	switch s {
	case setCompat:
		return format.SFeatureCompat.Get(sb)
	case setIncompat:
		return format.SFeatureIncompat.Get(sb)
	}
	return format.SFeatureROCompat.Get(sb)
}

type treatment int

const (
	used      treatment = iota + 1 // read and written as the kernel does
	preserved                      // needs nothing from a writer; what it stands for is kept as it is
	refused                        // Open fails with ErrUnsupported and the reason
	recovered                      // Open recovers the file system first
)

type feature struct {
	set    featureSet
	bit    uint32
	name   string // as in mke2fs -O and dumpe2fs
	how    treatment
	reason string // of preserved, refused and recovered
}

// features has every bit that Documentation/filesystems/ext4/super.rst and e2fsprogs 1.47's ext2_fs.h name.
var features = []feature{
	{setCompat, format.CompatDirPrealloc, "dir_prealloc", preserved, "no kernel follows it"},
	{setCompat, format.CompatImagicInodes, "imagic_inodes", refused, "AFS inodes have no known format"},
	{setCompat, format.CompatHasJournal, "has_journal", used, ""},
	{setCompat, format.CompatExtAttr, "ext_attr", used, ""},
	{setCompat, format.CompatResizeInode, "resize_inode", preserved, "the reserved descriptor blocks are in use as any others"},
	{setCompat, format.CompatDirIndex, "dir_index", used, ""},
	{setCompat, format.CompatLazyBG, "lazy_bg", refused, "never part of the kernel"},
	{setCompat, format.CompatExcludeInode, "exclude_inode", refused, "snapshots were never part of the kernel"},
	{setCompat, format.CompatExcludeBitmap, "exclude_bitmap", refused, "snapshots were never part of the kernel"},
	{setCompat, format.CompatSparseSuper2, "sparse_super2", used, ""},
	{setCompat, format.CompatFastCommit, "fast_commit", preserved, "the area of the journal behind the log is left alone"},
	{setCompat, format.CompatStableInodes, "stable_inodes", preserved, "no inode is given another number"},
	{setCompat, format.CompatOrphanFile, "orphan_file", used, ""},

	{setIncompat, format.IncompatCompression, "compression", refused, "never part of the kernel"},
	{setIncompat, format.IncompatFiletype, "filetype", used, ""},
	{setIncompat, format.IncompatRecover, "needs_recovery", recovered, "the journal is replayed"},
	{setIncompat, format.IncompatJournalDev, "journal_dev", refused, "this is an external journal, not a file system"},
	{setIncompat, format.IncompatMetaBG, "meta_bg", used, ""},
	{setIncompat, format.IncompatExtents, "extent", used, ""},
	{setIncompat, format.Incompat64Bit, "64bit", used, ""},
	{setIncompat, format.IncompatMMP, "mmp", used, ""},
	{setIncompat, format.IncompatFlexBG, "flex_bg", used, ""},
	{setIncompat, format.IncompatEAInode, "ea_inode", used, ""},
	{setIncompat, format.IncompatDirdata, "dirdata", refused, "never part of the kernel"},
	{setIncompat, format.IncompatCsumSeed, "metadata_csum_seed", used, ""},
	{setIncompat, format.IncompatLargedir, "large_dir", used, ""},
	{setIncompat, format.IncompatInlineData, "inline_data", used, ""},
	{setIncompat, format.IncompatEncrypt, "encrypt", preserved, "what is encrypted is left alone"},
	{setIncompat, format.IncompatCasefold, "casefold", preserved, "casefolded directories are left alone"},

	{setROCompat, format.ROCompatSparseSuper, "sparse_super", used, ""},
	{setROCompat, format.ROCompatLargeFile, "large_file", used, ""},
	{setROCompat, format.ROCompatBtreeDir, "btree_dir", refused, "never part of the kernel"},
	{setROCompat, format.ROCompatHugeFile, "huge_file", used, ""},
	{setROCompat, format.ROCompatGdtCsum, "uninit_bg", used, ""},
	{setROCompat, format.ROCompatDirNlink, "dir_nlink", used, ""},
	{setROCompat, format.ROCompatExtraIsize, "extra_isize", used, ""},
	{setROCompat, format.ROCompatHasSnapshot, "snapshot", refused, "snapshots were never part of the kernel"},
	{setROCompat, format.ROCompatQuota, "quota", used, ""},
	{setROCompat, format.ROCompatBigalloc, "bigalloc", used, ""},
	{setROCompat, format.ROCompatMetadataCsum, "metadata_csum", used, ""},
	{setROCompat, format.ROCompatReplica, "replica", refused, "never part of the kernel"},
	{setROCompat, format.ROCompatReadonly, "read-only", refused, "the file system says that nothing may write to it"},
	{setROCompat, format.ROCompatProject, "project", used, ""},
	{setROCompat, format.ROCompatSharedBlocks, "shared_blocks", refused, "blocks of several files may not be written"},
	{setROCompat, format.ROCompatVerity, "verity", preserved, "what files with verity hold is left alone"},
	{setROCompat, format.ROCompatOrphanPresent, "orphan_present", recovered, "what is in the orphan file is deleted or truncated"},
}

// checkFeatures refuses what the table refuses and what it does not know.
func checkFeatures(sb format.Superblock) error {
	known := map[featureSet]uint32{}
	var bad []string
	for _, f := range features {
		known[f.set] |= f.bit
		if f.set.of(sb)&f.bit == 0 {
			continue
		}
		if f.how == refused {
			bad = append(bad, fmt.Sprintf("%s (%s)", f.name, f.reason))
		}
	}
	for _, set := range []featureSet{setCompat, setIncompat, setROCompat} {
		for rest := set.of(sb) &^ known[set]; rest != 0; rest &= rest - 1 {
			bad = append(bad, fmt.Sprintf("unknown %s bit %#x", set, rest&-rest))
		}
	}
	if len(bad) > 0 {
		return unsupportedf("superblock: feature %s", strings.Join(bad, ", feature "))
	}
	return nil
}

// checkState refuses a file system that someone else has to look at first.
func checkState(sb format.Superblock) error {
	state := format.SState.Get(sb)
	switch {
	case state&format.StateErrors != 0:
		return kindf(ErrHasErrors, "superblock: the errors flag is set (s_state %#x): let e2fsck check it first", state)
	case state&format.StateValid == 0:
		return kindf(ErrNeedsRecovery, "superblock: not cleanly unmounted (s_state %#x)", state)
	}
	return nil
}

// checkWritable refuses to write where reading is all that works.
func checkWritable(sb format.Superblock) error {
	if v := format.SDefHashVersion.Get(sb); sb.HasCompat(format.CompatDirIndex) && v > format.HashTEA {
		return unsupportedf("superblock: s_def_hash_version %d", v)
	}
	return nil
}

// featureNames lists the features that are set, by set and bit.
func featureNames(sb format.Superblock) []string {
	var names []string
	for _, f := range features {
		if f.set.of(sb)&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	return names
}
