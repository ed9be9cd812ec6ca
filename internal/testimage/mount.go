package testimage

// The Linux kernel as a judge: it mounts the image.

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

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

// MountWith is MountRW with further options of mount.
func MountWith(tb testing.TB, path string, offset int64, options string) string {
	tb.Helper()
	return mount(tb, path, offset, "rw,noinit_itable,"+options)
}

// mounted are the loop devices by the directories that they are mounted at.
var mounted sync.Map

// mount sets up a loop device of its own. With `mount -o loop` a device that an
// earlier mount of the same file has not quite given back would be used again,
// and its cache would show the kernel the image as it was then.
func mount(tb testing.TB, path string, offset int64, options string) string {
	tb.Helper()
	RequireRoot(tb)
	Require(tb, "mount", "umount", "losetup")
	dir := tb.TempDir()
	args := []string{"--find", "--show", "--offset", strconv.FormatInt(offset, 10), path}
	if options == "ro" {
		args = append([]string{"--read-only"}, args...)
	}
	out, err := run("", "losetup", args)
	if err != nil {
		tb.Fatal(err)
	}
	device := strings.TrimSpace(out)
	if _, err := run("", "mount", []string{"-t", "ext4", "-o", options, device, dir}); err != nil {
		tb.Error(err)
		if err := detach(device); err != nil {
			tb.Error(err)
		}
		tb.FailNow()
	}
	mounted.Store(dir, device)
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
	device, was := mounted.LoadAndDelete(dir)
	if !was {
		return
	}
	if err := unmount(dir); err != nil {
		tb.Error(err)
	}
	if err := detach(device.(string)); err != nil {
		tb.Error(err)
	}
}

// unmount tries again for a while: a process that another test is just
// starting, or a program that looks at everything mounted, may hold a file of
// it for a moment.
func unmount(dir string) error {
	var err error
	for range 100 {
		if _, err = run("", "umount", []string{dir}); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// detach gives a loop device back and waits until it is: something that looks
// at new block devices, as udev does, may hold it for a moment.
func detach(device string) error {
	if _, err := run("", "losetup", []string{"--detach", device}); err != nil {
		return err
	}
	backing := filepath.Join("/sys/block", filepath.Base(device), "loop/backing_file")
	for range 1000 {
		if _, err := os.Stat(backing); err != nil {
			return nil // the device has no file any more
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s is still in use 10 seconds after it was given back", device)
}

// MountErr has the kernel mount the file system in a file for writing and
// unmount it again. The error is mount's where the kernel refuses it.
func MountErr(tb testing.TB, path string) error {
	tb.Helper()
	RequireRoot(tb)
	Require(tb, "mount", "umount", "losetup")
	dir := tb.TempDir()
	out, err := run("", "losetup", []string{"--find", "--show", path})
	if err != nil {
		tb.Fatal(err)
	}
	device := strings.TrimSpace(out)
	_, refused := run("", "mount", []string{"-t", "ext4", "-o", "rw,noinit_itable", device, dir})
	if refused == nil {
		if err := unmount(dir); err != nil {
			tb.Fatal(err)
		}
	}
	if err := detach(device); err != nil {
		tb.Error(err)
	}
	return refused
}
