// This file copies a file's extended attributes: those that its user has set, and its access control list.

package diskimage

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// copyXattrs copies user.* and system.posix_acl_access. What else there is (security.*) the system itself gives a new file.
func copyXattrs(to, from *os.File) error {
	names, err := attributes(func(b []byte) (int, error) { return unix.Flistxattr(int(from.Fd()), b) })
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: list its extended attributes: %w", from.Name(), err)
	}
	for name := range strings.SplitSeq(string(names), "\x00") {
		if !strings.HasPrefix(name, "user.") && name != "system.posix_acl_access" {
			continue
		}
		value, err := attributes(func(b []byte) (int, error) { return unix.Fgetxattr(int(from.Fd()), name, b) })
		if err == nil {
			err = unix.Fsetxattr(int(to.Fd()), name, value, 0)
		}
		if err != nil {
			return fmt.Errorf("%s: the changed copy cannot have its extended attribute %s: %w", from.Name(), name, err)
		}
	}
	return nil
}

// attributes calls get with a buffer that is large enough.
func attributes(get func([]byte) (int, error)) ([]byte, error) {
	const most = 64 << 10 // XATTR_LIST_MAX, XATTR_SIZE_MAX (linux/limits.h)
	buf := make([]byte, most)
	n, err := get(buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}
