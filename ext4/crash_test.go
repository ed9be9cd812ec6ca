package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// recorder is a device in memory that keeps what was written to it, in order, and where it was synced.
type recorder struct {
	old, now []byte
	log      []recorded
	syncs    []int // lengths of log at each sync
	failAt   int   // the write that fails; −1: none
}

type recorded struct {
	off  int64
	data []byte
}

var errCut = errors.New("the device was cut off")

func newRecorder(tb testing.TB, path string) *recorder {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return &recorder{old: bytes.Clone(b), now: b, failAt: -1}
}

func (r *recorder) Size() int64 { return int64(len(r.now)) }
func (r *recorder) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(r.now).ReadAt(p, off)
}
func (r *recorder) Sync() error { r.syncs = append(r.syncs, len(r.log)); return nil }
func (r *recorder) WriteAt(p []byte, off int64) (int, error) {
	if len(r.log) == r.failAt {
		r.failAt = -1
		return 0, errCut
	}
	r.log = append(r.log, recorded{off, bytes.Clone(p)})
	return copy(r.now[off:], p), nil
}

// durable is how many of the first n writes a sync has made durable.
func (r *recorder) durable(n int) int {
	last := 0
	for _, s := range r.syncs {
		if s <= n {
			last = s
		}
	}
	return last
}

// image is what the device holds if only the writes for which keep says so have reached it.
func (r *recorder) image(n int, keep func(i int) bool) []byte {
	b := bytes.Clone(r.old)
	for i, w := range r.log[:n] {
		if keep(i) {
			copy(b[w.off:], w.data)
		}
	}
	return b
}

// recoverers are who may see the image first after a cut: the kernel, or fsck as it runs at boot.
var recoverers = map[string]func(tb testing.TB, path string){
	"kernel": func(tb testing.TB, path string) { testimage.Unmount(tb, testimage.MountRW(tb, path, 0)) },
	"e2fsck -p": func(tb testing.TB, path string) {
		tb.Helper()
		out, err := testimage.Command(tb, "e2fsck", "-p", path).CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 { // 1: something was corrected, and all is well
			err = nil
		}
		if err != nil {
			tb.Errorf("e2fsck -p: %v\n%s", err, out)
		}
	},
}

func treeOf(tb testing.TB, path string) map[string]testimage.Node {
	tb.Helper()
	return ourTree(tb, openImage(tb, path))
}

func crashImage(tb testing.TB, profile, journal string) string {
	tb.Helper()
	path := testimage.Ext4(tb, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: -1, Size: 8 << 20, Inodes: 600, Fill: func(dir string) error {
		return errors.Join(
			os.WriteFile(filepath.Join(dir, "replaced"), bytes.Repeat([]byte("old secret "), 900), 0o644),
			os.WriteFile(filepath.Join(dir, "kept"), pattern(5000, 3), 0o644),
		)
	}})
	switch journal {
	case "checksum_v3": // the kernel upgrades the journal when it first writes to it
		dir := testimage.MountRW(tb, path, 0)
		if err := os.WriteFile(filepath.Join(dir, "by-the-kernel"), []byte("x"), 0o644); err != nil {
			tb.Fatal(err)
		}
		testimage.Unmount(tb, dir)
	case "checksum_v2":
		testimage.DebugfsWrite(tb, path, 0, "journal_open -c -v 2", "journal_close")
	default:
		return path
	}
	if out := testimage.Debugfs(tb, path, 0, "logdump -S"); !strings.Contains(out, "journal_"+journal) {
		tb.Fatalf("the journal has no %s:\n%s", journal, out)
	}
	return path
}

func crashUpdate(tx *Tx) error {
	return errors.Join(
		tx.MkdirAll("var/lib/bootstrap", Attr{Mode: 0o755}),
		tx.WriteFile("var/lib/bootstrap/key", bytes.NewReader(pattern(3000, 1)), Attr{Mode: 0o600}),
		tx.WriteFile("replaced", bytes.NewReader(pattern(20000, 2)), Attr{Mode: 0o600}),
		tx.Symlink("kept", "link", Attr{}),
	)
}

func TestACutAnywhereLeavesAllOrNothing(t *testing.T) {
	for _, c := range []struct{ profile, journal string }{
		{"nixos-1k", "as made"}, {"nixos-4k", "checksum_v2"}, {"pi-gen-2k", "checksum_v3"},
	} {
		t.Run(c.profile+" "+c.journal, func(t *testing.T) {
			path := crashImage(t, c.profile, c.journal)
			old := treeOf(t, path)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			if err != nil {
				t.Fatal(err)
			}
			mustUpdate(t, fsys, crashUpdate)
			if len(r.syncs) != 6 || r.syncs[len(r.syncs)-1] != len(r.log) {
				t.Errorf("syncs after writes %v of %d, want six, the last at the end", r.syncs, len(r.log))
			}
			writeImage(t, path, r.now)
			testimage.Fsck(t, path, 0)
			done := treeOf(t, path)

			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			outcomes := map[string]int{}
			try := func(what, by string, n int, keep func(i int) bool) {
				writeImage(t, path, r.image(n, keep))
				recoverers[by](t, path)
				if err := testimage.FsckErr(path, 0); err != nil {
					t.Errorf("%s, then %s (seed %d): %v", what, by, seed, err)
					return
				}
				got := kernelTree(t, path)
				switch {
				case cmp.Equal(got, old):
					outcomes["nothing"]++
					if n == len(r.log) {
						t.Errorf("%s: the update is lost", what)
					}
				case cmp.Equal(got, done):
					outcomes["all"]++
				default:
					t.Errorf("%s, then %s (seed %d): neither old nor new; from new:\n%s", what, by, seed, cmp.Diff(done, got))
				}
			}
			for n := range len(r.log) + 1 {
				by := []string{"kernel", "e2fsck -p"}[n%2]
				try(fmt.Sprintf("cut after write %d of %d", n, len(r.log)), by, n, func(int) bool { return true })
				durable := r.durable(n)
				if durable == n {
					continue
				}
				by = []string{"e2fsck -p", "kernel"}[n%2]
				lost := map[int]bool{}
				for i := durable; i < n; i++ {
					lost[i] = random.IntN(2) == 0
				}
				try(fmt.Sprintf("cut after write %d of %d, of those after %d some lost", n, len(r.log), durable), by, n, func(i int) bool { return !lost[i] })
			}
			if outcomes["nothing"] == 0 || outcomes["all"] == 0 {
				t.Errorf("outcomes %v: both must be among them", outcomes)
			}
		})
	}
}

func writeImage(tb testing.TB, path string, b []byte) {
	tb.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func TestAFailingWriteBeforeTheCommitLeavesTheImageAsItWas(t *testing.T) {
	path := crashImage(t, "nixos-1k", "as made")
	old := treeOf(t, path)
	whole := newRecorder(t, path)
	fsys, err := Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, fsys, crashUpdate)
	for at := range whole.syncs[0] {
		r := newRecorder(t, path)
		fsys, err := Open(r)
		if err != nil {
			t.Fatal(err)
		}
		r.failAt = at
		if err := fsys.Update(crashUpdate, WithTime(writeTime)); !errors.Is(err, errCut) {
			t.Fatalf("write %d fails: Update: %v", at, err)
		}
		failed := filepath.Join(t.TempDir(), "image")
		writeImage(t, failed, r.now)
		testimage.Fsck(t, failed, 0)
		if diff := cmp.Diff(old, treeOf(t, failed)); diff != "" {
			t.Errorf("write %d fails: the tree changed:\n%s", at, diff)
		}
		if bytes.Contains(r.now, pattern(3000, 1)[:512]) {
			t.Errorf("write %d fails: the new file's bytes are in free blocks", at)
		}
		mustUpdate(t, fsys, crashUpdate) // and it can be done again
		if !bytes.Equal(r.now, whole.now) {
			t.Errorf("write %d fails: the second try gives another image", at)
		}
	}
}

type brokenContent struct{ size, good int64 }

func (c brokenContent) Size() int64 { return c.size }
func (c brokenContent) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > c.good {
		return 0, io.ErrClosedPipe
	}
	for i := range p {
		p[i] = 'S'
	}
	return len(p), nil
}

func TestAContentThatCannotBeReadLeavesTheImageAsItWas(t *testing.T) {
	path := crashImage(t, "nixos-4k", "as made")
	r := newRecorder(t, path)
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, opts := range [][]UpdateOption{nil, {WithoutJournal()}} {
		err = fsys.Update(func(tx *Tx) error {
			return errors.Join(
				tx.WriteFile("good", bytes.NewReader(bytes.Repeat([]byte("S"), 10000)), Attr{}),
				tx.WriteFile("bad", brokenContent{3 << 20, 2 << 20}, Attr{}),
			)
		}, opts...)
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("Update: %v", err)
		}
		if bytes.Contains(r.now, bytes.Repeat([]byte("S"), 512)) {
			t.Error("what was written of the content is still there")
		}
	}
	writeImage(t, path, r.now)
	testimage.Fsck(t, path, 0)
	if _, err := fsys.Stat("good"); err == nil {
		t.Error("the file system has one of the files")
	}
}
