package floors

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// notLinked are what costs more at each start than the work itself: sops' package of everything and the clients of key services that it
// brings, of which each runs what it has to set up.
var notLinked = []string{
	"github.com/getsops/sops/v3", "github.com/getsops/sops/v3/stores", "github.com/getsops/sops/v3/aes", "github.com/getsops/sops/v3/keyservice",
	"github.com/getsops/sops/v3/config", "github.com/getsops/sops/v3/pgp", "github.com/getsops/sops/v3/version", "net/http", "crypto/tls",
}

// notLinkedBelow are those of which nothing is to be linked.
var notLinkedBelow = []string{
	"google.golang.org/", "cloud.google.com/", "github.com/aws/", "github.com/Azure/", "github.com/AzureAD/", "github.com/hashicorp/", "github.com/huaweicloud/", "go.opentelemetry.io/",
}

func TestBinariesLinkNoKeyServices(t *testing.T) {
	seen := 0
	for _, root := range []string{"./cmd/boringboot", "./cmd/verify-image"} {
		for _, goos := range platforms {
			t.Run(root+" on "+goos, func(t *testing.T) {
				for _, dep := range importPaths(list(t, []string{"GOOS=" + goos, "CGO_ENABLED=0"}, "-deps", root)) {
					below := slices.ContainsFunc(notLinkedBelow, func(prefix string) bool { return strings.HasPrefix(dep, prefix) })
					if below || slices.Contains(notLinked, dep) {
						t.Errorf("%s links %s", root, dep)
					}
					if dep == "github.com/getsops/sops/v3/age" {
						seen++
					}
				}
			})
		}
	}
	if seen == 0 {
		t.Error("no program links even sops' age: the test looks for the wrong names")
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
