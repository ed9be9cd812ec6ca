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

	"github.com/spf13/cobra"

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

func TestAPartitionIsANumber(t *testing.T) {
	for text, says := range map[string]string{
		"2":                    "",
		"x":                    `invalid argument "x" for "--partition" flag: it is not a number`,
		"1.5":                  `invalid argument "1.5" for "--partition" flag: it is not a number`,
		"99999999999999999999": `invalid argument "99999999999999999999" for "--partition" flag: no disk has so many`,
		"0":                    "--partition 0: partitions are numbered from 1",
		"-1":                   "--partition -1: partitions are numbered from 1",
	} {
		var root Root
		cmd := &cobra.Command{Use: "p"}
		root.Register(cmd)
		err := cmd.ParseFlags([]string{"--partition", text})
		if err == nil {
			err = root.Check(cmd)
		}
		if err == nil && (says != "" || root.Number != 2) || err != nil && err.Error() != says {
			t.Errorf("--partition %s: %d, %v; want %q", text, root.Number, err, says)
		}
	}
}
