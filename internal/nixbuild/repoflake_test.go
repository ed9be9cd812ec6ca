// The repository's own flake.nix, evaluated and run by a real nix against a stand-in for nixpkgs (testdata/nix/nixpkgs-stand-in), which cannot be
// fetched everywhere.

//go:build unix

package nixbuild_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boringboot/internal/nixbuild/nixtest"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

const repository = "../.."

// repoFlake makes a directory with the repository's flake.nix, a file in place of each Go package, and what the flake should leave
// out of the source. It returns a function that runs nix on that flake and gives what nix writes to standard output.
func repoFlake(t *testing.T) (dir string, nix func(args ...string) string) {
	t.Helper()
	testimage.Require(t, "nix")
	nixtest.Setenv(t)
	dir = t.TempDir()
	place := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	flake, err := os.ReadFile(filepath.Join(repository, "flake.nix"))
	if err != nil {
		t.Fatal(err)
	}
	place("flake.nix", string(flake))
	for _, name := range append(goPackages(t), "docs", ".ci", "internal/docs", "cmd/nix") {
		place(name+"/x.go", "package x\n")
	}
	for _, name := range []string{"go.mod", "go.sum", "LICENSE", "README.md", "scripts/test", "internal/README.md", "testdata/nix/x"} {
		place(name, "")
	}
	standIn, err := filepath.Abs(filepath.Join(repository, "testdata/nix/nixpkgs-stand-in"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, func(args ...string) string {
		t.Helper()
		words := 1 // of the subcommand, which the options follow
		if args[0] == "flake" {
			words = 2
		}
		args = slices.Concat([]string{"--extra-experimental-features", "nix-command flakes"}, args[:words],
			[]string{"--override-input", "nixpkgs", "path:" + standIn, "--no-write-lock-file"}, args[words:])
		cmd := exec.Command("nix", args...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("nix %s: %v\n%s", strings.Join(args, " "), err, &stderr)
		}
		return stdout.String()
	}
}

// goPackages are the repository's directories with Go files, as slash-separated paths.
func goPackages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := fs.WalkDir(os.DirFS(repository), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go"):
			if i := strings.LastIndex(name, "/"); i >= 0 && !slices.Contains(dirs, name[:i]) {
				dirs = append(dirs, name[:i])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) < 5 {
		t.Fatalf("only %d directories with Go files: %v", len(dirs), dirs)
	}
	return dirs
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

func TestTheFlakeOffersItsOutputsForEachPlatformOfNixpkgs(t *testing.T) {
	dir, nix := repoFlake(t)
	shown := decode[map[string]map[string]any](t, nix("flake", "show", "--json", "path:"+dir))
	want := map[string][]string{
		"packages":  {"default"},
		"apps":      {"default", "raspberry-pi-provision-image", "verify-image"},
		"checks":    {"boringboot", "tests"},
		"devShells": {"default"},
		"formatter": {"name", "type"},
	}
	for output, names := range want {
		for _, system := range []string{"x86_64-linux", "aarch64-linux", "aarch64-darwin"} {
			of, _ := shown[output][system].(map[string]any)
			var got []string
			for name := range of {
				got = append(got, name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(names, got); diff != "" {
				t.Errorf("%s.%s (-want +got):\n%s", output, system, diff)
			}
		}
		if len(shown[output]) != 3 {
			t.Errorf("%s is offered for %d platforms, want 3: %v", output, len(shown[output]), shown[output])
		}
	}
	if len(shown) != len(want) {
		t.Errorf("%d outputs are shown, want %d", len(shown), len(want))
	}
}

func TestNixFindsTheFlakeInOrder(t *testing.T) {
	dir, nix := repoFlake(t)
	nix("flake", "check", "--no-build", "path:"+dir)
}

func TestTheAppsRunTheProgramsWithTheirArguments(t *testing.T) {
	dir, nix := repoFlake(t)
	for _, tc := range []struct{ app, want string }{
		{"", "boringboot\nbastet\nout dir/\n$HOME\n"},
		{"#raspberry-pi-provision-image", "boringboot\nprovision\nbastet\nout dir/\n$HOME\n"},
		{"#verify-image", "verify-image\nbastet\nout dir/\n$HOME\n"},
	} {
		t.Run(tc.app, func(t *testing.T) {
			got := nix("run", "path:"+dir+tc.app, "--", "bastet", "out dir/", "$HOME")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("the program and its arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestThePackageIsBuiltFromTheSourceAndNothingElse(t *testing.T) {
	dir, nix := repoFlake(t)
	src := nix("eval", "--raw", "path:"+dir+"#packages.x86_64-linux.default.attrs.src")
	var got []string
	err := fs.WalkDir(os.DirFS(src), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got = append(got, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LICENSE", "go.mod", "go.sum", "internal/README.md", "internal/docs/x.go", "cmd/nix/x.go", "testdata/nix/x"}
	for _, name := range goPackages(t) {
		want = append(want, name+"/x.go")
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the source (-want +got):\n%s", diff)
	}
}

func TestThePackageIsDescribedForTheUser(t *testing.T) {
	dir, nix := repoFlake(t)
	type attrs struct {
		Pname       string
		SubPackages []string
		Env         map[string]any
		Meta        struct {
			MainProgram string
			Platforms   []string
		}
	}
	got := decode[attrs](t, nix("eval", "--json", "path:"+dir+"#packages.x86_64-linux.default.attrs"))
	var want attrs
	want.Pname = "boringboot"
	want.SubPackages = []string{"cmd/boringboot", "cmd/verify-image"}
	want.Env = map[string]any{"CGO_ENABLED": 0.0}
	want.Meta.MainProgram = "boringboot"
	want.Meta.Platforms = []string{"aarch64-darwin", "aarch64-linux", "x86_64-linux"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the package (-want +got):\n%s", diff)
	}
}

func TestTheFlakeLinksItsVersionIntoThePrograms(t *testing.T) {
	dir, nix := repoFlake(t)
	flags := decode[[]string](t, nix("eval", "--json", "path:"+dir+"#packages.x86_64-linux.default.attrs.ldflags"))
	version := nix("eval", "--raw", "path:"+dir+"#packages.x86_64-linux.default.attrs.version")
	build := exec.Command("go", "run", "-ldflags", strings.Join(flags, " "), "./testdata/version")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "HOME="+home, "XDG_CACHE_HOME="+cache) // those of the go command's caches
	out, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff(version+"-dirty\n", string(out)); diff != "" {
		t.Errorf("the version (-want +got):\n%s", diff)
	}
}

// What the environment was before a test gave nix one of its own.
var home, cache = os.Getenv("HOME"), os.Getenv("XDG_CACHE_HOME")

func TestTheFlakeNamesEachProgram(t *testing.T) {
	dir, nix := repoFlake(t)
	named := decode[[]string](t, nix("eval", "--json", "path:"+dir+"#packages.x86_64-linux.default.attrs.subPackages"))
	dirs, err := filepath.Glob(filepath.Join(repository, "cmd", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var programs []string
	for _, dir := range dirs {
		programs = append(programs, "cmd/"+filepath.Base(dir))
	}
	if diff := cmp.Diff(programs, named); diff != "" {
		t.Errorf("programs (-of the repository +of the flake):\n%s", diff)
	}
}

// judgeOf says which package of nixpkgs has what a package of Debian's brings.
var judgeOf = map[string]string{
	"age": "age", "btrfs-progs": "btrfs-progs", "bzip2": "bzip2", "chromium": "chromium", "cryptsetup-bin": "cryptsetup", "dosfstools": "dosfstools", "e2fsprogs": "e2fsprogs",
	"f2fs-tools": "f2fs-tools", "fdisk": "util-linux", "gdisk": "gptfdisk", "genisoimage": "cdrkit", "gettext-base": "gettext", "gir1.2-nm-1.0": "networkmanager", "gnupg": "gnupg", "gzip": "gzip",
	"libsystemd-shared": "systemd", "mount": "util-linux", "mtools": "mtools", "nix-bin": "nix", "openssh-client": "openssh", "python3-gi": "python3-env",
	"squashfs-tools": "squashfsTools", "strace": "strace", "util-linux": "util-linux", "xfsprogs": "xfsprogs", "xz-utils": "xz", "zstd": "zstd",
}

func TestTheDevShellHasEachJudgeThatTheTestCommandInstalls(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(repository, "scripts/test"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(script), "\njudges=(\n")
	list, _, found := strings.Cut(list, "\n)\n")
	if !found {
		t.Fatal("scripts/test has no list of judges")
	}
	dir, nix := repoFlake(t)
	shell := "path:" + dir + "#devShells.x86_64-linux.default."
	packages := decode[[]string](t, nix("eval", "--json", shell+"packages", "--apply", "map (p: p.name)"))
	environment := nix("eval", "--json", shell+"env")
	tests := nix("eval", "--json", "path:"+dir+"#checks.x86_64-linux.tests.attrs.nativeBuildInputs", "--apply", "map (p: p.name)")
	for line := range strings.Lines(list) {
		debian, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		name := judgeOf[debian]
		switch inShell := slices.Contains(packages, name); {
		case name == "":
			t.Errorf("%s: the test does not know what package of nixpkgs has it", debian)
		case !inShell && !strings.Contains(environment, "-"+name+"/"):
			t.Errorf("%s: the dev shell does not have %s", debian, name)
		case inShell && name != "nix" && !strings.Contains(tests, `"`+name+`"`): // nix does not run inside of nix
			t.Errorf("%s: the tests are not given %s", debian, name)
		}
	}
	if got := nix("eval", "--json", "path:"+dir+"#devShells.aarch64-darwin.default.env"); strings.TrimSpace(got) != `{"CGO_ENABLED":"0"}` {
		t.Errorf("the environment where there is no Linux: %s", got)
	}
}

func TestTheVendorHashIsThatOfTheModules(t *testing.T) {
	testimage.Require(t, "nix", "bash")
	cmd := exec.Command("bash", "scripts/vendor-hash", "--check")
	cmd.Dir = repository
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
