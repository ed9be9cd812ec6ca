package testimage

import (
	"fmt"
	"sync"
	"testing"
)

// The Linux kernel as a judge: it mounts the image.

// Mount mounts the file system that starts offset bytes into the file, reading
// only, and returns the directory. It is unmounted when the test ends. Where
// the test is not root it is skipped, as by RequireRoot.
func Mount(tb testing.TB, path string, offset int64) string {
	tb.Helper()
	return mount(tb, path, offset, "ro")
}

// MountRW is Mount for writing. Unmount ends it before the test does.
//
// Tables that are not initialised stay so: the kernel's background thread for
// that is off.
func MountRW(tb testing.TB, path string, offset int64) string {
	tb.Helper()
	return mount(tb, path, offset, "rw,noinit_itable")
}

var mounted sync.Map // the directories that are mounted

func mount(tb testing.TB, path string, offset int64, options string) string {
	tb.Helper()
	RequireRoot(tb)
	Require(tb, "mount", "umount")
	dir := tb.TempDir()
	options = fmt.Sprintf("loop,offset=%d,%s", offset, options)
	if _, err := run("", "mount", []string{"-t", "ext4", "-o", options, path, dir}); err != nil {
		tb.Fatal(err)
	}
	mounted.Store(dir, true)
	tb.Cleanup(func() {
		tb.Helper()
		Unmount(tb, dir)
	})
	return dir
}

// Unmount unmounts a directory that Mount or MountRW returned. Unmounting it
// twice is no error.
func Unmount(tb testing.TB, dir string) {
	tb.Helper()
	if _, was := mounted.LoadAndDelete(dir); !was {
		return
	}
	if _, err := run("", "umount", []string{dir}); err != nil {
		tb.Error(err)
	}
}
