// Waiting: what opens a file may have to ask a key service, an agent, a plugin, a command or a person, and few of them can be told
// to stop.
package secrets

import (
	"context"
	"fmt"

	"golang.org/x/term"
)

// await does the work and gives its result, or ctx's error as soon as that ends. The work is left to itself then: it holds
// nothing that must be put in order, and the process is about to end.
func await[T any](ctx context.Context, path string, work func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	restore := rememberTerminal()
	go func() {
		var r result
		defer func() { done <- r }()
		defer recovered(path, &r.err)
		r.value, r.err = work()
	}()
	select {
	case r := <-done:
		// What gave up because ctx ended says that no identity fits, which may not be so.
		if err := ctx.Err(); r.err != nil && err != nil {
			return none, fmt.Errorf("%s: %w", path, err)
		}
		return r.value, r.err
	case <-ctx.Done():
		restore()
		return none, fmt.Errorf("%s: %w", path, ctx.Err())
	}
}

// rememberTerminal returns what puts the terminal back as it is now: a question for a passphrase that is left behind has
// switched its echo off.
func rememberTerminal() (restore func()) {
	tty, err := openTerminal()
	if err != nil {
		return func() {}
	}
	defer tty.Close()
	state, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return func() {}
	}
	return func() {
		tty, err := openTerminal()
		if err != nil {
			return
		}
		defer tty.Close()
		_ = term.Restore(int(tty.Fd()), state) // there is nobody to tell
	}
}
