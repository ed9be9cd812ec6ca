// Windows has no process groups to signal: the process is killed.

package procgroup

import (
	"context"
	"os/exec"
	"time"
)

func run(_ context.Context, cmd *exec.Cmd, grace time.Duration) error {
	cmd.WaitDelay = grace
	return cmd.Run()
}
