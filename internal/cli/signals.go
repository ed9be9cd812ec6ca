package cli

// This file turns the signals that would end a program into the end of a context, so that what it has begun can be taken back: an image in the making
// holds a private key.

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// patience is how long a signal that is repeated is taken for the same one: timeout(1) sends each twice, to the program and to its group; a
// terminal that is closed and its shell send one SIGHUP each.
const patience = time.Second

// notify returns a context that ends with the first signal that asks the program to end. One from the keyboard, or SIGTERM, that comes later
// ends the program at once. SIGHUP and SIGINT stay ignored where the program was started to ignore them, as by nohup.
//
// A pipe that nobody reads any more is no such signal: to write to it is an error then, and only what is written to it is lost.
func notify() (ctx context.Context, stop context.CancelFunc) {
	ending := slices.DeleteFunc(append([]os.Signal{os.Interrupt, syscall.SIGTERM}, moreSignals...), signal.Ignored)
	ctx, stop = signal.NotifyContext(context.Background(), ending...)
	context.AfterFunc(ctx, func() {
		time.AfterFunc(patience, func() { signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT) })
	})
	if brokenPipe != nil {
		signal.Notify(make(chan os.Signal, 1), brokenPipe) // not signal.Ignore: that would reach the programs that we start
	}
	return ctx, stop
}
