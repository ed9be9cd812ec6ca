//go:build unix

package main_test

// This file has signals: those that end a run, and those that mean something else: a pipe that nobody reads any more, and those that the program was started to ignore.

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

// TestAPipeThatNobodyReads has the program lose whoever listens to it: the work is done all the same, or nothing stays of it.
func TestAPipeThatNobodyReads(t *testing.T) {
	image := testimage.Compress(t, testimage.NixOSDisk(t, testimage.Options{}), "zst")
	for _, tt := range []struct {
		name           string
		stdout, stderr bool
		code           int
	}{
		{"standard error", false, true, 0},
		{"standard output", true, false, 2}, // what was asked for could not be told
		{"both", true, true, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkplace(t)
			os.Mkdir(w.path("out"), 0o755)
			cmd := w.command("boringboot", "provision", "bastet", "out/", "--image", image)
			var said strings.Builder
			cmd.Stdout, cmd.Stderr = io.Discard, &said
			broken := brokenPipe(t)
			if tt.stdout {
				cmd.Stdout = broken
			}
			if tt.stderr {
				cmd.Stderr = broken
			}
			cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, said.String())
			}
			w.only("out", "bastet.img")
			w.must(0, "verify-image", "out/bastet.img", "--secrets", "secrets/bastet.yaml", "-q")
			if tt.stdout && !tt.stderr && !strings.Contains(said.String(), "broken pipe") {
				t.Error(said.String())
			}
		})
	}
}

// brokenPipe returns the end of a pipe whose other end is closed.
func brokenPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w
}

// TestEachSignalThatEndsARunLetsItCleanUp sends them while an image is being unpacked.
func TestEachSignalThatEndsARunLetsItCleanUp(t *testing.T) {
	image := testimage.Compress(t, testimage.NixOSDisk(t, testimage.Options{StorePaths: 200, Free: 256 << 20}), "xz")
	w := newWorkplace(t)
	os.Mkdir(w.path("out"), 0o755)
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGUSR1,
		syscall.SIGUSR2, syscall.SIGXCPU} {
		cmd := w.command("boringboot", "provision", "bastet", "out/", "--image", image)
		cmd.Stderr = &strings.Builder{}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // until it has begun
			if names, err := os.ReadDir(w.path("out")); err != nil || len(names) > 0 || time.Now().After(deadline) {
				break
			}
		}
		for range 10 { // one that comes before the other was taken is the same one
			cmd.Process.Signal(signal)
			time.Sleep(100 * time.Microsecond)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 2 {
			t.Errorf("%v: exit code %d\n%s", signal, code, cmd.Stderr)
		}
		w.only("out")
	}
}

// TestIgnoredSignalsStayIgnored has a shell start the program as nohup does.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	image := testimage.Compress(t, testimage.NixOSDisk(t, testimage.Options{StorePaths: 200, Free: 256 << 20}), "xz")
	w := newWorkplace(t)
	os.Mkdir(w.path("out"), 0o755)
	cmd := w.command("boringboot", "provision", "bastet", "out/", "--image", image)
	shell := exec.Command("sh", append([]string{"-c", `trap '' HUP; "$@" & sleep 0.1; kill -HUP $!; wait $!`, "sh"}, cmd.Args...)...)
	shell.Dir, shell.Env = cmd.Dir, cmd.Env
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.only("out", "bastet.img")
}
