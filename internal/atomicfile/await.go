// This file waits for a lock that another run has.

package atomicfile

import (
	"context"
	"errors"
	"os"
	"time"
)

const (
	// awaitLimit is how long a lock is waited for: a run that appends a line to a small file has it for milliseconds.
	awaitLimit = 10 * time.Second
	awaitStep  = 5 * time.Millisecond
)

// Await locks f for this run alone, and waits for others that have it: until ctx ends or, with ErrInUse, for ten seconds.
func Await(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(awaitStep)
	defer tick.Stop()
	for end := time.Now().Add(awaitLimit); ; {
		err := Lock(f, true)
		if !errors.Is(err, ErrInUse) || time.Now().After(end) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
