//go:build !windows

package diskimage

import "syscall"

func setUmask(mask int) int { return syscall.Umask(mask) }
