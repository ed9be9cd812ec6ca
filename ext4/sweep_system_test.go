package ext4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// journalFields are those of the kernel's journal_superblock_s that are in use, and its header.
var journalFields = []sweptField{
	{"h_magic", 0x00, 4}, {"h_blocktype", 0x04, 4}, {"h_sequence", 0x08, 4}, {"s_blocksize", 0x0C, 4}, {"s_maxlen", 0x10, 4},
	{"s_first", 0x14, 4}, {"s_sequence", 0x18, 4}, {"s_start", 0x1C, 4}, {"s_errno", 0x20, 4}, {"s_feature_compat", 0x24, 4},
	{"s_feature_incompat", 0x28, 4}, {"s_feature_ro_compat", 0x2C, 4}, {"s_uuid", 0x30, 4}, {"s_nr_users", 0x40, 4},
	{"s_dynsuper", 0x44, 4}, {"s_max_transaction", 0x48, 4}, {"s_max_trans_data", 0x4C, 4}, {"s_checksum_type", 0x50, 1},
	{"s_padding2", 0x51, 1}, {"s_num_fc_blks", 0x54, 4}, {"s_head", 0x58, 4}, {"s_padding", 0x5C, 4}, {"s_checksum", 0xFC, 4},
	{"s_users", 0x100, 4},
}

func TestAJournalSuperblockThatTheJudgesRefuseIsRefused(t *testing.T) {
	for _, c := range []struct{ profile, journal string }{{"nixos-1k", "as made"}, {"nixos-4k", "checksum_v3"}} {
		t.Run(c.profile+" "+c.journal, func(t *testing.T) {
			t.Parallel()
			testimage.RequireRoot(t)
			s := sweepOf(t, crashImage(t, c.profile, c.journal))
			s.order = binary.BigEndian
			s.excused = map[string]string{}
			fsys := openImage(t, s.path)
			j, err := fsys.view.openJournal()
			if err != nil {
				t.Fatal(err)
			}
			at := int(j.runs[0].start) * fsys.view.blockSize
			seal := func(image []byte) {
				j := format.JournalSuperblock(image[at:][:fsys.view.blockSize])
				if format.JSFeatureIncompat.Get(j)&(format.JIncompatCsumV2|format.JIncompatCsumV3) != 0 {
					j.SetChecksum()
				}
			}
			s.fields(journalFields, at, seal)
			s.fieldTo("s_first", "17", at+0x14, []byte{0, 0, 0, 17}, seal)
		})
	}
}

// descFields are those of the kernel's struct ext4_group_desc, its first 32 bytes; checksums are made right.
var descFields = []sweptField{
	{"bg_block_bitmap_lo", 0x00, 4}, {"bg_inode_bitmap_lo", 0x04, 4}, {"bg_inode_table_lo", 0x08, 4}, {"bg_free_blocks_count_lo", 0x0C, 2},
	{"bg_free_inodes_count_lo", 0x0E, 2}, {"bg_used_dirs_count_lo", 0x10, 2}, {"bg_flags", 0x12, 2}, {"bg_exclude_bitmap_lo", 0x14, 4},
	{"bg_block_bitmap_csum_lo", 0x18, 2}, {"bg_inode_bitmap_csum_lo", 0x1A, 2}, {"bg_itable_unused_lo", 0x1C, 2},
}

// inodeFields are those of the kernel's struct ext4_inode, its first 128 bytes and i_extra_isize; checksums are made right.
var inodeFields = []sweptField{
	{"i_mode", 0x00, 2}, {"i_uid", 0x02, 2}, {"i_size_lo", 0x04, 4}, {"i_atime", 0x08, 4}, {"i_ctime", 0x0C, 4}, {"i_mtime", 0x10, 4},
	{"i_dtime", 0x14, 4}, {"i_gid", 0x18, 2}, {"i_links_count", 0x1A, 2}, {"i_blocks_lo", 0x1C, 4}, {"i_flags", 0x20, 4},
	{"i_version", 0x24, 4}, {"i_block[0]", 0x28, 4}, {"i_block[1]", 0x2C, 4}, {"i_block[2]", 0x30, 4}, {"i_block[3]", 0x34, 4},
	{"i_block[4]", 0x38, 4}, {"i_block[5]", 0x3C, 4}, {"i_block[13]", 0x5C, 4}, {"i_generation", 0x64, 4}, {"i_file_acl_lo", 0x68, 4},
	{"i_size_high", 0x6C, 4}, {"i_blocks_high", 0x74, 2}, {"i_file_acl_high", 0x76, 2}, {"i_extra_isize", 0x80, 2},
}

func TestASystemInodeThatTheJudgesRefuseIsRefused(t *testing.T) {
	for _, c := range []struct {
		profile string
		inodes  []Ino
	}{{"nixos-4k", []Ino{2, 7, 8, 12}}, {"no-checksums-1k", []Ino{2, 7, 8}}} {
		for _, ino := range c.inodes {
			t.Run(fmt.Sprint(c.profile, " inode ", ino), func(t *testing.T) {
				t.Parallel()
				s := newSweep(t, testimage.Options{Profile: testimage.ProfileNamed(c.profile), StorePaths: -1, Size: 8 << 20})
				if ino == format.ResizeIno {
					s.excused = resizeInodeExcused
				}
				s.deferred = map[string]string{"i_links_count": "the root's subdirectories are counted when it gets an entry"}
				v := openImage(t, s.path).view
				b, off, err := v.inodeAt(ino)
				if err != nil {
					t.Fatal(err)
				}
				at := int(b)*v.blockSize + off
				seal := func(image []byte) {
					if v.metadataCsum {
						format.Inode(image[at:][:v.inodeSize]).SetChecksum(v.seed, ino)
					}
				}
				s.fields(inodeFields, at, seal)
				for bit := range 32 {
					flags := binary.LittleEndian.Uint32(s.clean[at+0x20:]) ^ 1<<bit
					s.fieldTo("i_flags", fmt.Sprintf("bit %#x the other way", 1<<bit), at+0x20, binary.LittleEndian.AppendUint32(nil, flags), seal)
				}
			})
		}
	}
}

// The kernel mounts all of these, and only resize2fs and online resizing read the inode.
var resizeInodeExcused = map[string]string{
	"i_blocks_lo":   "blocks that lie in all groups would have to be counted",
	"i_blocks_high": "blocks that lie in all groups would have to be counted",
	"i_flags":       "the unit of i_blocks",
	"i_size_high":   "a size that nothing reads",
	"i_block[13]":   "another block that holds zeros, as where nothing is reserved",
	"i_file_acl_lo": "attributes that nothing reads",
}

func TestADescriptorThatTheJudgesRefuseIsRefused(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "no-checksums-1k", "gdt-checksums-2k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newSweep(t, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: -1, Size: 8 << 20})
			s.deferred = descDeferred
			s.excused = map[string]string{"bg_used_dirs_count_lo": "only who reads all inodes can count directories; it guides allocation, no more"}
			v := openImage(t, s.path).view
			b, off := v.descAt(0)
			at := int(b)*v.blockSize + off
			s.fields(descFields, at, func(image []byte) {
				if v.groupCsum {
					v.groupChecksum().Set(0, image[at:][:v.descSize])
				}
			})
		})
	}
}

// Bitmaps are read when something is allocated.
var descDeferred = map[string]string{
	"bg_block_bitmap_lo": "", "bg_inode_bitmap_lo": "", "bg_block_bitmap_csum_lo": "", "bg_inode_bitmap_csum_lo": "", "bg_itable_unused_lo": "",
}

func sweepOf(t *testing.T, path string) *sweep {
	t.Helper()
	clean, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &sweep{t: t, path: path, clean: clean, order: binary.LittleEndian}
}

// fieldTo sets bytes of the image.
func (s *sweep) fieldTo(field, how string, at int, value []byte, seal func(image []byte)) {
	s.t.Helper()
	image := bytes.Clone(s.clean)
	copy(image[at:], value)
	seal(image)
	s.judge(field, field+": "+how, image)
}
