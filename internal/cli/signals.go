package cli

// This file turns the signals that would end a program into the end of a context, so that what it has begun can be taken back: an image in the making
// holds a private key.

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// notify returns a context that ends with the first signal that asks the program to end. A second one from the keyboard, or SIGTERM, ends the
// program at once. A signal that the program was started to ignore, as nohup and a shell's & do it, stays ignored.
//
// A pipe that nobody reads any more is no such signal: to write to it is an error then, and only what is written to it is lost.
func notify() (ctx context.Context, stop context.CancelFunc) {
	ending := slices.DeleteFunc(append([]os.Signal{os.Interrupt, syscall.SIGTERM}, moreSignals...), signal.Ignored)
	ctx, stop = signal.NotifyContext(context.Background(), ending...)
	// Not all of them: a terminal that is closed sends SIGHUP twice, once by itself and once by its shell.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT) })
	if brokenPipe != nil {
		signal.Notify(make(chan os.Signal, 1), brokenPipe) // not signal.Ignore: that would reach the programs that we start
	}
	return ctx, stop
}
