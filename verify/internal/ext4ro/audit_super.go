// The superblock, judged: its checksum, and what the kernel demands of its fields before it mounts.

package ext4ro

import (
	"encoding/binary"
	"math/bits"
)

// Features that the kernel mounts for reading and writing (EXT4_FEATURE_INCOMPAT_SUPP and EXT4_FEATURE_RO_COMPAT_SUPP of Linux 6).
const (
	knownIncompat = IncompatFiletype | IncompatRecover | IncompatMetaBg | IncompatExtents | Incompat64bit | IncompatMmp | IncompatFlexBg |
		IncompatEaInode | IncompatCsumSeed | IncompatLargedir | IncompatInlineData | IncompatEncrypt | IncompatCasefold
	// sparse_super, large_file, btree_dir, huge_file, uninit_bg, dir_nlink, extra_isize; quota, bigalloc, metadata_csum; read-only,
	// project; verity, orphan_present.
	knownRoCompat = 0x7F | 0x700 | 0x3000 | 0x18000
)

const (
	checksumCrc32c = 1   // s_checksum_type
	firstInoMin    = 11  // EXT4_GOOD_OLD_FIRST_INO
	goodOldInode   = 128 // EXT4_GOOD_OLD_INODE_SIZE
	superChecksum  = 0x3FC
	creatorHurd    = 1 // its inodes have other things where those of Linux have halves of numbers
)

func (a *Audit) superblock() {
	const object = "superblock"
	sb := a.fs.Superblock
	if sb.checksums() {
		want := crcStart.bytes(sb.raw[:superChecksum])
		if got := binary.LittleEndian.Uint32(sb.raw[superChecksum:]); sb.ChecksumType != checksumCrc32c {
			a.note(object, "s_checksum_type is %d, not %d", sb.ChecksumType, checksumCrc32c)
		} else if got != uint32(want) {
			a.note(object, "the checksum is 0x%08x, that of what it holds is 0x%08x", got, uint32(want))
		}
	}
	has := func(compat, incompat, roCompat uint32) bool {
		return sb.FeatureCompat&compat != 0 || sb.FeatureIncompat&incompat != 0 || sb.FeatureRoCompat&roCompat != 0
	}
	must := func(ok bool, format string, args ...any) {
		if !ok {
			a.note(object, format, args...)
		}
	}
	must(sb.FeatureIncompat&^knownIncompat == 0, "incompatible features 0x%x, which no kernel mounts", sb.FeatureIncompat&^knownIncompat)
	must(sb.FeatureRoCompat&^knownRoCompat == 0, "features 0x%x, with which no kernel mounts it for writing", sb.FeatureRoCompat&^knownRoCompat)
	must(sb.RevLevel <= 1, "s_rev_level is %d", sb.RevLevel)
	must(sb.CreatorOS <= 4 && (sb.CreatorOS != creatorHurd || !has(0, Incompat64bit, 0) && !sb.checksums()), "s_creator_os is %d", sb.CreatorOS)
	must(has(0, 0, RoCompatBigalloc) || sb.ownClusters, "clusters that are not blocks, without bigalloc")
	must(sb.ReservedBlocks <= sb.BlocksCount/2, "%d of %d blocks are reserved", sb.ReservedBlocks, sb.BlocksCount)
	must(has(0, 0, RoCompatQuota) || sb.QuotaInums == [3]uint32{}, "quota files (inodes %d) without quota", sb.QuotaInums)
	must(sb.RevLevel == 0 || sb.FirstIno >= firstInoMin && sb.FirstIno <= sb.InodesCount, "s_first_ino is %d of %d", sb.FirstIno, sb.InodesCount)
	must(sb.InodesPerGroup%8 == 0, "%d inodes per group", sb.InodesPerGroup)
	must(sb.BlocksPerGroup%8 == 0 && sb.BlocksPerGroup >= 256, "%d blocks per group", sb.BlocksPerGroup)
	must(int64(sb.ReservedGDTBlocks) <= sb.BlockSize/4, "s_reserved_gdt_blocks is %d, more than a block of pointers", sb.ReservedGDTBlocks)
	must(has(CompatResizeInode, 0, 0) || sb.ReservedGDTBlocks == 0, "s_reserved_gdt_blocks is %d without resize_inode", sb.ReservedGDTBlocks)
	must(!has(0, IncompatMetaBg, 0) || !has(CompatResizeInode, 0, 0), "resize_inode and meta_bg contradict each other")
	must(!has(0, IncompatMetaBg, 0) || sb.FirstMetaBg <= (sb.Groups+sb.DescsPerBlock()-1)/sb.DescsPerBlock(), "s_first_meta_bg is %d", sb.FirstMetaBg)
	must(!has(0, 0, RoCompatGdtCsum) || !sb.checksums(), "uninit_bg and metadata_csum contradict each other")
	must(!has(0, IncompatCsumSeed, 0) || sb.checksums(), "metadata_csum_seed without metadata_csum")
	must(!has(0, IncompatRecover, 0) || has(CompatHasJournal, 0, 0), "needs_recovery without a journal")
	must(!has(0, IncompatJournalDev, 0), "it is the journal of another file system")
	must(!has(0, Incompat64bit, 0) || sb.DescSize >= 64, "group descriptors of %d bytes with 64bit", sb.DescSize)
	must(!has(0, 0, RoCompatBigalloc) || has(0, IncompatExtents, 0), "bigalloc without extents")
	if sb.InodeSize > goodOldInode {
		room := sb.InodeSize - goodOldInode
		for _, f := range []struct {
			name  string
			bytes uint16
		}{{"s_min_extra_isize", sb.MinExtraIsize}, {"s_want_extra_isize", sb.WantExtraIsize}} {
			must(f.bytes <= room && f.bytes%4 == 0, "%s is %d, of %d bytes", f.name, f.bytes, room)
		}
	}
	must(sb.Flags&3 != 3, "s_flags has hashes of signed and of unsigned characters at once")
	must(sb.LastOrphan == 0, "s_last_orphan is %d: inodes that the kernel removes or cuts short when it mounts", sb.LastOrphan)
	must(!has(0, 0, RoCompatOrphanPresent) || has(CompatOrphanFile, 0, 0) && has(0, IncompatRecover, 0),
		"orphan_present: inodes that the kernel removes or cuts short when it mounts")
	must(sb.State&^7 == 0, "s_state is 0x%x", sb.State)
	if has(CompatHasJournal, 0, 0) {
		must(sb.JournalDev == 0 && sb.JournalUUID == [16]byte{}, "the journal is on another device (s_journal_dev 0x%x, s_journal_uuid %x)",
			sb.JournalDev, sb.JournalUUID)
	} else {
		must(sb.JournalInum == 0 && sb.JournalDev == 0, "a journal (inode %d, device 0x%x) without has_journal", sb.JournalInum, sb.JournalDev)
	}
	must(has(CompatOrphanFile, 0, 0) || sb.OrphanFileInum == 0, "s_orphan_file_inum is %d without orphan_file", sb.OrphanFileInum)
	must(bits.OnesCount16(sb.DescSize) == 1, "group descriptors of %d bytes", sb.DescSize)
}
