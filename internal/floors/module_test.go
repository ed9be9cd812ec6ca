package floors

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The rules, held against the module as `go list` sees it.

// platforms are those that every package must build for without cgo.
var platforms = []string{"linux", "darwin", "windows"}

func TestPackagesImportOnlyFromFloorsBelow(t *testing.T) {
	for _, goos := range platforms {
		t.Run(goos, func(t *testing.T) {
			// cgo is on, so that files that need it are listed, not left out.
			packages := list(t, []string{"GOOS=" + goos, "CGO_ENABLED=1"}, "./...")
			if len(packages) < 5 {
				t.Fatalf("go list names only %d packages", len(packages))
			}
			for _, v := range Violations(packages) {
				t.Error(v)
			}
		})
	}
}

// verify must not find right what the writer's own code found right.
func TestVerifyDoesNotLinkTheWriter(t *testing.T) {
	for _, root := range []string{"./cmd/verify-image", "./verify"} {
		for _, goos := range platforms {
			t.Run(root+" on "+goos, func(t *testing.T) {
				deps := importPaths(list(t, []string{"GOOS=" + goos, "CGO_ENABLED=0"}, "-deps", root))
				if len(deps) < 20 {
					t.Fatalf("go list names only %d packages", len(deps))
				}
				for _, dep := range Reaches(deps, "ext4", "inject") {
					t.Errorf("%s links %s", root, dep)
				}
			})
		}
	}
}

func TestBinariesNeedNeitherCgoNorWhatServesTests(t *testing.T) {
	for _, root := range []string{"./cmd/boringboot", "./cmd/verify-image"} {
		for _, goos := range platforms {
			t.Run(root+" on "+goos, func(t *testing.T) {
				for _, p := range list(t, []string{"GOOS=" + goos, "CGO_ENABLED=0"}, "-deps", root) {
					if p.ImportPath == "runtime/cgo" || testOnly(p.ImportPath) {
						t.Errorf("%s links %s", root, p.ImportPath)
					}
				}
			})
		}
	}
}

func importPaths(packages []Package) []string {
	var paths []string
	for _, p := range packages {
		paths = append(paths, p.ImportPath)
	}
	return paths
}

func list(t *testing.T, env []string, args ...string) []Package {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports,CgoFiles"}, args...)...)
	cmd.Dir = moduleRoot(t)
	statSources(t, cmd.Dir)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	var packages []Package
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = parent
	}
}

// statSources looks at every source file, so that go test, which keeps results
// as long as nothing that the test has opened changes, runs this one again.
func statSources(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
