package audit_test

// This file has the fields of every structure, from the kernel's description of the format (Documentation/filesystems/ext4).

import (
	"fmt"
	"strconv"
	"strings"
)

// field is a part of a structure: its name, where it begins, and how long it is.
type field struct {
	name  string
	at    int
	width int
}

// fields reads a table "name offset width", the offset in hexadecimal.
func fields(table string) []field {
	var list []field
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		for i := 0; i+2 < len(words); i += 3 {
			at, err := strconv.ParseInt(words[i+1], 16, 32)
			width, werr := strconv.Atoi(words[i+2])
			if err != nil || werr != nil {
				panic(fmt.Sprintf("field %q: %v, %v", words[i:i+3], err, werr))
			}
			list = append(list, field{words[i], int(at), width})
		}
	}
	return list
}

var superFields = fields(`
	s_inodes_count 0 4              s_blocks_count_lo 4 4          s_r_blocks_count_lo 8 4      s_free_blocks_count_lo C 4
	s_free_inodes_count 10 4        s_first_data_block 14 4        s_log_block_size 18 4        s_log_cluster_size 1C 4
	s_blocks_per_group 20 4         s_clusters_per_group 24 4      s_inodes_per_group 28 4      s_mtime 2C 4
	s_wtime 30 4                    s_mnt_count 34 2               s_max_mnt_count 36 2         s_magic 38 2
	s_state 3A 2                    s_errors 3C 2                  s_minor_rev_level 3E 2       s_lastcheck 40 4
	s_checkinterval 44 4            s_creator_os 48 4              s_rev_level 4C 4             s_def_resuid 50 2
	s_def_resgid 52 2               s_first_ino 54 4               s_inode_size 58 2            s_block_group_nr 5A 2
	s_feature_compat 5C 4           s_feature_incompat 60 4        s_feature_ro_compat 64 4     s_uuid 68 16
	s_volume_name 78 16             s_last_mounted 88 64           s_algorithm_usage_bitmap C8 4 s_prealloc_blocks CC 1
	s_prealloc_dir_blocks CD 1      s_reserved_gdt_blocks CE 2     s_journal_uuid D0 16         s_journal_inum E0 4
	s_journal_dev E4 4              s_last_orphan E8 4             s_hash_seed EC 16            s_def_hash_version FC 1
	s_jnl_backup_type FD 1          s_desc_size FE 2               s_default_mount_opts 100 4   s_first_meta_bg 104 4
	s_mkfs_time 108 4               s_jnl_blocks 10C 68            s_blocks_count_hi 150 4      s_r_blocks_count_hi 154 4
	s_free_blocks_count_hi 158 4    s_min_extra_isize 15C 2        s_want_extra_isize 15E 2     s_flags 160 4
	s_raid_stride 164 2             s_mmp_update_interval 166 2    s_mmp_block 168 8            s_raid_stripe_width 170 4
	s_log_groups_per_flex 174 1     s_checksum_type 175 1          s_encryption_level 176 1     s_reserved_pad 177 1
	s_kbytes_written 178 8          s_snapshot_inum 180 4          s_snapshot_id 184 4          s_snapshot_r_blocks_count 188 8
	s_snapshot_list 190 4           s_error_count 194 4            s_first_error_time 198 4     s_first_error_ino 19C 4
	s_first_error_block 1A0 8       s_first_error_func 1A8 32      s_first_error_line 1C8 4     s_last_error_time 1CC 4
	s_last_error_ino 1D0 4          s_last_error_line 1D4 4        s_last_error_block 1D8 8     s_last_error_func 1E0 32
	s_mount_opts 200 64             s_usr_quota_inum 240 4         s_grp_quota_inum 244 4       s_overhead_clusters 248 4
	s_backup_bgs 24C 4              s_backup_bgs_1 250 4           s_encrypt_algos 254 4        s_encrypt_pw_salt 258 16
	s_lpf_ino 268 4                 s_prj_quota_inum 26C 4         s_checksum_seed 270 4        s_wtime_hi 274 1
	s_mtime_hi 275 1                s_mkfs_time_hi 276 1           s_lastcheck_hi 277 1         s_first_error_time_hi 278 1
	s_last_error_time_hi 279 1      s_first_error_errcode 27A 1    s_last_error_errcode 27B 1   s_encoding 27C 2
	s_encoding_flags 27E 2          s_orphan_file_inum 280 4       s_reserved 284 376           s_checksum 3FC 4`)

var descriptorFields = fields(`
	bg_block_bitmap_lo 0 4      bg_inode_bitmap_lo 4 4      bg_inode_table_lo 8 4       bg_free_blocks_count_lo C 2
	bg_free_inodes_count_lo E 2 bg_used_dirs_count_lo 10 2  bg_flags 12 2               bg_exclude_bitmap_lo 14 4
	bg_block_bitmap_csum_lo 18 2 bg_inode_bitmap_csum_lo 1A 2 bg_itable_unused_lo 1C 2  bg_checksum 1E 2
	bg_block_bitmap_hi 20 4     bg_inode_bitmap_hi 24 4     bg_inode_table_hi 28 4      bg_free_blocks_count_hi 2C 2
	bg_free_inodes_count_hi 2E 2 bg_used_dirs_count_hi 30 2 bg_itable_unused_hi 32 2    bg_exclude_bitmap_hi 34 4
	bg_block_bitmap_csum_hi 38 2 bg_inode_bitmap_csum_hi 3A 2 bg_reserved 3C 4`)

var inodeFields = fields(`
	i_mode 0 2          i_uid 2 2            i_size_lo 4 4        i_atime 8 4          i_ctime C 4          i_mtime 10 4
	i_dtime 14 4        i_gid 18 2           i_links_count 1A 2   i_blocks_lo 1C 4     i_flags 20 4         i_version 24 4
	i_block 28 60       i_block_0 28 4       i_block_1 2C 4       i_block_5 3C 4       i_generation 64 4    i_file_acl_lo 68 4
	i_size_high 6C 4    i_obso_faddr 70 4    i_blocks_high 74 2   i_file_acl_high 76 2 i_uid_high 78 2      i_gid_high 7A 2
	i_checksum_lo 7C 2  i_reserved 7E 2`)

var largeInodeFields = fields(`
	i_extra_isize 80 2  i_checksum_hi 82 2   i_ctime_extra 84 4   i_mtime_extra 88 4   i_atime_extra 8C 4   i_crtime 90 4
	i_crtime_extra 94 4 i_version_hi 98 4    i_projid 9C 4`)

var (
	extentHeaderFields = fields(`eh_magic 0 2  eh_entries 2 2  eh_max 4 2  eh_depth 6 2  eh_generation 8 4`)
	extentFields       = fields(`ee_block 0 4  ee_len 4 2  ee_start_hi 6 2  ee_start_lo 8 4`)
	extentIndexFields  = fields(`ei_block 0 4  ei_leaf_lo 4 4  ei_leaf_hi 8 2  ei_unused A 2`)
	extentTailFields   = fields(`et_checksum 0 4`)

	entryFields    = fields(`inode 0 4  rec_len 4 2  name_len 6 1  file_type 7 1  name 8 1`)
	leafTailFields = fields(`det_reserved_zero1 0 4  det_rec_len 4 2  det_reserved_zero2 6 1  det_reserved_ft 7 1  det_checksum 8 4`)

	indexRootFields = fields(`dot.inode 0 4  dot.rec_len 4 2  dot.name_len 6 1  dot.file_type 7 1  dot.name 8 4
		dotdot.inode C 4  dotdot.rec_len 10 2  dotdot.name_len 12 1  dotdot.file_type 13 1  dotdot.name 14 4
		info.reserved_zero 18 4  info.hash_version 1C 1  info.info_length 1D 1  info.indirect_levels 1E 1  info.unused_flags 1F 1`)
	indexNodeFields  = fields(`fake.inode 0 4  fake.rec_len 4 2  fake.name_len 6 1  fake.file_type 7 1`)
	indexCountFields = fields(`limit 0 2  count 2 2  block 4 4`)
	indexEntryFields = fields(`hash 0 4  block 4 4`)
	indexTailFields  = fields(`dt_reserved 0 4  dt_checksum 4 4`)

	attributeHeaderFields = fields(`h_magic 0 4  h_refcount 4 4  h_blocks 8 4  h_hash C 4  h_checksum 10 4  h_reserved 14 12`)
	attributeFields       = fields(`e_name_len 0 1  e_name_index 1 1  e_value_offs 2 2  e_value_inum 4 4  e_value_size 8 4  e_hash C 4  e_name 10 1`)

	journalFields = fields(`
		h_magic 0 4   h_blocktype 4 4  h_sequence 8 4   s_blocksize C 4        s_maxlen 10 4          s_first 14 4         s_sequence 18 4
		s_start 1C 4  s_errno 20 4     s_feature_compat 24 4 s_feature_incompat 28 4 s_feature_ro_compat 2C 4 s_uuid 30 16 s_nr_users 40 4
		s_dynsuper 44 4 s_max_transaction 48 4 s_max_trans_data 4C 4 s_checksum_type 50 1 s_padding2 51 3 s_num_fc_blks 54 4 s_head 58 4
		s_checksum FC 4 s_users 100 16`)

	mmpFields = fields(`mmp_magic 0 4  mmp_seq 4 4  mmp_time 8 8  mmp_nodename 10 64  mmp_bdevname 50 32  mmp_check_interval 70 2
		mmp_pad1 72 2  mmp_pad2 74 4  mmp_checksum 3FC 4`)

	orphanTailFields = fields(`ob_magic 0 4  ob_checksum 4 4`)

	quotaHeaderFields = fields(`dqh_magic 0 4  dqh_version 4 4  dqi_bgrace 8 4  dqi_igrace C 4  dqi_flags 10 4  dqi_blocks 14 4
		dqi_free_blk 18 4  dqi_free_entry 1C 4`)
	quotaBlockFields  = fields(`dqdh_next_free 0 4  dqdh_prev_free 4 4  dqdh_entries 8 2  dqdh_pad1 A 2  dqdh_pad2 C 4`)
	quotaRecordFields = fields(`dqb_id 0 4  dqb_pad 4 4  dqb_ihardlimit 8 8  dqb_isoftlimit 10 8  dqb_curinodes 18 8  dqb_bhardlimit 20 8
		dqb_bsoftlimit 28 8  dqb_curspace 30 8  dqb_btime 38 8  dqb_itime 40 8`)
)
