// This file locks files against a second run, with LockFileEx: the lock ends with the process, however that ends.

package atomicfile

import (
	"os"

	"golang.org/x/sys/windows"
)

// Windows' locks are mandatory for the bytes they cover. One byte far beyond any image's end makes the lock advisory.
const lockOffsetHigh = 0x7fffffff

// Lock locks f, for this run alone or together with others that only read, or fails with ErrInUse.
func Lock(f *os.File, exclusive bool) error {
	var flags uint32 = windows.LOCKFILE_FAIL_IMMEDIATELY
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockOffsetHigh})
	switch err {
	case nil:
		return nil
	case windows.ERROR_LOCK_VIOLATION, windows.ERROR_IO_PENDING:
		return ErrInUse
	}
	return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
}
