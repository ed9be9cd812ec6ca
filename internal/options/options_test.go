package options

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"boringboot/internal/manifest"
)

const text = "version: 1\nfiles:\n  - { path: /x, from: { file: ./x } }\n"

func TestAManifestIsReadWithTheDirectoryItsPathsStartFrom(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "m.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, from, err := Manifest{File: file}.Load(t.Context())
	if err != nil || from != dir || len(m.Files) != 1 {
		t.Errorf("%+v, %q, %v", m, from, err)
	}
	if m, from, err := (Manifest{}).Load(t.Context()); err != nil || from != "" || len(m.Files) != len(manifest.Default().Files) {
		t.Errorf("the default: %+v, %q, %v", m, from, err)
	}
}

func TestWhatIsNoManifestIsNamed(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct{ name, file, says string }{
		{"a file that is not there", filepath.Join(dir, "nowhere"), "no such file"},
		{"a directory", dir, "directory"},
		{"something large", put("large", strings.Repeat("#\n", 1<<20)), "larger than 1.0 MiB: not a manifest"},
		{"something else", put("other", "x: y\n"), "version"},
	} {
		if runtime.GOOS == "windows" && tt.name != "something large" {
			continue // the system's own words are others
		}
		_, _, err := Manifest{File: tt.file}.Load(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tt.file) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

// A pipe that nobody writes to is waited for until the user has enough of it.
func TestAPipeIsReadUntilTheContextEnds(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := exec.Command("mkfifo", fifo).Run(); err != nil {
		t.Skip("needs mkfifo:", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := (Manifest{File: fifo}).Load(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), fifo) {
		t.Errorf("nobody writes: %v", err)
	}
	go func() { // also lets the reader of before end
		os.WriteFile(fifo, []byte(text), 0)
	}()
	other := fifo + "2"
	if err := exec.Command("mkfifo", other).Run(); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(other, []byte(text), 0)
	if m, _, err := (Manifest{File: other}).Load(t.Context()); err != nil || len(m.Files) != 1 {
		t.Errorf("somebody writes: %+v, %v", m, err)
	}
}
