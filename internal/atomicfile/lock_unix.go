//go:build !windows

// This file locks files against a second run, with flock: the lock ends with the process, however that ends.

package atomicfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Lock locks f, for this run alone or together with others that only read, or fails with ErrInUse. On file systems that
// have no locks (some network and FUSE file systems) it does nothing: refusing to work there would help nobody.
func Lock(f *os.File, exclusive bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EWOULDBLOCK:
			return ErrInUse
		case errors.Is(err, errors.ErrUnsupported) || err == unix.ENOLCK || err == unix.EINVAL:
			return nil
		case err != nil:
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		return nil
	}
}
