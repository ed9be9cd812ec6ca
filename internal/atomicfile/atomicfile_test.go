package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func text(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestAFileComesIntoBeingWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	put(t, dest, "old")
	f := create(t, dest)
	for _, s := range []string{"ne", "w"} {
		if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := text(t, dest); got != "old" {
		t.Errorf("before Commit: %q", got)
	}
	if err := f.Commit(0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Abort(); err != nil {
			t.Error(err)
		}
	}
	if got := text(t, dest); got != "new" {
		t.Errorf("after Commit: %q", got)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a write after Commit: %v", err)
	}
	if err := f.Commit(0o644); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a second Commit: %v", err)
	}
	f = create(t, dest)
	if _, err := f.Write([]byte("newer")); err != nil {
		t.Fatal(err)
	}
	if err := f.Abort(); err != nil {
		t.Fatal(err)
	}
	if got := text(t, dest); got != "new" {
		t.Errorf("after Abort: %q", got)
	}
	if diff := cmp.Diff([]string{"f"}, names(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestANewFileReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	f, err := Create(dest, false)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dest, "meanwhile")
	if err := f.Commit(0o644); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), dest) || strings.Contains(err.Error(), "tmp:") {
		t.Errorf("one that came into being meanwhile: %v", err)
	}
	if err := WriteNew(dest, []byte("x"), 0o644); !errors.Is(err, fs.ErrExist) {
		t.Errorf("one that was there: %v", err)
	}
	if got := text(t, dest); got != "meanwhile" {
		t.Errorf("it holds %q", got)
	}
	if diff := cmp.Diff([]string{"f"}, names(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := WriteNew(filepath.Join(dir, "g"), []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
}

func TestASymbolicLinkStaysAndWhatItPointsToIsReplaced(t *testing.T) {
	dir := t.TempDir()
	link, real := filepath.Join(dir, "link"), filepath.Join(dir, "sub", "real")
	if err := os.Mkdir(filepath.Dir(real), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, real, "old")
	if err := os.Symlink(filepath.Join("sub", "real"), link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if got := text(t, real); got != "new" {
		t.Errorf("the file holds %q", got)
	}
}

func TestWhatIsNoFileIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	for name, dest := range map[string]string{
		"a directory":                dir,
		"a device":                   os.DevNull,
		"a file below none":          filepath.Join(dir, "none", "f"),
		"nothing":                    "",
		"a directory that is no one": filepath.Join(dir, "none") + string(filepath.Separator),
	} {
		if err := Write(dest, []byte("x"), 0o644); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if diff := cmp.Diff([]string{}, names(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
