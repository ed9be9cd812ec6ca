//go:build !windows

package atomicfile

import "syscall"

func setUmask(mask int) int { return syscall.Umask(mask) }
