//go:build unix

package manifest

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestAFIFOIsRefusedRatherThanWaitedFor(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := parse(t, "{ path: /f, from: { file: fifo } }").Resolve(t.Context(), Sources{Dir: dir}); err == nil {
		t.Error("a FIFO is accepted")
	}
}
