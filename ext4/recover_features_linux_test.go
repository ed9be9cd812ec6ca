package ext4

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// Recovery of file systems whose features bring metadata of their own: compared with the kernel's, as recover_test.go does for plain
// ones.

var dirtyFeatures = []struct {
	name    string
	o       testimage.Options
	options string
}{
	{"files and directories in inodes", testimage.Options{Profile: changed("nixos-4k", "inline_data")}, "data=ordered"},
	{"files and directories in inodes, no checksums", testimage.Options{Profile: changed("no-checksums-1k", "inline_data")}, "data=ordered"},
	{"clusters of 8 blocks", testimage.Options{Profile: changed("nixos-1k", "bigalloc", "-C", "8192")}, "data=ordered"},
	{"clusters of 4 blocks of 4 KiB, no checksums, a list", testimage.Options{Profile: changed("no-checksums-4k", "bigalloc", "-C", "16384")}, "data=ordered"},
	{"meta_bg", testimage.Options{Profile: changed("debian-1k", "meta_bg ^resize_inode"), BlocksPerGroup: 256}, "data=ordered"},
	{"indirect blocks", testimage.Options{Profile: changed("no-checksums-1k", "^extent")}, "data=journal"},
	{"indirect blocks, checksums", testimage.Options{Profile: changed("debian-4k", "^extent ^64bit")}, "data=ordered"},
	{"attributes in inodes", testimage.Options{Profile: changed("nixos-4k", "ea_inode")}, "data=ordered"},
}

// dirtyImage has the kernel work on a file system, and pulls the plug.
func dirtyImage(t *testing.T, o testimage.Options, options string, work func(t *testing.T, dir string) func()) string {
	t.Helper()
	o.StorePaths = 30
	if o.Size == 0 {
		o.Size = 40 << 20
	}
	o.Inodes = 3000
	path := testimage.Ext4(t, o)
	dir := testimage.MountWith(t, path, 0, options)
	end := work(t, dir)
	cut := snapshot(t, path)
	end()
	testimage.Unmount(t, dir)
	return cut
}

// workAndOrphans is plainWork that ends with files that are open and have no name, some of them with attributes.
func workAndOrphans(t *testing.T, dir string) (end func()) {
	t.Helper()
	plainWork(t, dir)
	var held []*os.File
	for i := range 3 {
		name := filepath.Join(dir, fmt.Sprintf("with attributes %d", i))
		mustDo(t, os.WriteFile(name, pattern(10_000*i, 1), 0o644), unix.Setxattr(name, "user.big", pattern(700, 2), 0))
		f, err := os.Open(name)
		mustDo(t, err, syncDir(dir), os.Remove(name))
		held = append(held, f)
	}
	gone := openAndGone(t, dir)
	return func() {
		for _, f := range held {
			f.Close()
		}
		gone()
	}
}

func TestFileSystemsOfEveryFeatureAreRecoveredAsTheKernelDoes(t *testing.T) {
	for _, c := range dirtyFeatures {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := dirtyImage(t, c.o, c.options, workAndOrphans)
			if r := openImage(t, path).Recovery(); r == nil || r.Deleted < 13 || r.Transactions < 2 {
				t.Fatalf("recovered %+v", r)
			}
			mustRecoverAsTheKernel(t, path)
		})
	}
}

// 16 TiB and more: in the log are blocks that 32 bits cannot name.
func TestALogWithBlocksThat32BitsCannotNameIsReplayed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	mustDo(t, os.WriteFile(path, nil, 0o600))
	if err := os.Truncate(path, 40<<40); err != nil {
		t.Skipf("no file of 40 TiB here: %v", err)
	}
	out, err := testimage.Command(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-C", "1048576", "-J", "size=4", "-O", "64bit,bigalloc,metadata_csum,^resize_inode,sparse_super2", "-N", "200000",
		"-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard,num_backup_sb=0", path).CombinedOutput()
	mustDo(t, err)
	t.Logf("%s", out)
	sparse := func() string {
		to := filepath.Join(t.TempDir(), "copy")
		mustDo(t, testimage.Command(t, "cp", "--sparse=always", path, to).Run())
		return to
	}
	dir := testimage.MountWith(t, path, 0, "data=ordered")
	for i := range 40 { // directories at the top are spread
		mustDo(t, os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o755))
		mustDo(t, synced(filepath.Join(dir, fmt.Sprint(i), "f"), pattern(9000, byte(i))))
	}
	end := openAndGone(t, filepath.Join(dir, "39"))
	ours := sparse()
	end()
	testimage.Unmount(t, dir)
	path = ours
	byKernel := sparse()
	recoverers["kernel"](t, byKernel)
	want := fullTree(t, byKernel)
	fsys := openImage(t, ours)
	high := 0
	for b := range fsys.recovery.log.Copies {
		if b >= 1<<32 {
			high++
		}
	}
	if r := fsys.Recovery(); high == 0 || r.Deleted < 13 {
		t.Errorf("%d blocks that 32 bits cannot name; recovered %+v", high, r)
	}
	mustDo(t, fsys.Recover())
	testimage.Fsck(t, ours, 0)
	if diff := cmp.Diff(want, fullTree(t, ours)); diff != "" {
		t.Errorf("the kernel's recovery (-) and ours (+):\n%s", diff)
	}
}

func TestFastCommitsOfEveryFeatureAreReplayedAsTheKernelDoes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, c := range dirtyFeatures {
		if c.options != "data=ordered" {
			continue // the kernel makes no fast commits of data in the journal
		}
		for i, work := range fastWork {
			if i != 1 && random.IntN(len(fastWork)) >= 4 { // a directory in a directory that is new always, of the others some
				continue
			}
			if strings.Contains(c.o.Profile.Features, "inline_data") && strings.Contains(work.name, "grown") {
				continue // some kernels crash when a file with data in its inode is truncated upwards
			}
			t.Run(c.name+" "+work.name, func(t *testing.T) {
				t.Parallel()
				o := c.o
				o.Profile.Features += ",fast_commit"
				path := dirtyImage(t, o, c.options, beforeFast(work.do))
				fsys := openImage(t, path)
				if r := fsys.Recovery(); r == nil || r.FastCommits == 0 {
					t.Skipf("recovered %+v: no fast commit", r)
				}
				if strings.Contains(c.name, "indirect") { // where the kernel's replay crashes in ext4_ind_map_blocks, or makes blocks of extents
					mustDo(t, fsys.Recover())
					testimage.Fsck(t, path, 0)
					return
				}
				byKernel := snapshot(t, path)
				recoverers["kernel"](t, byKernel)
				out, err := testimage.Command(t, "e2fsck", "-fy", byKernel).CombinedOutput() // as in TestFastCommitsAreReplayedAsTheKernelDoes
				if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() != 1 {
					t.Fatalf("%v\n%s", err, out)
				}
				want := withoutTimesOfDirectories(fullTree(t, byKernel))
				mustDo(t, fsys.Recover())
				testimage.Fsck(t, path, 0)
				if diff := cmp.Diff(want, withoutTimesOfDirectories(fullTree(t, path)), rescued); diff != "" {
					t.Errorf("the kernel's tree (-) and ours (+):\n%s", diff)
				}
			})
		}
	}
}
