// This file renames without replacing, in one step (macOS).

package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func renameNew(from, to string) error {
	err := unix.RenamexNp(from, to, unix.RENAME_EXCL)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return renameByLink(from, to) // not every file system knows the flag
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}
