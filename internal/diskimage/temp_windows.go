// This file removes and renames files on Windows, where that needs them to be closed.

package diskimage

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// removeOpen closes and deletes the file. In between another run may take it for a stale one and delete it, which is no harm.
func removeOpen(f *os.File, path string) error {
	closeErr := f.Close()
	if path == "" {
		return closeErr
	}
	return errors.Join(closeErr, os.Remove(path))
}

// unname does nothing: a file without a name does not exist here.
func (t *temp) unname() error { return nil }

// renameOpen closes and renames the file. Should another run delete it in between, as a stale one, the rename fails and the
// destination is as it was.
func renameOpen(f *os.File, from, to string, force bool) error {
	if err := f.Close(); err != nil {
		return err
	}
	src, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	dst, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	var flags uint32 = windows.MOVEFILE_WRITE_THROUGH
	if force {
		flags |= windows.MOVEFILE_REPLACE_EXISTING
	}
	if err := windows.MoveFileEx(src, dst, flags); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// syncDir does nothing: MOVEFILE_WRITE_THROUGH waits for the disk.
func syncDir(string) error { return nil }
