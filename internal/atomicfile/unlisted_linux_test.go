package atomicfile

// This file is about a directory that may be written to and not listed.

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestADirectoryThatCannotBeListedCanBeWrittenTo(t *testing.T) {
	above, err := os.MkdirTemp("/tmp", "dropbox-") // not t.TempDir: another user has to get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(above) })
	dir := filepath.Join(above, "dropbox")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // whom no mode keeps out: this thread becomes somebody else
		const nobody = 65534
		if err := os.Chmod(above, 0o711); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		runtime.LockOSThread() // and is not unlocked: it ends with the test
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			t.Fatal(err)
		}
		defer unix.SetfsuidRetUid(0)
	}
	if err := os.Chmod(dir, 0o300); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	if _, err := os.ReadDir(dir); err == nil {
		t.Skip("the directory can be listed nevertheless")
	}
	dest := filepath.Join(dir, "f")
	for _, text := range []string{"old", "new"} {
		if err := Write(dest, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(dest); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}
}
