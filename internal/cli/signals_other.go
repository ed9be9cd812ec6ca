//go:build !unix

package cli

// Elsewhere there are no more: Windows' console events arrive as os.Interrupt and SIGTERM.

import "os"

var (
	moreSignals []os.Signal
	brokenPipe  os.Signal
)
