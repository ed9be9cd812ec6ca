package ext4_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Layouts: where mke2fs, resize2fs and tune2fs put superblocks, descriptors,
// bitmaps and inode tables, in blocks of every size.

// features is a profile's feature set with some added and, with a leading "^",
// some taken away.
func features(profile string, changes ...string) string {
	set := strings.Split(testimage.ProfileNamed(profile).Features, ",")
	for _, change := range changes {
		without, remove := strings.CutPrefix(change, "^")
		var rest []string
		for _, f := range set {
			if f != without {
				rest = append(rest, f)
			}
		}
		if set = rest; !remove {
			set = append(set, change)
		}
	}
	return strings.Join(set, ",")
}

type layout struct {
	name string
	o    testimage.Options
}

// of is an image of a profile with changed features.
func of(profile string, o testimage.Options, changes ...string) testimage.Options {
	blockSize, args, inodeSize := testimage.ProfileNamed(profile).BlockSize, o.Profile.Args, o.Profile.InodeSize
	if o.Profile.BlockSize != 0 {
		blockSize = o.Profile.BlockSize
	}
	o.Profile = testimage.Profile{Features: features(profile, changes...), BlockSize: blockSize, InodeSize: inodeSize, Args: args}
	if o.StorePaths == 0 {
		o.StorePaths = 20
	}
	if o.Size == 0 {
		o.Size = 48 << 20
	}
	if o.Inodes == 0 {
		o.Inodes = 4000
	}
	o.Stale = o.Size <= 64<<20 && o.After == nil
	return o
}

func withArgs(args ...string) testimage.Options {
	return testimage.Options{Profile: testimage.Profile{Args: args}}
}

func withBlocks(size int, o testimage.Options) testimage.Options {
	o.Profile.BlockSize = size
	return o
}

var layouts = []layout{
	{"meta_bg: 64 groups to a meta group", of("nixos-1k", testimage.Options{BlocksPerGroup: 256}, "meta_bg", "^resize_inode")},
	{"meta_bg: 16 groups to a meta group", of("debian-4k", testimage.Options{BlocksPerGroup: 256, Size: 96 << 20}, "meta_bg", "^resize_inode")},
	{"meta_bg in a file system of one group", of("debian-4k", testimage.Options{}, "meta_bg", "^resize_inode")},
	{"meta_bg from the second descriptor block on", of("nixos-1k", testimage.Options{BlocksPerGroup: 256,
		Env: []string{"MKE2FS_FIRST_META_BG=1"}}, "meta_bg", "^resize_inode")},
	{"meta_bg without flex_bg: every group with its own", of("gdt-checksums-1k", testimage.Options{BlocksPerGroup: 1024}, "meta_bg", "^resize_inode", "^flex_bg")},
	{"meta_bg without sparse_super", of("no-checksums-1k", testimage.Options{BlocksPerGroup: 1024}, "meta_bg", "^resize_inode", "^sparse_super")},
	{"meta_bg and sparse_super2", of("nixos-1k", testimage.Options{BlocksPerGroup: 512}, "meta_bg", "sparse_super2", "^resize_inode")},
	{"sparse_super2: two backups", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024}, "sparse_super2", "^sparse_super", "^resize_inode")},
	{"sparse_super2 beside sparse_super and resize_inode", of("debian-4k", testimage.Options{BlocksPerGroup: 1024}, "sparse_super2")},
	{"sparse_super2: one backup", of("debian-1k", testimage.Options{Extended: "num_backup_sb=1"}, "sparse_super2", "^resize_inode")},
	{"sparse_super2: no backup", of("debian-1k", testimage.Options{Extended: "num_backup_sb=0"}, "sparse_super2", "^resize_inode")},
	{"no sparse_super, no resize_inode", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024}, "^sparse_super", "^resize_inode")},
	{"no resize_inode", of("nixos-4k", testimage.Options{}, "^resize_inode")},
	{"groups of 256 blocks", of("gdt-checksums-4k", testimage.Options{BlocksPerGroup: 256, Inodes: 3000})},
	{"groups of 256 blocks of 1 KiB, a few inodes in each", of("no-checksums-1k", testimage.Options{BlocksPerGroup: 256, Inodes: 2500}, "^resize_inode")},
	{"groups of 264 blocks and no flex_bg", of("debian-4k", testimage.Options{BlocksPerGroup: 264, Inodes: 3000}, "^flex_bg")},
	{"groups of 1048 blocks", of("nixos-1k", testimage.Options{BlocksPerGroup: 1048})},
	{"a last group of few blocks", of("nixos-1k", testimage.Options{BlocksPerGroup: 8192, Size: 48<<20 + 700<<10})},
	{"all tables packed at the beginning", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024, Extended: "packed_meta_blocks=1"})},
	{"all tables packed at the beginning, in groups of 256 blocks", of("gdt-checksums-4k", testimage.Options{BlocksPerGroup: 256, Extended: "packed_meta_blocks=1"})},
	{"flex groups of two", of("nixos-1k", withArgs("-G", "2"))},
	{"flex groups of 128", of("debian-1k", testimage.Options{BlocksPerGroup: 256, Profile: testimage.Profile{Args: []string{"-G", "128"}}})},
	{"a flex group of one", of("debian-1k", withArgs("-G", "1"))},
	{"descriptors of 128 bytes", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024, Extended: "desc_size=128"}, "^resize_inode")},
	{"descriptors of 1024 bytes, each in its own block", of("debian-1k", testimage.Options{BlocksPerGroup: 2048, Extended: "desc_size=1024"}, "^resize_inode")},
	{"descriptors of 256 bytes and meta_bg", of("debian-1k", testimage.Options{BlocksPerGroup: 1024, Extended: "desc_size=256"}, "^resize_inode", "meta_bg")},
	{"inodes of 128 bytes and groups of 512 blocks", of("nixos-1k", testimage.Options{BlocksPerGroup: 512, Profile: testimage.Profile{InodeSize: 128}}, "^orphan_file")},
	{"inodes of 1024 bytes fill a block", of("nixos-1k", testimage.Options{Size: 64 << 20, Profile: testimage.Profile{InodeSize: 1024}}, "^orphan_file")},
	{"inodes of 4096 bytes fill a block", of("debian-4k", testimage.Options{Size: 96 << 20, Profile: testimage.Profile{InodeSize: 4096}})},
	{"grown by resize2fs into reserved blocks", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024,
		After: [][]string{{"resize2fs", "-f", "@", "150M"}}})},
	{"grown by resize2fs without reserved blocks", of("debian-1k", testimage.Options{BlocksPerGroup: 1024,
		After: [][]string{{"resize2fs", "-f", "@", "150M"}}}, "^resize_inode")},
	{"shrunk by resize2fs", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024, Size: 96 << 20,
		After: [][]string{{"resize2fs", "-f", "@", "60M"}}})},
	{"sparse_super2, grown by resize2fs", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024,
		After: [][]string{{"resize2fs", "-f", "@", "150M"}}}, "sparse_super2", "^resize_inode")},
	{"meta_bg, grown by resize2fs", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024,
		After: [][]string{{"resize2fs", "-f", "@", "150M"}}}, "meta_bg", "^resize_inode")},
	{"meta_bg where the reserved blocks ended, grown by resize2fs", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024,
		Env: []string{"MKE2FS_FIRST_META_BG=3"}, After: [][]string{{"resize2fs", "-f", "@", "150M"}}}, "meta_bg", "^resize_inode")},
	{"meta_bg, shrunk by resize2fs", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024, Size: 96 << 20,
		After: [][]string{{"resize2fs", "-f", "@", "60M"}}}, "meta_bg", "^resize_inode")},
	{"converted to 64 bits by resize2fs", of("gdt-checksums-4k", testimage.Options{BlocksPerGroup: 1024,
		After: [][]string{{"resize2fs", "-b", "@"}}})},
	{"converted from 64 bits by resize2fs", of("debian-4k", testimage.Options{BlocksPerGroup: 1024,
		After: [][]string{{"resize2fs", "-s", "@"}}})},
	{"checksums switched on by tune2fs", of("gdt-checksums-4k", testimage.Options{
		After: [][]string{{"tune2fs", "-O", "metadata_csum", "@"}}})},
	{"checksums switched off by tune2fs", of("debian-4k", testimage.Options{
		After: [][]string{{"tune2fs", "-O", "^metadata_csum", "@"}}})},
	{"a new UUID from tune2fs, with its seed kept", of("nixos-4k", testimage.Options{
		After: [][]string{{"tune2fs", "-U", "12345678-1234-4234-8234-123456789abc", "@"}}})},
	{"inodes widened by tune2fs", of("no-checksums-4k", testimage.Options{Profile: testimage.Profile{InodeSize: 128},
		After: [][]string{{"tune2fs", "-I", "256", "@"}}}, "^flex_bg")},
	{"the journal taken away by tune2fs", of("debian-4k", testimage.Options{
		After: [][]string{{"tune2fs", "-O", "^has_journal", "@"}}})},
	{"resize_inode taken away by tune2fs", of("debian-1k", testimage.Options{
		After: [][]string{{"tune2fs", "-O", "^resize_inode", "@"}, {"e2fsck", "-fy", "@"}}})},
	{"multiple mount protection", of("nixos-4k", testimage.Options{StorePaths: -1, Linear: true}, "mmp")},
	{"multiple mount protection and meta_bg", of("debian-1k", testimage.Options{StorePaths: -1, Linear: true, BlocksPerGroup: 256}, "mmp", "meta_bg", "^resize_inode")},
	{"quotas of users and groups", of("nixos-4k", testimage.Options{}, "quota")},
	{"quotas of users, groups and projects", of("debian-1k", testimage.Options{Extended: "quotatype=usrquota:grpquota:prjquota"}, "quota", "project")},
	{"quotas of groups only", of("gdt-checksums-4k", testimage.Options{Extended: "quotatype=grpquota"}, "quota")},
	{"quotas in files of indirect blocks", of("no-checksums-1k", testimage.Options{}, "quota", "^extent")},
	{"quotas and no journal", of("debian-4k", testimage.Options{}, "quota", "^has_journal")},
	{"quotas and meta_bg", of("nixos-1k", testimage.Options{BlocksPerGroup: 256}, "quota", "meta_bg", "^resize_inode")},
	{"quotas in blocks of 64 KiB", of("debian-4k", withBlocks(65536, testimage.Options{Size: 384 << 20, Inodes: 5000,
		Extended: "quotatype=usrquota:grpquota:prjquota"}), "quota", "project")},
	{"projects and no quotas", of("nixos-4k", testimage.Options{}, "project")},
	{"blocks of 8 KiB", of("nixos-4k", withBlocks(8192, testimage.Options{Size: 96 << 20}))},
	{"blocks of 16 KiB", of("debian-4k", withBlocks(16384, testimage.Options{Size: 128 << 20}))},
	{"blocks of 32 KiB", of("no-checksums-4k", withBlocks(32768, testimage.Options{Size: 192 << 20}))},
	{"blocks of 64 KiB", of("nixos-4k", withBlocks(65536, testimage.Options{Size: 384 << 20, Inodes: 5000}))},
	{"blocks of 64 KiB without checksums", of("no-checksums-4k", withBlocks(65536, testimage.Options{Size: 384 << 20, Inodes: 5000}))},
	{"blocks of 64 KiB, groups of 256 and meta_bg", of("debian-4k", withBlocks(65536, testimage.Options{Size: 384 << 20, Inodes: 5000,
		BlocksPerGroup: 256}), "meta_bg", "^resize_inode", "sparse_super2")},
	{"blocks of 64 KiB and inodes of 32 KiB", of("debian-4k", withBlocks(65536, testimage.Options{Size: 768 << 20, Inodes: 4000,
		Profile: testimage.Profile{InodeSize: 32768}}))},
}

// oldNames is how many names the directory "old" has before an update.
const oldNames = 400

func oldDirectory(dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o755); err != nil {
		return err
	}
	for i := range oldNames {
		if err := os.WriteFile(filepath.Join(dir, "old", fmt.Sprintf("%d-old", i)), []byte(strconv.Itoa(i)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// layoutOps is what is done on each layout: what injection does, an old
// directory grown, a new one that needs an index, a file of megabytes, names
// in every group.
func layoutOps(blockSize, names int) []op {
	ops := append(bootstrap(min(blockSize, 4096)), file("old/large", noise(6<<20+1), 0o600), mkdir("new", 0o755))
	for _, n := range []int{blockSize - 1, blockSize, blockSize + 1} {
		ops = append(ops, file(fmt.Sprintf("old/%d-bytes", n), noise(n), 0o644))
	}
	ops = append(ops, entries("old", 0, names, 40)...)
	return append(ops, entries("new", 0, names, 120)...)
}

func TestEveryLayoutThatMke2fsCanMake(t *testing.T) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			l.o.Fill = oldDirectory
			path := testimage.Ext4(t, l.o)
			testLayout(t, path, l.o.Profile)
		})
	}
}

// testLayout does the same in place and through the journal, and in a copy,
// without it.
func testLayout(t *testing.T, path string, p testimage.Profile) {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := updateTime
	if p.InodeSize == 128 {
		at = time.Unix(1_700_000_123, 0)
	}
	names := 500
	if p.BlockSize > 4096 {
		names = 1000
	}
	before := judgeTree(t, path, p)
	ops := layoutOps(p.BlockSize, names)
	want := predict(before, ops, at)
	judge := func(path string) {
		t.Helper()
		testimage.Fsck(t, path, 0)
		got := judgeTree(t, path, p)
		if p.BlockSize > os.Getpagesize() {
			asDebugfsSees(want)
			asDebugfsSees(got)
		}
		compareTrees(t, want, got)
		readBack(t, path, ops)
	}
	// A small journal does not hold all of it at once.
	for from := 0; from < len(ops); from += 200 {
		part := ops[from:min(from+200, len(ops))]
		if err := update(path, at, func(tx *ext4.Tx) error { return run(tx, part) }, ext4.AcceptRisk()); err != nil {
			t.Fatalf("Update: %v", err)
		}
	}
	judge(path)
	other := path + ".copy"
	if err := os.WriteFile(other, image, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := update(other, at, func(tx *ext4.Tx) error { return run(tx, ops) }, ext4.WithoutJournal()); err != nil {
		t.Fatalf("Update without the journal: %v", err)
	}
	judge(other)
}

// judgeTree is the tree as the kernel sees it, or where the kernel cannot
// mount the image, as debugfs does.
func judgeTree(t *testing.T, path string, p testimage.Profile) map[string]testimage.Node {
	t.Helper()
	if p.BlockSize <= os.Getpagesize() {
		return kernelTree(t, path)
	}
	return debugfsTree(t, path)
}

// debugfsTree is what "debugfs rdump" makes of an image.
func debugfsTree(t *testing.T, path string) map[string]testimage.Node {
	t.Helper()
	testimage.RequireRoot(t) // for owners
	dir := t.TempDir()
	testimage.Debugfs(t, path, 0, "rdump / "+dir)
	return testimage.Tree(t, dir)
}

// asDebugfsSees drops what rdump does not copy: numbers of links, times (it
// knows 32 bits of them), sizes of directories, setuid, setgid and sticky, and
// owners of symlinks.
func asDebugfsSees(tree map[string]testimage.Node) {
	for name, node := range tree {
		node.Mtime, node.Links, node.Xattrs, node.Mode = 0, 0, nil, node.Mode&0o777
		if node.Type == "symlink" {
			node.UID, node.GID = 0, 0
		}
		if node.Type == "dir" {
			node.Size = 0
		}
		tree[name] = node
	}
}
