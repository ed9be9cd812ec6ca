//go:build unix

package cli

// This file names Unix's signals whose default is to end a program.

import (
	"os"
	"syscall"
)

var moreSignals = []os.Signal{
	syscall.SIGHUP,  // the terminal was closed, the connection was lost
	syscall.SIGQUIT, // Ctrl-\
	syscall.SIGXCPU, // ulimit -t
	syscall.SIGABRT, // a watchdog
	syscall.SIGALRM, syscall.SIGUSR1, syscall.SIGUSR2,
}

var brokenPipe os.Signal = syscall.SIGPIPE
