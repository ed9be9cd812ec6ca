// Package procgroup runs another program so that it, and whatever it starts, can be stopped.
package procgroup

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"runtime"
	"time"
)

// Run runs cmd, which exec.CommandContext made with ctx, as the leader of a group of processes. When ctx ends, the group is interrupted, and
// killed if it has not ended within grace. On Linux it is interrupted too when we are killed and cannot do it ourselves.
func Run(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	// A signal for the parent's death is bound to the thread that forked, so this thread must not end before the program does.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := run(ctx, cmd, grace)
	// A helper that outlives the program and holds its outputs (ssh's ControlPersist does) is no failure of it.
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil && cmd.ProcessState.Success() {
		return nil
	}
	return err
}

// Output keeps the first bytes that are written to it, and remembers whether there were more.
type Output struct {
	kept       bytes.Buffer
	limit      int
	overflowed bool
}

// NewOutput returns one that keeps at most limit bytes.
func NewOutput(limit int) *Output { return &Output{limit: limit} }

func (o *Output) Write(p []byte) (int, error) {
	room := o.limit - o.kept.Len()
	if len(p) > room {
		o.overflowed = true
	}
	o.kept.Write(p[:min(len(p), room)])
	return len(p), nil
}

// Bytes are those that were kept.
func (o *Output) Bytes() []byte { return o.kept.Bytes() }

// Overflowed says whether there were more.
func (o *Output) Overflowed() bool { return o.overflowed }
