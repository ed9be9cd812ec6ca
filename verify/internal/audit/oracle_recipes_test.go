package audit_test

// This file lists the images: each feature added to or taken from what is usual, and then any of them together.

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// mmp comes last: every tool that writes would wait for some seconds to see whether another one does.
var mmp = [][]string{{"tune2fs", "-O", "mmp", "-E", "mmp_update_interval=1", "@"}}

// recipes are what needs no root.
var recipes = slices.Concat([]recipe{
	{name: "modern-1k", features: modern, blockSize: 1024, inodeSize: 256, content: rich | longNames},
	{name: "modern-2k", features: modern, blockSize: 2048, inodeSize: 256, content: rich},
	{name: "modern-4k", features: modern, blockSize: 4096, inodeSize: 256, content: rich, kib: 16 << 10},
	{name: "debian-1k", features: debian, blockSize: 1024, inodeSize: 256, content: rich | longNames},
	{name: "debian-4k", features: debian, blockSize: 4096, inodeSize: 256, content: rich, kib: 16 << 10, stale: true},
	{name: "32-bit", features: with(debian, "^64bit"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "descriptor checksums", features: gdtCsum, blockSize: 1024, inodeSize: 256, content: rich | longNames, perGroup: 2048, stale: true},
	{name: "descriptor checksums, 64-bit", features: with(gdtCsum, "64bit"), blockSize: 2048, inodeSize: 256, content: rich},
	{name: "no checksums", features: unsummed, blockSize: 1024, inodeSize: 256, content: rich | longNames, perGroup: 2048},
	{name: "no checksums, 4k", features: unsummed, blockSize: 4096, inodeSize: 256, content: rich, kib: 16 << 10},
	{name: "ext3", features: ext3, blockSize: 1024, inodeSize: 128, content: rich | farAway},
	{name: "ext3 with inodes of 256 bytes", features: ext3, blockSize: 1024, inodeSize: 256, content: rich | longNames},
	{name: "ext2", features: ext2, blockSize: 1024, inodeSize: 128, content: rich | farAway},
	{name: "ext2, 4k", features: ext2, blockSize: 4096, inodeSize: 128, content: rich | farAway},
	{name: "oldest", features: oldest, blockSize: 1024, inodeSize: 128, content: linear},
	{name: "revision 0", features: "none", blockSize: 1024, inodeSize: 128, content: linear, args: []string{"-r", "0"}},
	{name: "indirect blocks with checksums", features: with(debian, "^extent", "^64bit"), blockSize: 1024, inodeSize: 256, content: rich | farAway},
	{name: "indirect blocks and extents", features: debian, blockSize: 1024, inodeSize: 256, content: rich | farAway},
	{name: "meta_bg", features: with(modern, "meta_bg", "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 256},
	{name: "meta_bg without flex_bg", features: with(debian, "meta_bg", "^resize_inode", "^flex_bg"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 512},
	{name: "meta_bg without checksums", features: with(unsummed, "meta_bg", "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 256},
	{name: "meta_bg from the second block on", features: with(debian, "meta_bg", "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich,
		perGroup: 256, env: []string{"MKE2FS_FIRST_META_BG=1"}},
	{name: "no flex_bg", features: with(debian, "^flex_bg"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 2048},
	{name: "no flex_bg, descriptor checksums", features: with(gdtCsum, "^flex_bg"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 1024, stale: true},
	{name: "no resize_inode", features: with(modern, "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "a copy in every group", features: with(debian, "^sparse_super", "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 1024},
	{name: "sparse_super2", features: with(debian, "sparse_super2", "^sparse_super", "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 1024},
	{name: "sparse_super2 with a single copy", features: with(debian, "sparse_super2", "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich,
		perGroup: 2048, extended: "num_backup_sb=1"},
	{name: "bigalloc, 1k", features: with(modern, "bigalloc", "^resize_inode"), blockSize: 1024, inodeSize: 256, content: attributes, args: []string{"-C", "4096"}, kib: 16 << 10},
	{name: "bigalloc, 4k", features: with(debian, "bigalloc"), blockSize: 4096, inodeSize: 256, content: rich, args: []string{"-C", "16384"}, kib: 32 << 10},
	{name: "bigalloc, large clusters", features: with(modern, "bigalloc"), blockSize: 2048, inodeSize: 256, content: rich, args: []string{"-C", "65536"}, kib: 48 << 10},
	{name: "inline_data", features: with(modern, "inline_data"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "inline_data in inodes of 512 bytes", features: with(debian, "inline_data"), blockSize: 1024, inodeSize: 512, content: rich | longNames},
	{name: "inline_data without checksums", features: with(unsummed, "inline_data"), blockSize: 4096, inodeSize: 1024, content: rich, kib: 16 << 10},
	{name: "ea_inode", features: with(modern, "ea_inode"), blockSize: 1024, inodeSize: 256, content: rich | values},
	{name: "ea_inode without checksums", features: with(unsummed, "ea_inode", "inline_data"), blockSize: 1024, inodeSize: 256, content: rich | values},
	{name: "ea_inode and quota", features: with(debian, "ea_inode", "quota"), blockSize: 1024, inodeSize: 256, content: rich | values | owners},
	{name: "quota", features: with(modern, "quota"), blockSize: 1024, inodeSize: 256, content: rich | owners},
	{name: "quota of projects", features: with(debian, "quota", "project"), blockSize: 1024, inodeSize: 256, content: rich | owners | projects,
		extended: "quotatype=usrquota:grpquota:prjquota"},
	{name: "quota in indirect blocks", features: with(unsummed, "quota", "^extent"), blockSize: 1024, inodeSize: 256, content: rich | owners},
	{name: "quota and bigalloc", features: with(debian, "quota", "bigalloc"), blockSize: 4096, inodeSize: 256, content: rich | owners, args: []string{"-C", "16384"}, kib: 32 << 10},
	{name: "project", features: with(modern, "project"), blockSize: 1024, inodeSize: 256, content: rich | owners | projects},
	{name: "mmp", features: modern, blockSize: 1024, inodeSize: 256, content: rich, then: mmp},
	{name: "mmp without checksums", features: unsummed, blockSize: 1024, inodeSize: 256, content: rich, then: mmp},
	{name: "blocks of 64 KiB", features: with(debian, "^has_journal"), blockSize: 65536, inodeSize: 256, content: rich, kib: 48 << 10},
	{name: "blocks of 64 KiB without checksums", features: with(unsummed, "^has_journal"), blockSize: 65536, inodeSize: 256, content: bare, kib: 48 << 10},
	{name: "blocks of 8 KiB", features: with(debian, "^has_journal"), blockSize: 8192, inodeSize: 256, content: rich, kib: 32 << 10},
	{name: "inodes of 128 bytes", features: with(debian, "^extra_isize"), blockSize: 1024, inodeSize: 128, content: rich},
	{name: "inodes of 512 bytes", features: modern, blockSize: 2048, inodeSize: 512, content: rich},
	{name: "inodes that fill a block", features: debian, blockSize: 1024, inodeSize: 1024, content: rich | longNames, inodes: 1400, kib: 10 << 10},
	{name: "no filetype", features: with(debian, "^filetype"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "no dir_index", features: with(modern, "^dir_index"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "large_dir", features: with(modern, "large_dir"), blockSize: 1024, inodeSize: 256, content: rich | longNames},
	{name: "casefold", features: with(modern, "casefold"), blockSize: 1024, inodeSize: 256, content: rich | folded, extended: "encoding=utf8"},
	{name: "encrypt and verity", features: with(modern, "encrypt", "verity", "stable_inodes"), blockSize: 1024, inodeSize: 256, content: rich,
		debugfs: []string{"sif large flags 0x180000"}},
	{name: "fast_commit", features: with(modern, "fast_commit"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "no journal", features: with(debian, "^has_journal"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "no journal, no checksums, no huge_file", features: with(unsummed, "^has_journal", "^huge_file", "^dir_nlink"), blockSize: 1024, inodeSize: 256, content: rich},
	{name: "TEA", features: modern, blockSize: 1024, inodeSize: 256, content: rich, then: [][]string{{"tune2fs", "-E", "hash_alg=tea", "@"}, {"e2fsck", "-fyD", "@"}}},
	{name: "legacy hash", features: unsummed, blockSize: 1024, inodeSize: 256, content: rich, then: [][]string{{"tune2fs", "-E", "hash_alg=legacy", "@"}, {"e2fsck", "-fyD", "@"}}},
	{name: "descriptors of 128 bytes", features: with(debian, "^resize_inode"), blockSize: 1024, inodeSize: 256, content: rich, perGroup: 1024, extended: "desc_size=128"},
	{name: "a new UUID with the old seed", features: modern, blockSize: 1024, inodeSize: 256, content: rich,
		then: [][]string{{"tune2fs", "-U", "12345678-1234-4234-8234-123456789abc", "@"}}},
	{name: "grown", features: modern, blockSize: 1024, inodeSize: 256, content: rich, perGroup: 2048, then: [][]string{{"resize2fs", "-f", "@", "14M"}}},
	{name: "shrunk", features: debian, blockSize: 1024, inodeSize: 256, content: rich, perGroup: 2048, kib: 14 << 10, then: [][]string{{"resize2fs", "-f", "@", "8M"}}},
	{name: "a last group of few blocks", features: gdtCsum, blockSize: 1024, inodeSize: 256, content: rich, perGroup: 2048, kib: 8<<10 + 300},
	{name: "packed", features: modern, blockSize: 1024, inodeSize: 256, content: rich, perGroup: 1024, extended: "packed_meta_blocks=1"},
	{name: "checksums switched off", features: debian, blockSize: 1024, inodeSize: 256, content: rich, then: [][]string{{"tune2fs", "-O", "^metadata_csum", "@"}}},
	{name: "checksums switched on", features: gdtCsum, blockSize: 1024, inodeSize: 256, content: rich, then: [][]string{{"tune2fs", "-O", "metadata_csum", "@"}}},
	{name: "a journal that waits", features: with(modern, "^orphan_file"), blockSize: 1024, inodeSize: 256, content: rich, dirty: true,
		then: [][]string{{"debugfs", "-w", "-R", "feature needs_recovery", "@"}}},
	{name: "few inodes", features: debian, blockSize: 1024, inodeSize: 256, content: bare, inodes: 64, kib: 3 << 10},
}, combined(16))

// aspect is what can be chosen: one of each.
var aspects = [][]string{
	{"", "extent", "extent,64bit"},
	{"", "uninit_bg", "metadata_csum", "metadata_csum,metadata_csum_seed"},
	{"", "flex_bg"},
	{"sparse_super", "", "sparse_super2"},
	{"resize_inode", "", "meta_bg"},
	{"dir_index", "", "dir_index,large_dir"},
	{"filetype", ""},
	{"", "inline_data"},
	{"", "ea_inode"},
	{"", "quota", "quota,project"},
	{"has_journal", "has_journal,orphan_file", "", "has_journal,fast_commit"},
	{"huge_file,dir_nlink", ""},
	{"", "encrypt", "verity", "casefold"},
}

// combined are combinations drawn by lot, always the same ones.
func combined(n int) []recipe {
	rnd := rand.New(rand.NewPCG(4, 0))
	var list []recipe
	for len(list) < n {
		set := []string{"ext_attr,large_file,extra_isize"}
		for _, a := range aspects {
			if f := a[rnd.IntN(len(a))]; f != "" {
				set = append(set, f)
			}
		}
		features := strings.Join(set, ",")
		has := func(f string) bool { return slices.Contains(strings.Split(features, ","), f) }
		r := recipe{name: fmt.Sprintf("combination %d", len(list)+1), features: features, blockSize: 1024 << rnd.IntN(3),
			inodeSize: 256 << rnd.IntN(2), content: rich, perGroup: []int{0, 1024, 2048}[rnd.IntN(3)]}
		if has("resize_inode") && !has("sparse_super") {
			continue // mke2fs refuses them
		}
		if r.kib = 8 << 10 * r.blockSize / 1024; r.blockSize > 1024 {
			r.kib = 16 << 10
		}
		if has("ea_inode") {
			r.content |= values
		}
		if has("quota") {
			r.content |= owners
		}
		if has("project") {
			r.content |= projects
			r.extended = "quotatype=usrquota:grpquota:prjquota"
		}
		if has("casefold") {
			r.content |= folded
			r.extended = strings.TrimPrefix(r.extended+",encoding=utf8", ",")
		}
		list = append(list, r)
	}
	return list
}
