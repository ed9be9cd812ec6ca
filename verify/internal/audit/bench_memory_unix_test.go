//go:build unix

package audit_test

import (
	"os"
	"runtime"
	"syscall"
)

// maxMemory is the most memory that a process had, in bytes; 0 where it is not known.
func maxMemory(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss)
	}
	return int64(usage.Maxrss) << 10 // elsewhere it is in KiB
}
