// Windows has no nix of its own and no process groups to signal: the process is killed.

package nixbuild

import (
	"context"
	"os/exec"
	"time"
)

func runGroup(_ context.Context, cmd *exec.Cmd, grace time.Duration) error {
	cmd.WaitDelay = grace
	return cmd.Run()
}
