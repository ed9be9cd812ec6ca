package needed

// This file tests what counts as a file that the run needs.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatARunNeedsIsNotWrittenOver(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	image, other := file("image"), file("other")
	for _, name := range []string{"HOME", "USERPROFILE"} {
		t.Setenv(name, dir)
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "AppData"} {
		t.Setenv(name, filepath.Join(dir, "config"))
	}
	t.Setenv("SOPS_AGE_KEY_FILE", file("age.txt"))
	t.Setenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE", filepath.Join(dir, "not-there"))
	if err := os.Link(image, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	const needs, keys = "that the run itself needs", "that private keys are looked for in"
	for _, tt := range []struct{ name, path, says string }{
		{"the file itself", image, needs},
		{"the file by a longer way", filepath.Join(dir, ".") + "/config/../image", needs},
		{"another name of it", filepath.Join(dir, "link"), needs},
		{"a file that the run does not need", other, ""},
		{"a file that is not there", filepath.Join(dir, "new"), ""},
		{"the file that a variable names", filepath.Join(dir, "age.txt"), keys},
		{"one that is not there", filepath.Join(dir, "not-there"), keys},
		{"sops' own file", file("config/sops/age/keys.txt"), keys},
		{"an SSH key", file(".ssh/id_ed25519"), keys},
		{"an older SSH key", filepath.Join(dir, ".ssh", "id_rsa"), keys},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Check("--html", tt.path, "", image)
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("%v", err)
			case tt.says != "" && (err == nil || err.Error() != "--html "+tt.path+": this is a file "+tt.says):
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
	t.Setenv("SOPS_AGE_KEY_FILE", "AGE-SECRET-KEY-1")
	if err := Check("--html", other, image); err != nil {
		t.Errorf("a key where a file's name belongs: %v", err)
	}
	if err := Check("--html", image, image); err == nil || strings.Contains(err.Error(), "AGE") {
		t.Errorf("%v", err)
	}
}
