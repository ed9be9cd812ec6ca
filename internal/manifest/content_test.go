package manifest

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAFileIsReadAsLongAsItStaysWhatItWas(t *testing.T) {
	tests := []struct {
		name   string
		change func(path string) error
		says   string // empty: it is read
	}{
		{"it stays", func(string) error { return nil }, ""},
		{"its mode changes", func(path string) error { return os.Chmod(path, 0o400) }, ""},
		{"it grows", func(path string) error { return os.WriteFile(path, []byte("before and after"), 0o600) }, "changed"},
		{"it is written again, of the same length", func(path string) error { return os.WriteFile(path, []byte("beyond"), 0o600) }, "changed"},
		{"another takes its place, of the same length and age", func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+"2", []byte("beyond"), 0o600); err != nil {
				return err
			}
			if err := os.Chtimes(path+"2", info.ModTime(), info.ModTime()); err != nil {
				return err
			}
			return os.Rename(path+"2", path)
		}, "changed"},
		{"it goes", os.Remove, "f"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			// File systems count time in steps.
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
			c, err := OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.change(path); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
			if tt.says == "" {
				if diff := cmp.Diff("before", string(b)); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				return
			}
			if err == nil || len(b) > 0 || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
}

func TestAReadPastTheEndIsShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if n, err := c.ReadAt(b, 2); n != 2 || err != io.EOF || string(b[:n]) != "xt" || c.Size() != 4 {
		t.Errorf("got %q, %v", b[:n], err)
	}
}
