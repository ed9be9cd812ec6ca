package audit

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// TestSuperblockFields has debugfs write each field and reads it back.
func TestSuperblockFields(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 8 << 20, Inodes: 64})
	for _, x := range []struct {
		field string
		value uint64
		get   func(*super) uint64
	}{
		{"inodes_count", 0x01020304, func(s *super) uint64 { return uint64(s.InodesCount) }},
		{"blocks_count", 0x0102030405, func(s *super) uint64 { return s.BlocksCount }},
		{"r_blocks_count", 0x0102030406, func(s *super) uint64 { return s.RBlocksCount }},
		{"free_blocks_count", 0x0102030407, func(s *super) uint64 { return s.FreeBlocksCount }},
		{"free_inodes_count", 0x01020305, func(s *super) uint64 { return uint64(s.FreeInodesCount) }},
		{"first_data_block", 7, func(s *super) uint64 { return uint64(s.FirstDataBlock) }},
		{"clusters_per_group", 0x8001, func(s *super) uint64 { return uint64(s.ClustersPerGroup) }},
		{"inodes_per_group", 0x4002, func(s *super) uint64 { return uint64(s.InodesPerGroup) }},
		{"mtime", 0x50000001, func(s *super) uint64 { return uint64(s.Mtime) }},
		{"mkfs_time", 0x50000003, func(s *super) uint64 { return uint64(s.MkfsTime) }},
		{"state", 2, func(s *super) uint64 { return uint64(s.State) }},
		{"creator_os", 1, func(s *super) uint64 { return uint64(s.CreatorOS) }},
		{"first_ino", 12, func(s *super) uint64 { return uint64(s.FirstIno) }},
		{"reserved_gdt_blocks", 300, func(s *super) uint64 { return uint64(s.ReservedGDTBlocks) }},
		{"journal_inum", 9, func(s *super) uint64 { return uint64(s.JournalInum) }},
		{"last_orphan", 12, func(s *super) uint64 { return uint64(s.LastOrphan) }},
		{"jnl_backup_type", 0, func(s *super) uint64 { return uint64(s.JnlBackupType) }},
		{"first_meta_bg", 5, func(s *super) uint64 { return uint64(s.FirstMetaBg) }},
		{"min_extra_isize", 28, func(s *super) uint64 { return uint64(s.MinExtraIsize) }},
		{"want_extra_isize", 24, func(s *super) uint64 { return uint64(s.WantExtraIsize) }},
		{"flags", 2, func(s *super) uint64 { return uint64(s.Flags) }},
		{"mmp_interval", 17, func(s *super) uint64 { return uint64(s.MMPInterval) }},
		{"mmp_block", 0x1122334455, func(s *super) uint64 { return s.MMPBlock }},
		{"log_groups_per_flex", 4, func(s *super) uint64 { return uint64(s.LogGroupsPerFlex) }},
		{"usr_quota_inum", 3, func(s *super) uint64 { return uint64(s.QuotaInums[0]) }},
		{"grp_quota_inum", 4, func(s *super) uint64 { return uint64(s.QuotaInums[1]) }},
		{"prj_quota_inum", 20, func(s *super) uint64 { return uint64(s.QuotaInums[2]) }},
		{"backup_bgs[0]", 22, func(s *super) uint64 { return uint64(s.BackupBgs[0]) }},
		{"backup_bgs[1]", 23, func(s *super) uint64 { return uint64(s.BackupBgs[1]) }},
		{"checksum_seed", 0x01020307, func(s *super) uint64 { return uint64(s.ChecksumSeed) }},
		{"encoding", 1, func(s *super) uint64 { return uint64(s.Encoding) }},
		{"orphan_file_inum", 25, func(s *super) uint64 { return uint64(s.OrphanFileInum) }},
	} {
		t.Run(x.field, func(t *testing.T) {
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := t.TempDir() + "/image"
			if err := os.WriteFile(changed, image, 0o600); err != nil {
				t.Fatal(err)
			}
			value := fmt.Sprint(x.value)
			switch x.field {
			case "mtime", "mkfs_time":
				value = "@" + value
			case "def_hash_version":
				value = "tea"
			}
			testimage.DebugfsWrite(t, changed, 0, "set_super_value "+x.field+" "+value)
			image, err = os.ReadFile(changed)
			if err != nil {
				t.Fatal(err)
			}
			if got := x.get(parseSuper(image[superblockOffset:][:superblockSize])); got != x.value {
				t.Errorf("got %#x, want %#x", got, x.value)
			}
		})
	}
}

// TestSizesThatCannotBe has the message name the field that is wrong.
func TestSizesThatCannotBe(t *testing.T) {
	for field, damage := range map[string]func(*super){
		"s_log_block_size":      func(s *super) { s.LogBlockSize = 7 },
		"s_log_cluster_size":    func(s *super) { s.LogClusterSize = 20 },
		"s_inode_size":          func(s *super) { s.InodeSize = 192 },
		"s_desc_size":           func(s *super) { s.DescSize = 96 },
		"s_desc_size ":          func(s *super) { s.DescSize = 32 },
		"s_clusters_per_group":  func(s *super) { s.ClustersPerGroup = 12 },
		"s_blocks_per_group":    func(s *super) { s.BlocksPerGroup = 8 },
		"s_blocks_count":        func(s *super) { s.BlocksCount = 0 },
		"s_blocks_count ":       func(s *super) { s.BlocksCount = 1<<48 + 1 },
		"s_first_data_block":    func(s *super) { s.FirstDataBlock = 1 },
		"s_r_blocks_count":      func(s *super) { s.RBlocksCount = 1 << 34 },
		"s_reserved_gdt_blocks": func(s *super) { s.ReservedGDTBlocks = 257 },
		"s_log_groups_per_flex": func(s *super) { s.LogGroupsPerFlex = 32 },
		"s_inodes_per_group":    func(s *super) { s.InodesPerGroup = 12 },
		"s_inodes_count":        func(s *super) { s.InodesCount = 12 },
		"s_first_ino":           func(s *super) { s.FirstIno = 10 },
	} {
		s := parseSuper(clustered(1 << 34))
		if err := s.derive(); err != nil {
			t.Fatal(err)
		}
		damage(s)
		if err := s.derive(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
