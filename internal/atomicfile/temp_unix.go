//go:build !windows

// This file removes and syncs files by name where a file may be open meanwhile.

package atomicfile

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// remove deletes the file while it is locked, so that no other run takes it for a stale one in between.
func (t *Temp) remove() error { return errors.Join(t.unlink(), t.close()) }

func (t *Temp) unname() error { return t.unlink() }

// rename renames the file while it is locked.
func (t *Temp) rename(target string, force bool) error {
	to := renameNew
	if force {
		to = os.Rename
	}
	if err := to(t.Path, target); err != nil {
		return err
	}
	t.Path = ""
	return t.close()
}

// renameByLink renames without replacing anything: link fails where to exists. Where the file system has no hard links
// (FAT), what is left is to look first.
func renameByLink(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil:
		return os.Remove(from)
	case errors.Is(err, os.ErrExist):
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: os.ErrExist}
	}
	return os.Rename(from, to)
}

// SyncDir makes a rename last. Some file systems cannot sync a directory and say so with EINVAL or ENOTSUP. A directory that may be
// written to and not read cannot be opened: there everything is synced.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrPermission) {
		unix.Sync()
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// writable fails where no file can be made in dir.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

// DiskFull reports whether an error says that there is no space left.
func DiskFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }
