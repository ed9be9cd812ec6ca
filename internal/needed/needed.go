// Package needed keeps a run from writing over the files that it needs: what it reads, and where private keys are looked for.
package needed

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	sopsage "github.com/getsops/sops/v3/age"
)

// Check fails where the file path, which what (an option) asks to be written, is one of files or one that a private key is looked for
// in. Files are told by what they are and not by their names; empty names are passed over.
func Check(what, path string, files ...string) error {
	for _, file := range files {
		if same(path, file) {
			return fmt.Errorf("%s %s: this is a file that the run itself needs", what, path)
		}
	}
	for _, file := range identities() {
		if same(path, file) {
			return fmt.Errorf("%s %s: this is a file that private keys are looked for in", what, path)
		}
	}
	return nil
}

// identities are the files that age identities are looked for in (package secrets says in what order), whether they are there or not.
func identities() []string {
	files := []string{os.Getenv(sopsage.SopsAgeKeyFileEnv), os.Getenv(sopsage.SopsAgeSshPrivateKeyFileEnv)}
	if home, err := os.UserHomeDir(); err == nil && home != "" {
		files = append(files, filepath.Join(home, ".ssh", "id_ed25519"), filepath.Join(home, ".ssh", "id_rsa"))
	}
	dir, err := os.UserConfigDir()
	if xdg := os.Getenv("XDG_CONFIG_HOME"); runtime.GOOS == "darwin" && xdg != "" {
		dir, err = xdg, nil
	}
	if err == nil && dir != "" {
		files = append(files, filepath.Join(dir, filepath.FromSlash(sopsage.SopsAgeKeyUserConfigPath)))
	}
	return files
}

// same says whether two paths name one file, which need not be there.
func same(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	ia, erra := os.Stat(a)
	ib, errb := os.Stat(b)
	if erra == nil && errb == nil {
		return os.SameFile(ia, ib)
	}
	a, erra = filepath.Abs(a)
	b, errb = filepath.Abs(b)
	return erra == nil && errb == nil && a == b
}
