// Package needed keeps a run from writing over the files that it needs: what it reads, and where private keys are looked for.
package needed

import (
	"fmt"
	"os"
	"path/filepath"

	"boringboot/internal/secrets"
)

// Check fails where the file path, which what (an option) asks to be written, is one of files or one that a private key is looked for
// in. Files are told by what they are and not by their names; empty names are passed over.
func Check(what, path string, files ...string) error {
	for _, file := range files {
		if Same(path, file) {
			return fmt.Errorf("%s %s: this is a file that the run itself needs", what, path)
		}
	}
	for _, file := range secrets.IdentityFiles() {
		if Same(path, file) {
			return fmt.Errorf("%s %s: this is a file that private keys are looked for in", what, path)
		}
	}
	return nil
}

// Same reports whether two paths name one file, which need not exist. An empty path names none.
func Same(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	there, err := os.Stat(a)
	too, err2 := os.Stat(b)
	if err == nil || err2 == nil {
		return err == nil && err2 == nil && os.SameFile(there, too)
	}
	dir, err := os.Stat(filepath.Dir(a))
	dir2, err2 := os.Stat(filepath.Dir(b))
	return err == nil && err2 == nil && os.SameFile(dir, dir2) && filepath.Base(a) == filepath.Base(b)
}
