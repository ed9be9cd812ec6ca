//go:build unix

// A process group of its own, so that whatever the program starts can be stopped with it.

package procgroup

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// run makes cmd the leader of a new session rather than only of a new group: a background group that asks its terminal for a passphrase
// is stopped and would never end; without a terminal it fails.
func run(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	dieWithParent(cmd.SysProcAttr)
	cmd.WaitDelay = grace // then the leader is killed, and Wait waits no longer for those who hold its outputs
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // those who ignored the interrupt; most often there are none
	}
	return err
}
