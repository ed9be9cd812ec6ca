package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// dirty is a way to make a file system that was not unmounted.
type dirty struct {
	name     string
	profile  string
	features string                                      // besides the profile's; "^x" takes one away
	options  string                                      // of mount
	work     func(t *testing.T, dir string) (end func()) // end comes when the plug is pulled
	journal  string                                      // what dumpe2fs has to say of the journal's features
}

// image has the kernel work and pulls the plug.
func (d dirty) image(t *testing.T) string {
	t.Helper()
	p := testimage.ProfileNamed(d.profile)
	for _, f := range strings.Fields(d.features) {
		if off, ok := strings.CutPrefix(f, "^"); ok {
			p.Features = strings.ReplaceAll(p.Features+",", ","+off+",", ",")
		} else {
			p.Features += "," + f
		}
	}
	p.Features = strings.TrimSuffix(p.Features, ",")
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 30, Size: 40 << 20, Inodes: 3000})
	dir := testimage.MountWith(t, path, 0, d.options)
	end := d.work(t, dir)
	cut := snapshot(t, path)
	end()
	testimage.Unmount(t, dir)
	return cut
}

// snapshot copies an image that is mounted: what the kernel keeps in memory is lost.
func snapshot(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return copyOf(t, b)
}

func copyOf(t *testing.T, b []byte) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "image")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func mustDo(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// synced writes a file and syncs it and its directory, but not the device: the journal has what the device has not.
func synced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return errors.Join(f.Sync(), syncDir(filepath.Dir(path)))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// plainWork makes, changes and removes files and directories in several transactions. What was a directory's block becomes a
// file's: the journal revokes it.
func plainWork(t *testing.T, dir string) (end func()) {
	t.Helper()
	for round := range 4 {
		for i := range 60 {
			mustDo(t, os.MkdirAll(filepath.Join(dir, fmt.Sprintf("d%d", round), fmt.Sprint(i)), 0o755))
		}
		for i := range 40 {
			mustDo(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("d%d", round), fmt.Sprintf("file with a longer name %d", i)), pattern(700*i, byte(i)), 0o600))
		}
		mustDo(t, synced(filepath.Join(dir, "last"), pattern(9000, byte(round))))
		if round > 0 {
			mustDo(t, os.RemoveAll(filepath.Join(dir, fmt.Sprintf("d%d", round-1))))
			mustDo(t, synced(filepath.Join(dir, fmt.Sprintf("filler %d", round)), pattern(400_000, byte(round))))
		}
		mustDo(t, os.Symlink(strings.Repeat("x", 50+20*round), filepath.Join(dir, fmt.Sprintf("link%d", round))))
	}
	magic := make([]byte, 3*4096)
	for i := 0; i < len(magic); i += 512 {
		format.JMagic.Set(magic[i:], format.JBD2Magic)
	}
	mustDo(t, synced(filepath.Join(dir, "escaped"), magic), synced(filepath.Join(dir, "the end"), []byte("x")))
	mustDo(t, os.WriteFile(filepath.Join(dir, "never synced"), []byte("x"), 0o600))
	return func() {}
}

// manyRounds writes more than the journal holds, so that its log goes around.
func manyRounds(t *testing.T, dir string) (end func()) {
	t.Helper()
	for round := range 12 {
		mustDo(t, synced(filepath.Join(dir, fmt.Sprint(round%3)), pattern(700_000+5000*round, byte(round))))
	}
	return plainWork(t, dir)
}

var dirtyImages = []dirty{
	{"ordered, checksums 3", "nixos-4k", "", "data=ordered", plainWork, "journal_checksum_v3"},
	{"ordered, checksums 3, 32-bit tags", "pi-gen-1k", "", "data=ordered", plainWork, "journal_checksum_v3"},
	{"data in the journal", "debian-2k", "", "data=journal", manyRounds, "journal_64bit journal_checksum_v3"},
	{"no checksums, 64-bit tags", "no-checksums-4k", "64bit", "data=journal", manyRounds, "journal_64bit"},
	{"no checksums, 32-bit tags", "no-checksums-1k", "", "data=ordered", plainWork, ""},
	{"checksums 1", "gdt-checksums-2k", "", "data=ordered,journal_checksum", plainWork, "journal_checksum"},
	{"checksums 1, asynchronous", "gdt-checksums-4k", "", "data=journal,journal_async_commit", manyRounds, "journal_async_commit"},
	{"checksums 3, asynchronous", "nixos-1k", "", "data=writeback,journal_async_commit", manyRounds, "journal_async_commit"},
}

func TestADirtyFileSystemIsRecoveredAsTheKernelRecoversIt(t *testing.T) {
	var ran, revoked, escaped atomic.Int64
	t.Cleanup(func() {
		if int(ran.Load()) < len(dirtyImages) { // -run has chosen some
			return
		}
		if revoked.Load() == 0 || escaped.Load() == 0 {
			t.Errorf("%d copies were revoked and %d escaped: nothing is shown of one of them", revoked.Load(), escaped.Load())
		}
	})
	for _, d := range dirtyImages {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			path := d.image(t)
			if out, err := testimage.Command(t, "dumpe2fs", "-h", path).Output(); err != nil || !strings.Contains(string(out), d.journal) {
				t.Fatalf("dumpe2fs: %v: the journal has no %s:\n%s", err, d.journal, out)
			}
			ran.Add(1)
			r := openImage(t, path).recovery
			revoked.Add(int64(r.log.Revoked))
			for _, c := range r.log.Copies {
				if c.Escaped {
					escaped.Add(1)
				}
			}
			mustRecoverAsTheKernel(t, path)
		})
	}
}

// mustRecoverAsTheKernel compares what we make of a dirty image with what the kernel and e2fsck -p make of copies.
func mustRecoverAsTheKernel(t *testing.T, path string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	byKernel, byFsck := copyOf(t, old), copyOf(t, old)
	recoverers["kernel"](t, byKernel)
	want := fullTree(t, byKernel)

	fsys := openImage(t, path)
	r := fsys.Recovery()
	if r == nil || r.Transactions == 0 || r.Blocks == 0 {
		t.Fatalf("recovered: %+v", r)
	}
	if same := countSame(t, fsys.recovery); same == r.Blocks {
		t.Fatalf("all %d blocks of the log are at their places already: nothing is shown", same)
	}
	if diff := cmp.Diff(withoutXattrs(want), ourTree(t, fsys)); diff != "" {
		t.Errorf("read without writing: the kernel's tree (-) and ours (+):\n%s", diff)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(old, now) {
		t.Fatalf("%v: reading has changed the image", err)
	}
	if err := fsys.Recover(); err != nil {
		t.Fatal(err)
	}
	if fsys.Recovery() != nil {
		t.Error("there is still something to recover")
	}
	testimage.Fsck(t, path, 0)
	if diff := cmp.Diff(want, fullTree(t, path)); diff != "" {
		t.Errorf("written: the kernel's recovery (-) and ours (+):\n%s", diff)
	}
	mustUpdate(t, fsys, crashUpdate)
	testimage.Fsck(t, path, 0)

	recoverers["e2fsck -p"](t, byFsck)
	if diff := cmp.Diff(want, fullTree(t, byFsck)); diff != "" {
		t.Errorf("the kernel's recovery (-) and that of e2fsck (+):\n%s", diff)
	}
}

// countSame is how many blocks of the log are at their places already.
func countSame(t *testing.T, r *recovery) int {
	t.Helper()
	same := 0
	home := make([]byte, r.blockSize)
	for b := range r.log.Copies {
		block, err := r.replayed(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.dev.ReadAt(home, int64(b)*int64(r.blockSize)); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(block, home) {
			same++
		}
	}
	return same
}

func fullTree(t *testing.T, path string) map[string]testimage.Node {
	t.Helper()
	dir := testimage.Mount(t, path, 0)
	defer testimage.Unmount(t, dir)
	return testimage.Tree(t, dir)
}

func withoutXattrs(tree map[string]testimage.Node) map[string]testimage.Node {
	out := map[string]testimage.Node{}
	for name, n := range tree {
		n.Xattrs = nil
		out[name] = n
	}
	return out
}
