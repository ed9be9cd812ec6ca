package ext4

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// superFields are all fields of the kernel's struct ext4_super_block but the magic and the checksum. Of text and identifiers the
// first bytes stand for all.
var superFields = []sweptField{
	{"s_inodes_count", 0x00, 4}, {"s_blocks_count_lo", 0x04, 4}, {"s_r_blocks_count_lo", 0x08, 4}, {"s_free_blocks_count_lo", 0x0C, 4},
	{"s_free_inodes_count", 0x10, 4}, {"s_first_data_block", 0x14, 4}, {"s_log_block_size", 0x18, 4}, {"s_log_cluster_size", 0x1C, 4},
	{"s_blocks_per_group", 0x20, 4}, {"s_clusters_per_group", 0x24, 4}, {"s_inodes_per_group", 0x28, 4}, {"s_mtime", 0x2C, 4},
	{"s_wtime", 0x30, 4}, {"s_mnt_count", 0x34, 2}, {"s_max_mnt_count", 0x36, 2}, {"s_magic", 0x38, 2}, {"s_state", 0x3A, 2},
	{"s_errors", 0x3C, 2}, {"s_minor_rev_level", 0x3E, 2}, {"s_lastcheck", 0x40, 4}, {"s_checkinterval", 0x44, 4},
	{"s_creator_os", 0x48, 4}, {"s_rev_level", 0x4C, 4}, {"s_def_resuid", 0x50, 2}, {"s_def_resgid", 0x52, 2}, {"s_first_ino", 0x54, 4},
	{"s_inode_size", 0x58, 2}, {"s_block_group_nr", 0x5A, 2}, {"s_feature_compat", 0x5C, 4}, {"s_feature_incompat", 0x60, 4},
	{"s_feature_ro_compat", 0x64, 4}, {"s_uuid", 0x68, 4}, {"s_volume_name", 0x78, 4}, {"s_last_mounted", 0x88, 4},
	{"s_algorithm_usage_bitmap", 0xC8, 4}, {"s_prealloc_blocks", 0xCC, 1}, {"s_prealloc_dir_blocks", 0xCD, 1},
	{"s_reserved_gdt_blocks", 0xCE, 2}, {"s_journal_uuid", 0xD0, 4}, {"s_journal_inum", 0xE0, 4}, {"s_journal_dev", 0xE4, 4},
	{"s_last_orphan", 0xE8, 4}, {"s_hash_seed", 0xEC, 4}, {"s_def_hash_version", 0xFC, 1}, {"s_jnl_backup_type", 0xFD, 1},
	{"s_desc_size", 0xFE, 2}, {"s_default_mount_opts", 0x100, 4}, {"s_first_meta_bg", 0x104, 4}, {"s_mkfs_time", 0x108, 4},
	{"s_jnl_blocks[0]", 0x10C, 4}, {"s_jnl_blocks[15]", 0x148, 4}, {"s_jnl_blocks[16]", 0x14C, 4}, {"s_blocks_count_hi", 0x150, 4},
	{"s_r_blocks_count_hi", 0x154, 4}, {"s_free_blocks_count_hi", 0x158, 4}, {"s_min_extra_isize", 0x15C, 2},
	{"s_want_extra_isize", 0x15E, 2}, {"s_flags", 0x160, 4}, {"s_raid_stride", 0x164, 2}, {"s_mmp_update_interval", 0x166, 2},
	{"s_mmp_block", 0x168, 8}, {"s_raid_stripe_width", 0x170, 4}, {"s_log_groups_per_flex", 0x174, 1}, {"s_checksum_type", 0x175, 1},
	{"s_encryption_level", 0x176, 1}, {"s_reserved_pad", 0x177, 1}, {"s_kbytes_written", 0x178, 8}, {"s_snapshot_inum", 0x180, 4},
	{"s_snapshot_id", 0x184, 4}, {"s_snapshot_r_blocks_count", 0x188, 8}, {"s_snapshot_list", 0x190, 4}, {"s_error_count", 0x194, 4},
	{"s_first_error_time", 0x198, 4}, {"s_first_error_ino", 0x19C, 4}, {"s_first_error_block", 0x1A0, 8}, {"s_first_error_func", 0x1A8, 4},
	{"s_first_error_line", 0x1C8, 4}, {"s_last_error_time", 0x1CC, 4}, {"s_last_error_ino", 0x1D0, 4}, {"s_last_error_line", 0x1D4, 4},
	{"s_last_error_block", 0x1D8, 8}, {"s_last_error_func", 0x1E0, 4}, {"s_mount_opts", 0x200, 4}, {"s_usr_quota_inum", 0x240, 4},
	{"s_grp_quota_inum", 0x244, 4}, {"s_overhead_clusters", 0x248, 4}, {"s_backup_bgs[0]", 0x24C, 4}, {"s_backup_bgs[1]", 0x250, 4},
	{"s_encrypt_algos", 0x254, 4}, {"s_encrypt_pw_salt", 0x258, 4}, {"s_lpf_ino", 0x268, 4}, {"s_prj_quota_inum", 0x26C, 4},
	{"s_checksum_seed", 0x270, 4}, {"s_wtime_hi", 0x274, 1}, {"s_mtime_hi", 0x275, 1}, {"s_mkfs_time_hi", 0x276, 1},
	{"s_lastcheck_hi", 0x277, 1}, {"s_first_error_time_hi", 0x278, 1}, {"s_last_error_time_hi", 0x279, 1}, {"s_first_error_errcode", 0x27A, 1},
	{"s_last_error_errcode", 0x27B, 1}, {"s_encoding", 0x27C, 2}, {"s_encoding_flags", 0x27E, 2}, {"s_orphan_file_inum", 0x280, 4},
	{"s_def_resuid_hi", 0x284, 2}, {"s_def_resgid_hi", 0x286, 2}, {"s_reserved", 0x288, 4},
}

func TestASuperblockThatTheJudgesRefuseIsRefused(t *testing.T) {
	spread := testimage.ProfileNamed("debian-1k")
	spread.Features = strings.Replace(spread.Features, "resize_inode", "meta_bg,sparse_super2", 1)
	for name, o := range map[string]testimage.Options{
		"nixos-4k":             {Profile: testimage.ProfileNamed("nixos-4k")},
		"no-checksums-1k":      {Profile: testimage.ProfileNamed("no-checksums-1k")},
		"gdt-checksums-2k":     {Profile: testimage.ProfileNamed("gdt-checksums-2k")},
		"meta_bg, two backups": {Profile: spread, BlocksPerGroup: 256},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.StorePaths, o.Size = 3, 8<<20
			s := newSweep(t, o)
			s.excused = superExcused
			seal := func(image []byte) {
				sb := format.Superblock(image[format.SuperblockOffset:][:format.SuperblockSize])
				if sb.HasROCompat(format.ROCompatMetadataCsum) {
					sb.SetChecksum()
				}
			}
			for _, f := range features {
				if f.how == recovered {
					continue // recover_test.go
				}
				at := map[featureSet]int{setCompat: 0x5C, setIncompat: 0x60, setROCompat: 0x64}[f.set]
				image := bytes.Clone(s.clean)
				field := image[format.SuperblockOffset+at:]
				binary.LittleEndian.PutUint32(field, binary.LittleEndian.Uint32(field)^f.bit)
				seal(image)
				s.judge("feature "+f.name, "feature "+f.name+" the other way", image)
			}
			s.fields(superFields, format.SuperblockOffset, seal)
		})
	}
}

// superExcused are what the judges complain of and an update is made nevertheless.
var superExcused = map[string]string{
	"s_mtime":               "a clock was ahead: the kernel mounts it, e2fsck says so and sets it back",
	"s_wtime":               "a clock was ahead: the kernel mounts it, e2fsck says so and sets it back",
	"feature ext_attr":      "attributes of files that are not touched",
	"feature dir_index":     "indexed directories that are not touched",
	"feature orphan_file":   "an inode that nothing names any more and holds nothing but zeros",
	"feature filetype":      "entries of directories that are not touched",
	"s_backup_bgs[0]":       "which blocks are a copy's, in use by nobody or marked free, is found when their group is used",
	"s_backup_bgs[1]":       "which blocks are a copy's, in use by nobody or marked free, is found when their group is used",
	"s_first_meta_bg":       "which blocks are a copy's, in use by nobody or marked free, is found when their group is used",
	"feature sparse_super2": "which blocks are a copy's, in use by nobody or marked free, is found when their group is used",
	"feature quota":         "this kernel, without CONFIG_QFMT_V2, mounts it for reading",
	"feature project":       "this kernel, without CONFIG_QFMT_V2, mounts it for reading",
	"s_hash_seed":           "the hashes of a directory's names are verified when the directory is changed",
}
