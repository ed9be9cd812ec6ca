// Outputs come into being whole or not at all, private, and beside nothing that was not theirs.

package diskimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/atomicfile"
	"boringboot/internal/testimage"
)

// sourceFile is a small raw image.
func sourceFile(t testing.TB) (path string, content []byte) {
	t.Helper()
	content = holeyImage()
	path = filepath.Join(t.TempDir(), "source.img")
	writeSparseFile(t, path, content)
	return path, content
}

func TestWhatIsWrittenArrives(t *testing.T) {
	src, want := sourceFile(t)
	for _, name := range []string{"out.img", "out", "out.img.zst", "OUT.ZST"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			dest := filepath.Join(dir, name)
			o, err := Create(dest, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Fill(context.Background(), src, nil); err != nil {
				t.Fatal(err)
			}
			want := bytes.Clone(want)
			s := o.Section(4096, 8192)
			copy(want[4096+100:], "injected")
			if _, err := s.WriteAt([]byte("injected"), 100); err != nil {
				t.Fatal(err)
			}
			if err := s.Sync(); err != nil {
				t.Fatal(err)
			}
			var seen recorder
			if err := o.Commit(context.Background(), &seen); err != nil {
				t.Fatal(err)
			}
			got := readFile(t, dest)
			if strings.HasSuffix(strings.ToLower(name), ".zst") {
				testimage.Require(t, "zstd")
				sh(t, dir, "zstd -q -t "+name+" 2>&1")
				if list := sh(t, dir, "zstd -lv "+name); !strings.Contains(list, fmt.Sprintf("(%d B)", len(want))) || !strings.Contains(list, "XXH64") {
					t.Errorf("zstd -lv says no length or no checksum:\n%s", list)
				}
				got = []byte(sh(t, dir, "zstd -q -d -c "+name))
				n := int64(len(want))
				wantSteps := []step{{"compressing " + name, n, n, true}, {"checking " + name, n, n, true}}
				if diff := cmp.Diff(wantSteps, seen.steps); diff != "" {
					t.Errorf("progress (-want +got):\n%s", diff)
				}
			}
			sameBytes(t, "the output", got, want)
			if diff := cmp.Diff([]string{name}, names(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if info, err := os.Stat(dest); err != nil || info.Mode() != 0o600 {
				t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
			}
			if err := o.Commit(context.Background(), nil); err == nil {
				t.Error("a second Commit succeeded")
			}
			if _, err := s.WriteAt([]byte("x"), 0); err == nil {
				t.Error("a section was written after Commit")
			}
		})
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheSameImageCompressesToTheSameBytesOnAnyNumberOfCores(t *testing.T) {
	// Long enough for several jobs of the compressor, four windows of 8 MiB each.
	big := bytes.Repeat(holeyImage(), 6)
	for i := range 6 {
		big[i*12*mib+mib] = byte(i)
	}
	src := filepath.Join(t.TempDir(), "big.img")
	writeSparseFile(t, src, big)
	var first []byte
	for _, n := range []int{1, 2, 5} {
		old := runtime.GOMAXPROCS(n)
		dest := filepath.Join(t.TempDir(), "out.img.zst")
		makeImage(t, src, dest, nil)
		runtime.GOMAXPROCS(old)
		got := readFile(t, dest)
		if first == nil {
			first = got
		}
		if !bytes.Equal(first, got) {
			t.Errorf("%d cores: %d bytes that differ from the %d of one", n, len(got), len(first))
		}
	}
}

func TestAnEmptyImageCompressesToAFrame(t *testing.T) {
	dir := t.TempDir()
	src, dest := filepath.Join(dir, "empty"), filepath.Join(dir, "out.zst")
	if err := os.WriteFile(src, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	makeImage(t, src, dest, nil)
	testimage.Require(t, "zstd")
	if out := sh(t, dir, "zstd -q -d -c out.zst | wc -c"); strings.TrimSpace(out) != "0" {
		t.Errorf("zstd unpacks %s bytes", out)
	}
}

func TestDestinationsThatCannotBeAreRefused(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := func(name, to string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := put("file.img", "old")
	put("real.img", "old")
	sh(t, dir, "mkfifo fifo.img; mkdir sub.img")
	tests := []struct {
		name, dest string
		force      bool
		is         error
		says       string
	}{
		{"no name", "", false, nil, "no name"},
		{"a file that exists", file, false, fs.ErrExist, "file.img"},
		{"a link to a file that exists", link("link.img", "real.img"), false, fs.ErrExist, "link.img"},
		{"a link to nothing", link("dangling.img", "nowhere/x.img"), true, fs.ErrNotExist, "nowhere"},
		{"a link to itself", link("loop.img", "loop.img"), true, nil, "symbolic links"},
		{"a directory", filepath.Join(dir, "sub.img"), true, nil, "a directory"},
		{"a named pipe", filepath.Join(dir, "fifo.img"), true, nil, "a named pipe"},
		{"a device", "/dev/null", true, nil, "a character device"},
		{"a directory that is missing", filepath.Join(dir, "none", "out.img"), false, fs.ErrNotExist, "none"},
		{"a directory that is missing, with a slash", filepath.Join(dir, "none") + "/", false, nil, "directory"},
		{"a directory that is a file", filepath.Join(file, "out.img"), false, nil, "not a directory"},
		{"a directory that cannot be written", "/proc/out.img", false, nil, "cannot write to the directory /proc"},
		{"xz", filepath.Join(dir, "out.img.xz"), false, nil, ".xz is not written"},
		{"gzip", filepath.Join(dir, "out.img.GZ"), false, nil, ".gz is not written"},
		{"qcow2", filepath.Join(dir, "out.qcow2"), false, nil, ".qcow2 is not written"},
	}
	before := names(t, dir)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := Create(tt.dest, tt.force)
			if err == nil {
				o.Abort()
				t.Fatal("Create succeeded")
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v is no %v", err, tt.is)
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), ".tmp") {
				t.Errorf("error %q, want one line with %q", err, tt.says)
			}
			if diff := cmp.Diff(before, names(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

func TestForceKeepsTheOldFileUntilTheEnd(t *testing.T) {
	src, want := sourceFile(t)
	dir := t.TempDir()
	dest := filepath.Join(dir, "out.img")
	if err := os.WriteFile(dest, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := Create(dest, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Fill(context.Background(), src, nil); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, dest); string(got) != "old" {
		t.Fatalf("before Commit the destination holds %d bytes", len(got))
	}
	if err := o.Commit(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, "the output", readFile(t, dest), want)
	if info, err := os.Stat(dest); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v: the old file's mode must not stay", info.Mode(), err)
	}
}

func TestAFileThatAppearsMeanwhileIsNotReplacedWithoutForce(t *testing.T) {
	src, _ := sourceFile(t)
	for _, name := range []string{"out.img", "out.img.zst"} {
		dir := t.TempDir()
		dest := filepath.Join(dir, name)
		o, err := Create(dest, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Fill(context.Background(), src, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dest, []byte("other"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := o.Commit(context.Background(), nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Commit = %v, want fs.ErrExist", err)
		}
		if got := readFile(t, dest); string(got) != "other" {
			t.Errorf("the other file was replaced: %d bytes", len(got))
		}
		if diff := cmp.Diff([]string{name}, names(t, dir)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
}

func TestALinkIsFollowedAndStays(t *testing.T) {
	src, want := sourceFile(t)
	dir := t.TempDir()
	sh(t, dir, "mkdir a b; echo old >b/real.img; ln -s ../b/middle a/link.img; ln -s real.img b/middle")
	o, err := Create(filepath.Join(dir, "a", "link.img"), true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"link.img"}, names(t, filepath.Join(dir, "a"))); diff != "" {
		t.Errorf("the temporary file is not beside the real one:\n%s", diff)
	}
	if err := o.Fill(context.Background(), src, nil); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	sameBytes(t, "the real file", readFile(t, filepath.Join(dir, "b", "real.img")), want)
	if got, err := os.Readlink(filepath.Join(dir, "a", "link.img")); got != "../b/middle" {
		t.Errorf("the link leads to %q, %v", got, err)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	src, _ := sourceFile(t)
	for _, name := range []string{"out.img", "out.img.zst"} {
		dir := t.TempDir()
		o, err := Create(filepath.Join(dir, name), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Fill(context.Background(), src, nil); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := o.Abort(); err != nil {
				t.Error(err)
			}
		}
		if left := names(t, dir); len(left) != 0 {
			t.Errorf("files left: %q", left)
		}
		if err := o.Commit(context.Background(), nil); err == nil {
			t.Error("Commit after Abort succeeded")
		}
		if err := o.Fill(context.Background(), src, nil); err == nil {
			t.Error("Fill after Abort succeeded")
		}
	}
}

func TestWhatWasNotFilledIsNotCommitted(t *testing.T) {
	dir := t.TempDir()
	o, err := Create(filepath.Join(dir, "out.img"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if _, err := o.Section(0, 4096).WriteAt([]byte("x"), 0); err == nil {
		t.Error("an output that was not filled was written")
	}
	if err := o.Commit(context.Background(), nil); err == nil {
		t.Error("Commit succeeded")
	}
}

func TestADamagedPackIsNotCommitted(t *testing.T) {
	src, _ := sourceFile(t)
	for name, harm := range map[string]func(o *Output, packed *atomicfile.Temp) error{
		"a byte of the compressed file flipped": func(_ *Output, packed *atomicfile.Temp) error {
			b := make([]byte, 1)
			if _, err := packed.File.ReadAt(b, 300000); err != nil {
				return err
			}
			b[0] ^= 1
			_, err := packed.File.WriteAt(b, 300000)
			return err
		},
		"a byte of the image changed after it was compressed": func(o *Output, _ *atomicfile.Temp) error {
			_, err := o.raw.File.WriteAt([]byte("x"), 7*mib)
			return err
		},
		"the compressed file cut short": func(_ *Output, packed *atomicfile.Temp) error { return packed.File.Truncate(300000) },
		"the image longer than what was compressed": func(o *Output, _ *atomicfile.Temp) error {
			o.size++
			return o.raw.File.Truncate(o.size)
		},
		"the image shorter than what was compressed": func(o *Output, _ *atomicfile.Temp) error { o.size--; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			o, err := Create(filepath.Join(t.TempDir(), "out.img.zst"), false)
			if err != nil {
				t.Fatal(err)
			}
			defer o.Abort()
			if err := o.Fill(context.Background(), src, nil); err != nil {
				t.Fatal(err)
			}
			packed, err := createTemp(o.target)
			if err != nil {
				t.Fatal(err)
			}
			defer packed.Remove()
			if err := o.compress(context.Background(), packed, silent{}); err != nil {
				t.Fatal(err)
			}
			if err := o.compare(context.Background(), packed, silent{}); err != nil {
				t.Fatalf("before the harm: %v", err)
			}
			if err := harm(o, packed); err != nil {
				t.Fatal(err)
			}
			if err := o.compare(context.Background(), packed, silent{}); !errors.Is(err, errComparison) {
				t.Errorf("compare = %v, want %v", err, errComparison)
			}
		})
	}
}

func TestASourceThatChangesMeanwhileIsAnError(t *testing.T) {
	src, _ := sourceFile(t)
	dir := t.TempDir()
	o, err := Create(filepath.Join(dir, "out.img"), false)
	if err != nil {
		t.Fatal(err)
	}
	changed := false
	p := &recorder{hook: func() {
		if !changed {
			changed = true
			f, err := os.OpenFile(src, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("changed"), 0); err != nil {
				t.Fatal(err)
			}
		}
	}}
	if err := o.Fill(context.Background(), src, p); err == nil || !strings.Contains(err.Error(), "changed while") {
		t.Errorf("Fill = %v, want an error", err)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("files left: %q", left)
	}
}
