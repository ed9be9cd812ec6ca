//go:build !windows

// The terminal that a person is asked at.
package secrets

import (
	"os"
	"syscall"
)

func openTerminal() (*os.File, error) {
	return os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
}
