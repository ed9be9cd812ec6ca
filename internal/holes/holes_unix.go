//go:build linux || darwin

// This file finds the holes of a file, with lseek.

package holes

import (
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// NextData returns where the first data at or after off starts and ends, in bytes; both are size where there are none. A file system
// without holes reports all as data.
func NextData(f *os.File, off, size int64) (start, end int64, err error) {
	start, err = unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if err == unix.ENXIO {
		return size, size, nil
	}
	if err != nil {
		return off, size, nil // not known here: all is data, and zeros are found by reading
	}
	end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
	if err != nil {
		return start, size, nil
	}
	start, end = min(start, size), min(end, size)
	if start < off || end <= start && start < size {
		return off, size, nil
	}
	_, err = f.Seek(0, io.SeekStart)
	return start, end, err
}

// May tells whether a file may have holes: it takes less space than it has bytes.
func May(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || st.Blocks*512 < info.Size() // st_blocks counts 512 bytes everywhere
}
