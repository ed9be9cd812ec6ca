// This file makes files sparse on Windows, where they are not by themselves.

package diskimage

import (
	"os"

	"golang.org/x/sys/windows"
)

// makeSparse lets f have holes. Where the file system has none (FAT) zeros are stored: the bytes are the same, so the error
// is of no consequence.
func makeSparse(f *os.File) {
	var returned uint32
	_ = windows.DeviceIoControl(windows.Handle(f.Fd()), windows.FSCTL_SET_SPARSE, nil, 0, nil, 0, &returned, nil)
}
