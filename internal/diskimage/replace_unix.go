//go:build !windows

// This file gives a copy the owner and the mode of the file that it replaces.

package diskimage

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"boringboot/internal/atomicfile"
	"boringboot/internal/filemode"
)

// closeBeforeRename: a file that is open can be replaced here.
const closeBeforeRename = false

// links is how many names a file has.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// keepAttributes gives to what was from's: owner first, as a change of owner takes setuid and setgid away, the mode last.
func keepAttributes(to, from *os.File, info fs.FileInfo) error {
	now, err := to.Stat()
	if err != nil {
		return err
	}
	was, ok := info.Sys().(*syscall.Stat_t)
	is, ok2 := now.Sys().(*syscall.Stat_t)
	if ok && ok2 && (was.Uid != is.Uid || was.Gid != is.Gid) {
		if err := to.Chown(int(was.Uid), int(was.Gid)); err != nil {
			return fmt.Errorf("%s: the changed copy cannot belong to %d:%d as the image does: %w", from.Name(), was.Uid, was.Gid, atomicfile.Pathless(err))
		}
	}
	if err := copyXattrs(to, from); err != nil {
		return err
	}
	if mode := info.Mode() & filemode.Permissions; now.Mode()&filemode.Permissions != mode {
		return to.Chmod(mode)
	}
	return nil
}
