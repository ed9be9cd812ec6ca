//go:build unix

package manifest

import (
	"fmt"
	"os"
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

func TestFilesAreNotKeptOpen(t *testing.T) {
	open := func() int {
		t.Helper()
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var items []string
	for i := range 100 {
		items = append(items, fmt.Sprintf("{ path: /%d, from: { file: x } }", i))
	}
	m := parse(t, items...)
	before := open()
	r, err := m.Resolve(t.Context(), Sources{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if after := open(); after > before+50 {
		t.Errorf("%d files are open with %d entries, %d were before", after, len(r.Entries), before)
	}
}
