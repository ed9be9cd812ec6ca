package ext4

// This file checks what the superblock says besides features and geometry: numbers that the kernel refuses to mount with or that
// e2fsck complains of.

import (
	"boringboot/ext4/internal/format"
)

func checkNumbers(sb format.Superblock) error {
	if os := format.SCreatorOS.Get(sb); os == format.OSHurd {
		return unsupportedf("superblock: s_creator_os %d: the Hurd's inodes", os)
	}
	if reserved := sb.ReservedBlocks(); reserved > sb.BlocksCount()/2 {
		return corruptf("superblock: s_r_blocks_count %d of %d blocks", reserved, sb.BlocksCount())
	}
	if err := checkQuotaFields(sb); err != nil {
		return err
	}
	if sb.HasIncompat(format.IncompatCsumSeed) && !sb.HasROCompat(format.ROCompatMetadataCsum) {
		return corruptf("superblock: metadata_csum_seed without metadata_csum")
	}
	if sb.HasROCompat(format.ROCompatMetadataCsum) && sb.HasROCompat(format.ROCompatGdtCsum) {
		return corruptf("superblock: metadata_csum and uninit_bg at once")
	}
	if e := format.SEncoding.Get(sb); sb.HasIncompat(format.IncompatCasefold) && e != format.EncodingUTF8 {
		return unsupportedf("superblock: s_encoding %d", e)
	}
	return checkExtraSizes(sb)
}

// checkExtraSizes: the extra part of an inode is a multiple of 4 bytes and fits into it.
func checkExtraSizes(sb format.Superblock) error {
	room := int(format.SInodeSize.Get(sb)) - format.InodeBaseSize
	for _, s := range []struct {
		name string
		size format.U16
	}{{"s_min_extra_isize", format.SMinExtraIsize}, {"s_want_extra_isize", format.SWantExtraIsize}} {
		if size := int(s.size.Get(sb)); size%4 != 0 || size > room && room > 0 {
			return corruptf("superblock: %s %d in inodes of %d bytes", s.name, size, format.SInodeSize.Get(sb))
		}
	}
	return nil
}

// checkJournalFields: a journal is in inode 8 or on another device, or there is none and nothing names one.
func checkJournalFields(sb format.Superblock) error {
	ino, dev := format.SJournalInum.Get(sb), format.SJournalDev.Get(sb)
	foreign := dev != 0 || string(sb.JournalUUID()) != string(make([]byte, 16))
	switch {
	case !sb.HasCompat(format.CompatHasJournal):
		if ino != 0 || foreign {
			return corruptf("superblock: a journal (s_journal_inum %d, s_journal_dev %#x) without the has_journal feature", ino, dev)
		}
	case ino == 0 && foreign:
		return unsupportedf("superblock: the journal is on another device")
	case Ino(ino) != format.JournalIno:
		return corruptf("superblock: s_journal_inum %d, not %d", ino, format.JournalIno)
	case foreign:
		return corruptf("superblock: a journal in inode %d and one on another device (s_journal_dev %#x)", ino, dev)
	}
	return nil
}

// checkFreeCounts: the superblock's counts are the sums of the groups'. Where there are too many groups to look at, the counts
// have to be possible at least.
func (v *view) checkFreeCounts(blocks, inodes uint64, all bool) error {
	freeBlocks, freeInodes := v.sb.FreeBlocks(), uint64(format.SFreeInodesCount.Get(v.sb))
	switch {
	case freeBlocks > uint64(v.blocks) || all && freeBlocks != blocks:
		return corruptf("superblock: %d free blocks of %d, the groups have %d", freeBlocks, v.blocks, blocks)
	case freeInodes > uint64(v.inodes) || all && freeInodes != inodes:
		return corruptf("superblock: %d free inodes of %d, the groups have %d", freeInodes, v.inodes, inodes)
	}
	return nil
}

// checkQuotaFields: users' and groups' quota files are hidden inodes of fixed numbers, the projects' is any that is not reserved.
func checkQuotaFields(sb format.Superblock) error {
	for _, q := range []struct {
		name  string
		field format.U32
		fixed Ino
	}{
		{"s_usr_quota_inum", format.SUsrQuotaInum, format.UserQuotaIno},
		{"s_grp_quota_inum", format.SGrpQuotaInum, format.GroupQuotaIno},
		{"s_prj_quota_inum", format.SPrjQuotaInum, 0},
	} {
		ino := Ino(q.field.Get(sb))
		switch {
		case ino == 0:
		case !sb.HasROCompat(format.ROCompatQuota):
			return corruptf("superblock: %s %d without the quota feature", q.name, ino)
		case q.fixed != 0 && ino != q.fixed, q.fixed == 0 && ino < Ino(format.SFirstIno.Get(sb)), ino > Ino(format.SInodesCount.Get(sb)):
			return corruptf("superblock: %s %d", q.name, ino)
		}
	}
	return nil
}
