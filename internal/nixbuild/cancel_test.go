// How a build ends when it is cancelled: nix, and what nix has started, are gone.

//go:build unix

package nixbuild

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gone waits until the process whose number is in file has ended.
func gone(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || isZombie(pid) {
			return true
		}
	}
	return false
}

// isZombie: an orphan that has ended stays a zombie where the machine's first process does not reap.
func isZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func waitFor(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil && strings.HasSuffix(string(b), "\n") {
			return
		}
	}
	t.Fatalf("%s was not written", file)
}

func TestCancelEndsNixAndWhatItStarted(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		interrupted  bool // nix hears the interrupt and ends by itself
	}{
		{"nix obeys", `trap 'echo yes > DIR/interrupted; exit 1' INT; sleep 60 & echo $! > DIR/child; echo $$ > DIR/nix; wait`, true},
		{"nix is deaf", `trap '' INT TERM; sleep 60 & echo $! > DIR/child; echo $$ > DIR/nix; i=0; while [ $i -lt 400 ]; do sleep 0.05; i=$((i + 1)); done`, false},
		{"nix obeys, its child is deaf and holds standard error",
			`(trap '' INT; exec sleep 60) & echo $! > DIR/child; trap 'echo yes > DIR/interrupted; exit 1' INT; echo $$ > DIR/nix; wait`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			nix, _ := fakeNix(t, strings.ReplaceAll(tc.script, "DIR", dir))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := build(ctx, Options{Host: "bastet", Nix: nix, Stderr: new(strings.Builder)}, 500*time.Millisecond)
				done <- err
			}()
			waitFor(t, filepath.Join(dir, "child"))
			waitFor(t, filepath.Join(dir, "nix"))
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got the error %v, want %v", err, context.Canceled)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the build goes on")
			}
			if !gone(t, filepath.Join(dir, "nix")) {
				t.Error("nix goes on")
			}
			if !gone(t, filepath.Join(dir, "child")) {
				t.Error("what nix started goes on")
			}
			_, err := os.Stat(filepath.Join(dir, "interrupted"))
			if got := err == nil; got != tc.interrupted {
				t.Errorf("nix was interrupted: got %v, want %v", got, tc.interrupted)
			}
		})
	}
}

func TestAHelperThatOutlivesNixDoesNotFailTheBuild(t *testing.T) {
	dir := t.TempDir()
	nix, out := fakeNix(t, `mkdir -p $out/sd-image; touch $out/sd-image/x.img; sleep 60 & echo $! > `+dir+`/child; `+answerOut)
	got, err := build(t.Context(), Options{Host: "bastet", Nix: nix}, 500*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(out, "sd-image", "x.img"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}
