package atomicfile

// This file has the directories that one shares with others: those that may be written to and not listed, and those like /tmp, in which everybody
// may make files and links and only their owner may remove them.

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

const nobody = 65534

// shared makes a directory that another user can reach; t.TempDir may lie below one that lets nobody else in.
func shared(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	above, err := os.MkdirTemp("/tmp", "shared-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(above) })
	dir := filepath.Join(above, "dir")
	if err := errors.Join(os.Chmod(above, 0o711), os.Mkdir(dir, 0o700), os.Chmod(dir, mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asNobody makes this test's thread somebody else, whom modes keep out. It is not unlocked: it ends with the test.
func asNobody(t *testing.T) (back func()) {
	t.Helper()
	runtime.LockOSThread()
	if _, err := unix.SetfsuidRetUid(nobody); err != nil {
		t.Fatal(err)
	}
	return func() { unix.SetfsuidRetUid(0) }
}

// writeTwice makes a file and replaces it.
func writeTwice(t *testing.T, dest string) {
	t.Helper()
	for _, text := range []string{"old", "new"} {
		if err := Write(dest, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(dest); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}
}

func TestADirectoryThatCannotBeListedCanBeWrittenTo(t *testing.T) {
	dir := shared(t, 0o300)
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		defer asNobody(t)()
	}
	defer os.Chmod(dir, 0o700)
	if _, err := os.ReadDir(dir); err == nil {
		t.Skip("the directory can be listed nevertheless")
	}
	writeTwice(t, filepath.Join(dir, "f"))
}

// TestWhatOthersLeftIsTheirsToRemove has another user's file look like what a killed run left.
func TestWhatOthersLeftIsTheirsToRemove(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to be two users")
	}
	dir := shared(t, 0o777|fs.ModeSticky)
	decoy := filepath.Join(dir, ".f.boringboot-0123456789abcdef.tmp")
	if err := errors.Join(os.WriteFile(decoy, nil, 0o666), os.Chmod(decoy, 0o666)); err != nil {
		t.Fatal(err)
	}
	defer asNobody(t)()
	writeTwice(t, filepath.Join(dir, "f"))
	if _, err := os.Stat(decoy); err != nil {
		t.Error(err)
	}
}

// TestALinkThatIsNotFollowedIsNotReplacedThrough has another user's link where the destination is to be.
func TestALinkThatIsNotFollowedIsNotReplacedThrough(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to be two users")
	}
	const setting = "/proc/sys/fs/protected_symlinks"
	was, err := os.ReadFile(setting)
	if err != nil {
		t.Skip(err)
	}
	if string(bytes.TrimSpace(was)) == "0" {
		if err := os.WriteFile(setting, []byte("1"), 0o644); err != nil {
			t.Skip(err)
		}
		defer os.WriteFile(setting, was, 0o644)
	}
	dir := shared(t, 0o777|fs.ModeSticky)
	precious, link := filepath.Join(filepath.Dir(dir), "precious"), filepath.Join(dir, "f")
	if err := errors.Join(os.WriteFile(precious, []byte("precious"), 0o666), os.Symlink(precious, link), os.Lchown(link, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("new"), 0o600); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, want no permission", err)
	}
	if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}
