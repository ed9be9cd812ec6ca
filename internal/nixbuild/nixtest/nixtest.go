// Package nixtest lets tests build an SD image with a real nix: a flake that needs no network, and a store that is the test's own.
// It is imported by tests only.
package nixtest

import (
	_ "embed"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/demo/sdimage"
	"boringboot/internal/testimage"
)

//go:embed flake.nix
var flake []byte

// tools are the programs with which the flake's derivations make an image.
var tools = []string{"mke2fs", "debugfs", "resize2fs", "dumpe2fs", "e2fsck", "sfdisk", "mkfs.vfat", "fsck.vfat", "mcopy", "zstd"}

// Flake writes the flake and returns its directory, below tb.TempDir(). Its hosts are bastet, whose image is that of the demo under the
// name nixos-sd-image-bastet.img.zst, and some that cannot be built: see flake.nix. Without nix, or a tool to make images with, the
// test is skipped as by testimage.Require.
func Flake(tb testing.TB) string {
	tb.Helper()
	testimage.Require(tb, "nix")
	testimage.Require(tb, tools...)
	dir := tb.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	write("flake.nix", flake)
	// What a pure evaluation cannot ask the machine for is written down for it.
	write("path.nix", quote(os.Getenv("PATH")+":/usr/sbin:/sbin"))
	write("scratch.nix", quote(tb.TempDir()))
	write("system.nix", quote(system(tb)))
	if err := os.CopyFS(filepath.Join(dir, "recipe"), sdimage.Recipe); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Scratch is the directory into which the flake's host "endless" writes its builder's process number, in a file "builder".
func Scratch(tb testing.TB, flake string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(flake, "scratch.nix"))
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Trim(string(text), "\"\n")
}

// Env is what nix needs in its environment, besides that of the test, to work without a daemon, without a network and in a store below
// tb.TempDir(). Nothing of it is left when the test ends. Each element is "NAME=value", as os/exec and testscript take them.
func Env(tb testing.TB) []string {
	tb.Helper()
	dir := tb.TempDir()
	tb.Cleanup(func() { writable(tb, dir) })
	sub := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"home", "tmp"} {
		if err := os.Mkdir(sub(name), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	return []string{
		"NIX_REMOTE=local",
		"NIX_STORE_DIR=" + sub("store"),
		"NIX_STATE_DIR=" + sub("var"),
		"NIX_LOCALSTATE_DIR=" + sub("var"),
		"NIX_LOG_DIR=" + sub("log"),
		"NIX_CONF_DIR=" + sub("etc"),
		"NIX_USER_CONF_FILES=" + sub("etc/user.conf"),
		"NIX_CONFIG=sandbox = false\nsubstituters =\nbuild-users-group =\n",
		"XDG_CACHE_HOME=" + sub("cache"),
		"HOME=" + sub("home"),
		"TMPDIR=" + sub("tmp"),
	}
}

// Setenv sets Env for the test and what it runs.
func Setenv(tb testing.TB) {
	tb.Helper()
	for _, v := range Env(tb) {
		name, value, _ := strings.Cut(v, "=")
		tb.Setenv(name, value)
	}
}

// writable lets tb remove a store, whose directories are read-only.
func writable(tb testing.TB, dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		tb.Errorf("make the store removable: %v", err)
	}
}

// system is the platform that nix builds for here, "x86_64-linux".
func system(tb testing.TB) string {
	cmd := exec.Command("nix", "--extra-experimental-features", "nix-command", "eval", "--impure", "--raw", "--expr", "builtins.currentSystem")
	cmd.Env = append(os.Environ(), Env(tb)...)
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("ask nix for its platform: %v", err)
	}
	return string(out)
}

// quote makes a nix file that is one string.
func quote(s string) []byte {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `\${`).Replace(s)
	return []byte(`"` + s + `"` + "\n")
}
