// This file removes and renames files on Windows, where that needs them to be closed.

package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// remove closes and deletes the file. In between another run may take it for a stale one and delete it, which is no harm.
func (t *Temp) remove() error { return errors.Join(t.close(), t.unlink()) }

// unname does nothing: a file without a name does not exist here.
func (t *Temp) unname() error { return nil }

// rename closes and renames the file. Should another run delete it in between, as a stale one, the rename fails and the
// destination is as it was.
func (t *Temp) rename(target string, force bool) error {
	if err := t.close(); err != nil {
		return err
	}
	src, err := windows.UTF16PtrFromString(t.Path)
	if err != nil {
		return err
	}
	dst, err := windows.UTF16PtrFromString(target)
	if err != nil {
		return err
	}
	var flags uint32 = windows.MOVEFILE_WRITE_THROUGH
	if force {
		flags |= windows.MOVEFILE_REPLACE_EXISTING
	}
	if err := windows.MoveFileEx(src, dst, flags); err != nil {
		return &os.LinkError{Op: "rename", Old: t.Path, New: target, Err: err}
	}
	t.Path = ""
	return nil
}

// SyncDir does nothing: MOVEFILE_WRITE_THROUGH waits for the disk.
func SyncDir(string) error { return nil }

// writable says nothing: who may write is told by access control lists, and by trying.
func writable(string) error { return nil }

// DiskFull reports whether an error says that there is no space left.
func DiskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
