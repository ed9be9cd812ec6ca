package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// scattered is a file system in which n files lie one to a block of the inode tables, or nearly, so that a change of each is as many
// blocks of a transaction.
func scattered(t *testing.T, o testimage.Options, n int) string {
	t.Helper()
	return scatteredOf(t, o, n, func(i int) int { return i % 3 * 300 })
}

// scatteredOf is scattered with sizes of the files in bytes.
func scatteredOf(t *testing.T, o testimage.Options, n int, size func(i int) int) string {
	t.Helper()
	o.StorePaths = -1
	if !slices.Contains(o.Profile.Args, "-J") {
		o.Profile.Args = append(slices.Clone(o.Profile.Args), "-J", fmt.Sprintf("size=%d", o.Profile.BlockSize>>10)) // 1024 blocks
	}
	o.Inodes = max(o.Inodes, n+n/4+100) // a file that is replaced is another inode
	if o.Profile.InodeSize == 0 {
		o.Profile.InodeSize = o.Profile.BlockSize
	}
	path := testimage.Ext4(t, o)
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		err := tx.WriteFile("kept", bytes.NewReader(pattern(5000, 3)), Attr{Mode: 0o644})
		for i := 0; i < n && err == nil; i++ {
			if i%500 == 0 {
				err = tx.Mkdir(fmt.Sprint(i/500), Attr{Mode: 0o755})
			}
			if err == nil {
				err = tx.WriteFile(scatteredName(i), bytes.NewReader(pattern(size(i), 1)), Attr{Mode: 0o644})
			}
		}
		return err
	}, WithoutJournal())
	testimage.Fsck(t, path, 0)
	return path
}

func scatteredName(i int) string { return fmt.Sprintf("%d/file %d", i/500, i) }

// largeChange changes all of them: most of their modes, some of their contents, and removes others.
func largeChange(n int) func(tx *Tx) error {
	return func(tx *Tx) error {
		errs := []error{tx.WriteFile("a new one", bytes.NewReader(pattern(20_000, 9)), Attr{Mode: 0o600}), tx.Symlink("kept", "link", Attr{})}
		for i := range n {
			switch {
			case i < 500:
			case i%5 == 0:
				errs = append(errs, tx.Remove(scatteredName(i)))
			case i%5 == 1:
				errs = append(errs, tx.WriteFile(scatteredName(i), bytes.NewReader(pattern(700, byte(i))), Attr{Mode: 0o640, UID: 7}))
			default:
				errs = append(errs, tx.Chmod(scatteredName(i), 0o600))
			}
		}
		return errors.Join(append(errs, tx.RemoveAll("0"))...)
	}
}

// sameButTheLog: two images differ in nothing but what the journal's own blocks hold, and in what makes the superblock's checksum.
func sameButTheLog(t *testing.T, want, got []byte) {
	t.Helper()
	path := t.TempDir() + "/want"
	writeImage(t, path, want)
	v := openImage(t, path).view
	j, n, err := v.readJournal()
	mustDo(t, err, j.mapUpTo(v, n, j.Length))
	for _, r := range j.runs {
		for i := range int64(r.count) {
			at := (int64(r.start) + i) * int64(v.blockSize)
			copy(got[at:][:v.blockSize], want[at:][:v.blockSize])
		}
	}
	for _, b := range [][]byte{want, got} {
		if mmp := int(format.SMMPBlock.Get(v.sb)); mmp > 0 {
			clear(b[mmp*v.blockSize:][:v.blockSize])
		}
		sb := b[format.SuperblockOffset:][:format.SuperblockSize]
		clear(sb[0x88+60:][:4])  // the end of s_last_mounted
		clear(sb[0x1A8+28:][:4]) // of s_first_error_func
		format.SChecksum.Set(sb, 0)
	}
	for at := 0; at < len(want); at += v.blockSize {
		if !bytes.Equal(want[at:][:v.blockSize], got[at:][:v.blockSize]) {
			t.Errorf("block %d differs", at/v.blockSize)
		}
	}
}

// largeCases are file systems of a log of 1024 blocks, but for those of fast commits, and how many files are changed.
var largeCases = []struct {
	name string
	o    testimage.Options
	n    int
}{
	{"as mke2fs makes them, twice the log", testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Size: 32 << 20}, 2500},
	{"as mke2fs makes them, 20 times the log", testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Size: 128 << 20}, 21_000},
	{"blocks of 4 KiB", testimage.Options{Profile: testimage.ProfileNamed("nixos-4k"), Size: 96 << 20}, 2500},
	{"indirect blocks", testimage.Options{Profile: changed("no-checksums-1k", "^extent"), Size: 32 << 20}, 2500},
	{"indirect blocks of 4 KiB, checksums", testimage.Options{Profile: changed("debian-4k", "^extent ^64bit"), Size: 96 << 20}, 2500},
	{"no checksums, no 64bit", testimage.Options{Profile: testimage.ProfileNamed("no-checksums-2k"), Size: 48 << 20}, 2500},
	{"groups of 1024 blocks, few of them initialised", testimage.Options{Profile: testimage.ProfileNamed("gdt-checksums-1k"), Size: 48 << 20, BlocksPerGroup: 1024}, 2500},
	{"clusters of 8 blocks", testimage.Options{Profile: changed("nixos-1k", "bigalloc", "-C", "8192"), Size: 64 << 20}, 2500},
	{"clusters of 4 blocks of 4 KiB, no checksums", testimage.Options{Profile: changed("no-checksums-4k", "bigalloc", "-C", "16384"), Size: 128 << 20}, 2500},
	{"fast commits", testimage.Options{Profile: changed("nixos-1k", "fast_commit", "-J", "size=2,fast_commit_size=300"), Size: 48 << 20}, 4500},
	{"quotas", testimage.Options{Profile: changed("debian-1k", "quota project"), Extended: "quotatype=usrquota:grpquota:prjquota", Size: 32 << 20}, 2500},
	{"files in inodes", testimage.Options{Profile: changed("nixos-1k", "inline_data"), Size: 32 << 20}, 2500},
	{"meta_bg", testimage.Options{Profile: changed("nixos-1k", "meta_bg ^resize_inode"), Size: 48 << 20, BlocksPerGroup: 256}, 2500},
	{"multiple mount protection", testimage.Options{Profile: changed("nixos-1k", "mmp"), Size: 32 << 20}, 2500},
}

func TestAnUpdateLargerThanTheLogLeavesWhatALongerLogWouldHave(t *testing.T) {
	for _, c := range largeCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := scattered(t, c.o, c.n)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			mustDo(t, err)
			mustUpdate(t, fsys, largeChange(c.n))
			t.Logf("%d writes, syncs %v", len(r.log), r.syncs)
			mustUpdate(t, openImage(t, path), largeChange(c.n), WithoutJournal())
			want, got := imageOf(t, path), bytes.Clone(r.now)
			writeImage(t, path, got)
			testimage.Fsck(t, path, 0)
			tree := kernelTree(t, path)
			writeImage(t, path, want)
			if diff := cmp.Diff(kernelTree(t, path), tree); diff != "" {
				t.Errorf("%.2000s", diff)
			}
			if len(r.syncs) <= 5 {
				t.Errorf("%d syncs: the log has room for it", len(r.syncs))
			}
			sameButTheLog(t, want, got)
		})
	}
}
