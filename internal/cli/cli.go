// Package cli holds what both programs share at their edges: exit codes, the form of an error on standard error, and signals.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"boringboot/internal/show"
)

// Exit codes of both programs.
const (
	ExitOK       = 0 // done and verified
	ExitFindings = 1 // the image is wrong: verification failed, findings
	ExitFailure  = 2 // it could not be done or could not be judged: usage, input, I/O, unsupported
)

// Error is an error that knows the exit code it stands for and, where there is something the user can do, says it.
type Error struct {
	Err    error
	Advice string // what Hint returns; empty: nothing
	Code   int    // 0 means ExitFailure
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what the user can do about the error. Any error in a chain may have such a method: the outermost is shown.
func (e *Error) Hint() string { return e.Advice }

// WithHint attaches to err what the user can do about it. It returns nil for a nil err.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Advice: fmt.Sprintf(format, args...), Code: Code(err)}
}

// Findings marks err as "the image is wrong" rather than "it could not be judged".
func Findings(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Advice: hint(err), Code: ExitFindings}
}

// Code returns the exit code that err stands for.
func Code(err error) int {
	if err == nil {
		return ExitOK
	}
	var e *Error
	if errors.As(err, &e) && e.Code != 0 {
		return e.Code
	}
	return ExitFailure
}

func hint(err error) string {
	var e interface {
		error
		Hint() string
	}
	if errors.As(err, &e) {
		return e.Hint()
	}
	return ""
}

// Report writes err as one line "program: what failed: why" and, where err has a hint, a second line "hint: what to do".
// Line breaks and other control characters inside the texts are made visible, so that an error is one line whatever it quotes.
func Report(w io.Writer, program string, err error) {
	fmt.Fprintf(w, "%s: %s\n", program, oneLine(err.Error()))
	if h := hint(err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", oneLine(h))
	}
}

// oneLine makes line breaks and tabs spaces, and what is left of control characters visible.
func oneLine(s string) string {
	s = strings.TrimRight(s, "\r\n")
	return show.Printable(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(s))
}

// gcPercent lets the heap grow to 16 MiB before it is collected for the first time, rather than to 4: the common job, three files into an image,
// then ends without a collection, which takes 2 of its 13 ms. What the programs hold at once is small, so five times that is too.
const gcPercent = 400

// Main runs a program: run gets a context that a signal to end cancels, its error is reported on standard error, and the
// process exits with the code the error stands for.
func Main(program string, run func(ctx context.Context) error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := notify()
	err := run(ctx)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = &Error{Err: errors.New(strings.Replace(err.Error(), context.Canceled.Error(), "interrupted", 1)), Code: ExitFailure}
		}
		Report(os.Stderr, program, err)
	}
	stop()
	os.Exit(Code(err))
}
