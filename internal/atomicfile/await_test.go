package atomicfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestALockIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second := open(), open()
	if err := Lock(first, true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := Await(ctx, second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is locked: %v", err)
	}
	released := time.AfterFunc(50*time.Millisecond, func() { first.Close() })
	defer released.Stop()
	if err := Await(t.Context(), second); err != nil {
		t.Errorf("once it is free: %v", err)
	}
	if err := Lock(open(), true); !errors.Is(err, ErrInUse) {
		t.Errorf("it is not locked: %v", err)
	}
}
