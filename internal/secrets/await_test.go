package secrets

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

// endsWithItsContext has open wait, cancels it and wants its error at once. waiting is closed, or is sent to, once it waits.
func endsWithItsContext(t *testing.T, path string, waiting <-chan struct{}, open func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- open(ctx) }()
	select {
	case <-waiting:
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("it asks nobody")
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want one that is context.Canceled and names %s", err, path)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on after its context has ended")
	}
}

func open(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := Open(ctx, path)
		return err
	}
}

// The command that gives the identity cannot be told to stop, so it is left behind.
func TestAnIdentityCommandThatHangsIsNotWaitedForAfterTheContext(t *testing.T) {
	testimage.Require(t, "cat", "mkfifo")
	recipient := identity(t)
	sopsFile := encrypted(t, "s.yaml", "k: v\n", recipient)
	for name, openFile := range map[string]func(path string) (string, func(context.Context) error){
		"a SOPS file": func(string) (string, func(context.Context) error) { return sopsFile, open(sopsFile) },
		"an age file": func(dir string) (string, func(context.Context) error) {
			path := filepath.Join(dir, "x.age")
			run(t, "v", "age", "--encrypt", "--recipient", recipient, "--output", path)
			return path, func(ctx context.Context) error {
				_, err := DecryptAge(ctx, path)
				return err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			dir := t.TempDir()
			path, openIt := openFile(dir)
			pipe := filepath.Join(dir, "pipe")
			if out, err := exec.Command("mkfifo", pipe).CombinedOutput(); err != nil {
				t.Fatalf("mkfifo: %v\n%s", err, out)
			}
			setenv(t, "SOPS_AGE_KEY_CMD", "cat '"+pipe+"'")
			waiting := make(chan struct{})
			end := make(chan struct{})
			go func() {
				w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // opens when cat does
				if err != nil {
					return
				}
				close(waiting)
				<-end
				w.Close()
			}()
			defer close(end)
			endsWithItsContext(t, path, waiting, openIt)
		})
	}
}

func TestNothingIsOpenedAfterTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := encrypted(t, "s.yaml", "k: v\n", identity(t))
	if f, err := Open(ctx, path); !errors.Is(err, context.Canceled) || f != nil {
		t.Errorf("Open: %v", err)
	}
	if b, err := DecryptAge(ctx, path); !errors.Is(err, context.Canceled) || b != nil {
		t.Errorf("DecryptAge: %v", err)
	}
}
