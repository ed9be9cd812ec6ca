package ext4_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Features together: images whose every property is drawn, so that over all of
// them nearly each pair of features occurs.

// drawn is a file system of drawn features.
type drawn struct {
	features []string
	o        testimage.Options
	mount    bool // this kernel mounts it
}

func (d drawn) has(feature string) bool { return slices.Contains(d.features, feature) }

func draw(seed uint64) drawn {
	rnd := rand.New(rand.NewPCG(seed, 1))
	one := func(n int) bool { return rnd.IntN(n) == 0 }
	d := drawn{features: []string{"ext_attr", "large_file", "sparse_super"}, mount: true}
	add := func(features ...string) { d.features = append(d.features, features...) }
	blockSize := []int{1024, 1024, 2048, 4096, 4096, 4096, 65536}[rnd.IntN(7)]
	inodeSize := []int{128, 256, 256, 256, 512, 1024}[rnd.IntN(6)]
	d.mount = blockSize <= os.Getpagesize()
	d.o = testimage.Options{StorePaths: 10, Size: 64 << 20, Inodes: 4000}
	if blockSize == 65536 {
		d.o.Size = 400 << 20
	}
	switch rnd.IntN(4) {
	case 0:
		add("uninit_bg")
	case 1:
	case 2:
		add("metadata_csum")
	case 3:
		add("metadata_csum", "metadata_csum_seed")
	}
	for _, f := range []string{"dir_index", "filetype", "flex_bg", "has_journal"} {
		if !one(4) {
			add(f)
		}
	}
	for _, f := range []string{"huge_file", "dir_nlink", "large_dir", "ea_inode", "orphan_file", "stable_inodes", "verity", "encrypt"} {
		if one(2) {
			add(f)
		}
	}
	if d.has("orphan_file") && !d.has("has_journal") {
		add("has_journal")
	}
	if d.has("has_journal") && one(3) {
		add("fast_commit")
	}
	if inodeSize > 128 {
		add("extra_isize")
	}
	if inodeSize > 128 && d.mount && one(2) { // debugfs rdump takes 60 bytes for the size of what is in the inode
		add("inline_data")
	}
	if !one(4) {
		add("extent")
		if !one(3) {
			add("64bit")
		}
		if one(3) {
			add("bigalloc")
			d.o.Profile.Args = []string{"-C", strconv.Itoa(blockSize << (1 + rnd.IntN(3)))}
		}
	}
	switch rnd.IntN(5) {
	case 0, 1:
		add("resize_inode")
	case 2:
		add("meta_bg")
	case 3:
		add("sparse_super2")
	}
	if !d.has("bigalloc") && one(2) {
		d.o.BlocksPerGroup = []int{256, 512, 1024, 2048, 4096}[rnd.IntN(5)]
		if blockSize == 1024 {
			d.o.BlocksPerGroup = max(d.o.BlocksPerGroup, 1024)
		}
	}
	var extended []string
	if d.has("flex_bg") && one(3) {
		extended = append(extended, "packed_meta_blocks=1")
	}
	if one(2) {
		add("quota")
		d.o.After = [][]string{{"e2fsck", "-fy", "@"}} // mke2fs -d counts wrong
		if inodeSize > 128 {
			add("project")
			extended = append(extended, "quotatype=usrquota:grpquota:prjquota")
		}
	}
	d.o.Extended = strings.Join(extended, ",")
	d.o.Profile.Features, d.o.Profile.BlockSize, d.o.Profile.InodeSize = strings.Join(d.features, ","), blockSize, inodeSize
	if d.has("dir_index") {
		d.o.HashAlg = []string{"legacy", "half_md4", "tea"}[rnd.IntN(3)]
		d.o.UnsignedHash = one(2)
	}
	return d
}

func TestFeaturesTogether(t *testing.T) {
	for seed := range uint64(number(t, "BORINGBOOT_EXT4_SETS", 14)) {
		d := draw(seed)
		t.Run(fmt.Sprintf("seed %d: blocks of %d, inodes of %d, %s", seed, d.o.Profile.BlockSize, d.o.Profile.InodeSize, d.o.Profile.Features), func(t *testing.T) {
			t.Parallel()
			d.o.Fill = oldDirectory
			path := testimage.Ext4(t, d.o)
			testimage.Check(t, path, 0)
			together(t, path, d)
		})
	}
}

func together(t *testing.T, path string, d drawn) {
	t.Helper()
	at := updateTime
	if d.o.Profile.InodeSize == 128 {
		at = time.Unix(1_700_000_123, 0)
	}
	before := judgeTree(t, path, d.o.Profile)
	ops := append(bootstrap(min(d.o.Profile.BlockSize, 4096)), mkdir("new", 0o755))
	ops = append(ops, entries("old", 0, 250, 40)...)
	ops = append(ops, entries("new", 0, 250, 120)...)
	for from := 0; from < len(ops); from += 100 {
		part := ops[from:min(from+100, len(ops))]
		if err := update(path, at, func(tx *ext4.Tx) error { return run(tx, part) }, ext4.AcceptRisk()); err != nil {
			t.Fatalf("Update: %v", err)
		}
	}
	testimage.Fsck(t, path, 0)
	want, got := predict(before, ops, at), judgeTree(t, path, d.o.Profile)
	if !d.mount {
		asDebugfsSees(want)
		asDebugfsSees(got)
	}
	compareTrees(t, want, got)
	readBack(t, path, ops)
	if err := update(path, at, mixed(d), ext4.WithoutJournal()); err != nil {
		t.Fatalf("mixed operations: %v", err)
	}
	testimage.Fsck(t, path, 0)
	if !d.mount {
		return
	}
	kernel := kernelTree(t, path)
	for name, node := range kernel {
		node.Xattrs = nil
		kernel[name] = node
	}
	compareTrees(t, kernel, readerTree(t, openFS(t, path)))
}

// mixed is a little of every operation.
func mixed(d drawn) func(tx *ext4.Tx) error {
	return func(tx *ext4.Tx) error {
		value := noise(300)
		if d.has("ea_inode") {
			value = noise(3 * 4096)
		}
		err := errors.Join(
			tx.RemoveAll("var/level-0"), tx.RemoveAll("boot"),
			tx.Truncate("var/sizes/3145735", 1_500_001), tx.Truncate("var/sizes/1", 200_000), tx.Truncate("var/sizes/160", 20),
			tx.SetXattr("var/sizes/61", "user.small", []byte("v")), tx.SetXattr("var/sizes/59", "user.large", value),
			tx.SetXattr("var/sizes", "user.large", value), tx.SetXattr("var/sizes/60", "user.gone", value), tx.RemoveXattr("var/sizes/60", "user.gone"),
			tx.Chown("var/sizes/59", 4242, 4243), tx.Chown("var/sizes", 4242, 4243), tx.Chmod("var/sizes/61", 0o4711),
			tx.Link("var/sizes/59", "var/linked"), tx.Rename("var/sizes/159", "old/renamed"), tx.Rename("var/names", "new/names"),
			tx.WriteFile("var/linked", bytes.NewReader(noise(50_000)), ext4.Attr{Mode: 0o640, UID: 9}), tx.Mkdir("new/names/d", ext4.Attr{Mode: 0o755}))
		for i := range 125 {
			name := strings.TrimPrefix(entries("", 2*i, 2*i+1, 40)[0].name, "/")
			err = errors.Join(err, tx.Remove("old/"+name))
		}
		return err
	}
}
