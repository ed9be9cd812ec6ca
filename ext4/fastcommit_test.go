package ext4

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// fastWork does something that fast commits can tell of, and ends with an fsync of one file: what the log has not is behind it.
var fastWork = []struct {
	name string
	dirs bool // the kernel's replay leaves counts of directories wrong
	do   func(dir string) error
}{
	{"a new file", false, func(d string) error { return os.WriteFile(d+"/new", pattern(30_000, 1), 0o600) }},
	{"a new directory", true, func(d string) error { return os.MkdirAll(d+"/new/below/it", 0o755) }},
	{"files in a new directory", true, func(d string) error {
		err := os.Mkdir(d+"/new", 0o750)
		for i := range 15 { // in blocks of 1 KiB the kernel does not mount what needs a second one
			if err == nil {
				err = os.WriteFile(fmt.Sprintf("%s/new/a file of a longer name %d", d, i), pattern(i*400, byte(i)), 0o644)
			}
		}
		return err
	}},
	{"a directory goes", true, func(d string) error { return os.Remove(d + "/d0") }},
	{"a file goes", false, func(d string) error { return os.Remove(d + "/f0") }},
	{"renamed", false, func(d string) error { return os.Rename(d+"/f0", d+"/d1/other") }},
	{"renamed over another", false, func(d string) error { return os.Rename(d+"/f0", d+"/f1") }},
	{"a further name", false, func(d string) error { return os.Link(d+"/f0", d+"/d2/again") }},
	{"cut", false, func(d string) error { return os.Truncate(d+"/big", 5000) }},
	{"grown", false, func(d string) error { return os.Truncate(d+"/f0", 3_000_000) }},
	{"mode and owner", false, func(d string) error {
		if err := os.Chmod(d+"/f0", 0o4711); err != nil {
			return err
		}
		return os.Chown(d+"/f1", 70_000, 3)
	}},
	{"many extents", false, func(d string) error {
		return writeEach(d+"/f0", 200, 3*8192)
	}},
	{"a new file of many extents", false, func(d string) error {
		return writeEach(d+"/scattered", 60, 2*8192)
	}},
	{"overwritten and appended", false, func(d string) error {
		f, err := os.OpenFile(d+"/big", os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(pattern(200_000, 9)); err != nil {
			return err
		}
		return f.Sync()
	}},
	{"made and gone again", false, func(d string) error {
		if err := writeEach(d+"/d1/passing", 1, 0); err != nil {
			return err
		}
		return os.Remove(d + "/d1/passing")
	}},
	{"another of the same inode", false, func(d string) error {
		if err := os.Remove(d + "/f0"); err != nil {
			return err
		}
		return writeEach(d+"/another", 40, 10_000)
	}},
	{"cut and grown again", false, func(d string) error {
		if err := os.Truncate(d+"/big", 100); err != nil {
			return err
		}
		if err := writeEach(d+"/f1", 3, 100); err != nil {
			return err
		}
		return writeEach(d+"/big", 10, 30_000)
	}},
}

// writeEach writes a few bytes at every step, and syncs.
func writeEach(path string, count, step int) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range count {
		if _, err := f.WriteAt([]byte("written"), int64(i*step)); err != nil {
			return err
		}
	}
	return f.Sync()
}

// beforeFast is work on files that the log has, and an fsync.
func beforeFast(do func(dir string) error) func(t *testing.T, dir string) func() {
	return func(t *testing.T, dir string) func() {
		for i := range 3 {
			mustDo(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d", i)), pattern(9000, byte(i)), 0o644), os.Mkdir(filepath.Join(dir, fmt.Sprintf("d%d", i)), 0o755))
		}
		mustDo(t, os.WriteFile(filepath.Join(dir, "big"), pattern(400_000, 7), 0o644))
		mustDo(t, testimage.Command(t, "sync", "-f", dir).Run(), synced(filepath.Join(dir, "f2"), []byte("before")))
		mustDo(t, do(dir), writeEach(filepath.Join(dir, "f2"), 1, 0)) // a directory's fsync were a whole commit
		return func() {}
	}
}

func TestFastCommitsAreReplayedAsTheKernelDoes(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "debian-1k", "no-checksums-2k"} {
		profile, more, _ := strings.Cut(profile, " ")
		for _, work := range fastWork {
			t.Run(profile+" "+work.name, func(t *testing.T) {
				t.Parallel()
				d := dirty{profile: profile, features: "fast_commit " + more, options: "data=ordered", work: beforeFast(work.do)}
				path := d.image(t)
				byKernel := snapshot(t, path)
				recoverers["kernel"](t, byKernel)
				if work.dirs {
					out, err := testimage.Command(t, "e2fsck", "-fy", byKernel).CombinedOutput()
					if err == nil {
						t.Errorf("the kernel's replay leaves nothing to e2fsck by now:\n%s", out)
					}
				}
				want := withoutTimesOfDirectories(fullTree(t, byKernel))

				fsys := openImage(t, path)
				if r := fsys.Recovery(); r == nil || r.FastCommits == 0 {
					t.Fatalf("recovered %+v: no fast commit", r)
				}
				if diff := cmp.Diff(withoutXattrs(want), withoutTimesOfDirectories(ourTree(t, fsys)), rescued); diff != "" {
					t.Errorf("read without writing: the kernel's tree (-) and ours (+):\n%s", diff)
				}
				mustDo(t, fsys.Recover())
				testimage.Fsck(t, path, 0)
				if diff := cmp.Diff(want, withoutTimesOfDirectories(fullTree(t, path)), rescued); diff != "" {
					t.Errorf("written: the kernel's tree (-) and ours (+):\n%s", diff)
				}
				mustUpdate(t, fsys, crashUpdate)
				testimage.Fsck(t, path, 0)
			})
		}
	}
}

// rescued leaves out what e2fsck put into lost+found: a directory that the kernel's replay unlinked and did not delete.
var rescued = cmp.FilterPath(func(p cmp.Path) bool {
	for _, step := range p {
		if i, ok := step.(cmp.MapIndex); ok && strings.HasPrefix(i.Key().String(), "lost+found") {
			return true
		}
	}
	return false
}, cmp.Ignore())

// withoutTimesOfDirectories: fast commits do not have them.
func withoutTimesOfDirectories(tree map[string]testimage.Node) map[string]testimage.Node {
	for name, n := range tree {
		if n.Type == "dir" {
			n.Mtime, n.Size = 0, 0
			tree[name] = n
		}
	}
	return tree
}
