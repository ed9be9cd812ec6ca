package inject

// This file is about SRC:DEST[:MODE[:UID:GID]].

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/filemode"
)

func TestFileSpec(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.WriteFile(src, []byte("hello"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(src, 0o640); err != nil {
		t.Fatal(err)
	}
	type parsed struct {
		Path     string
		Mode     fs.FileMode
		UID, GID uint32
	}
	for _, tt := range []struct {
		name, spec string
		want       parsed
		err        string // part of it; empty: none
	}{
		{"source and destination", src + ":/var/x", parsed{"/var/x", 0o640, 0, 0}, ""},
		{"a mode", src + ":/var/x:0600", parsed{"/var/x", 0o600, 0, 0}, ""},
		{"a mode of three digits", src + ":/var/x:755", parsed{"/var/x", 0o755, 0, 0}, ""},
		{"setuid, setgid and sticky", src + ":/var/x:7711", parsed{"/var/x", 0o711 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky, 0, 0}, ""},
		{"an owner", src + ":/var/x:0600:1000:100", parsed{"/var/x", 0o600, 1000, 100}, ""},
		{"the largest owner", src + ":/var/x:0600:4294967294:4294967294", parsed{"/var/x", 0o600, 4294967294, 4294967294}, ""},
		{"nothing", "", parsed{}, "missing"},
		{"no destination", src, parsed{}, "missing"},
		{"an empty destination", src + ":", parsed{}, "missing"},
		{"an empty source", ":/var/x", parsed{}, "missing"},
		{"a user without a group", src + ":/var/x:0600:1000", parsed{}, "together"},
		{"too many fields", src + ":/var/x:0600:1:2:3", parsed{}, "too many"},
		{"a mode that is not octal", src + ":/var/x:0800", parsed{}, "octal"},
		{"a mode beyond 7777", src + ":/var/x:10000", parsed{}, "octal"},
		{"an empty mode", src + ":/var/x:", parsed{}, "octal"},
		{"a negative mode", src + ":/var/x:-1", parsed{}, "octal"},
		{"a user by name", src + ":/var/x:0600:root:root", parsed{}, "numeric"},
		{"the user that means none", src + ":/var/x:0600:4294967295:0", parsed{}, "numeric"},
		{"a user beyond 32 bits", src + ":/var/x:0600:4294967296:0", parsed{}, "numeric"},
		{"a relative destination", src + ":var/x", parsed{}, "absolute"},
		{"a source that is not there", dir + "/nope:/var/x", parsed{}, "no such file"},
		{"a source that is a directory", dir + ":/var/x", parsed{}, "directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := FileSpec(tt.spec)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, parsed{e.Path, e.Mode, e.UID, e.GID}); diff != "" {
				t.Error(diff)
			}
			b := make([]byte, e.Content.Size())
			if _, err := e.Content.ReadAt(b, 0); err != nil || string(b) != "hello" {
				t.Errorf("content %q, %v", b, err)
			}
		})
	}
}

func FuzzFileSpec(f *testing.F) {
	for _, s := range []string{"a:/b", "a:/b:0600:1:2", "C:\\a:/b", ":::::", "a:/b:\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if e, err := FileSpec(spec); err == nil && (e.Path == "" || e.Path[0] != '/' || e.Mode&^filemode.Permissions != 0) {
			t.Errorf("%q became %+v", spec, e)
		}
	})
}
