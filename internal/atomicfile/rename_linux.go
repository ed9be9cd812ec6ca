// This file renames without replacing, in one step (Linux).

package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	switch {
	case err == nil:
		return nil
	case err == unix.EINVAL || errors.Is(err, errors.ErrUnsupported):
		return renameByLink(from, to) // not every file system knows the flag
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}
