// This file asks Linux for an image of one's own: nobody else may have a device open for themselves, and no loop device may stand on a file.

package diskimage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"boringboot/internal/atomicfile"
)

// openToWrite opens an image for reading and writing. A block device that is mounted, or that something else claims (LVM, RAID, a
// loop device), is not opened: open(2) says so of O_EXCL without O_CREAT.
func openToWrite(path string, device bool) (*os.File, error) {
	flags := os.O_RDWR
	if device {
		flags |= unix.O_EXCL
	}
	f, err := os.OpenFile(path, flags, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%s is %w: it is mounted, or something else claims it", path, ErrBusy)
	case device && errors.Is(err, unix.EROFS):
		return nil, fmt.Errorf("%s cannot be written to: %w (is it write-protected?)", path, atomicfile.Pathless(err))
	}
	return f, err
}

// loopDevice names a loop device that a file is the medium of, or returns "".
func loopDevice(info fs.FileInfo) string {
	if !info.Mode().IsRegular() {
		return ""
	}
	// No filepath.Glob: it would list each device's directory, and there are many on some machines.
	const devices = "/sys/block"
	dir, err := os.Open(devices)
	if err != nil {
		return "" // without sysfs nobody knows
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if !strings.HasPrefix(name, "loop") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(devices, name, "loop", "backing_file"))
		if err != nil {
			continue // it has no medium
		}
		medium, err := os.Stat(strings.TrimSuffix(string(text), "\n"))
		if err == nil && os.SameFile(medium, info) {
			return "/dev/" + name
		}
	}
	return ""
}

// forget drops what the system has cached of a device. What was written must be synced: only then it goes.
func forget(f *os.File) error {
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return &os.PathError{Op: "fadvise", Path: f.Name(), Err: err}
	}
	return nil
}
