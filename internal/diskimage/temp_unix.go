//go:build !windows

// This file removes and syncs files by name where a file may be open meanwhile.

package diskimage

import (
	"errors"
	"os"
	"syscall"
)

// removeOpen deletes the file while it is locked, so that no other run takes it for a stale one in between.
func removeOpen(f *os.File, path string) error {
	var err error
	if path != "" {
		err = os.Remove(path)
	}
	return errors.Join(err, f.Close())
}

// unname takes the file's name away: it lives as long as it is open.
func (t *temp) unname() error {
	if err := os.Remove(t.path); err != nil {
		return err
	}
	t.path = ""
	return nil
}

// renameOpen renames the file while it is locked.
func renameOpen(_ *os.File, from, to string, force bool) error {
	if force {
		return os.Rename(from, to)
	}
	return renameNew(from, to)
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

// syncDir makes a rename last. Some file systems cannot sync a directory and say so with EINVAL or ENOTSUP.
func syncDir(dir string) error {
	d, err := os.Open(dir)
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
