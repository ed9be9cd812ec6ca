// Killed, we can end nothing: the kernel interrupts nix.

package nixbuild

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// playBuild is the variable with which the test binary plays boringboot: it runs one build and nothing else.
const playBuild = "NIXBUILD_TEST_NIX"

func TestMain(m *testing.M) {
	if nix := os.Getenv(playBuild); nix != "" {
		_, err := Build(context.Background(), Options{Host: "bastet", Nix: nix})
		panic(err) // it is killed before
	}
	os.Exit(m.Run())
}

func TestNixIsInterruptedWhenWeAreKilled(t *testing.T) {
	dir := t.TempDir()
	nix, _ := fakeNix(t, strings.ReplaceAll(`trap 'echo yes > DIR/interrupted; exit 1' INT; echo $$ > DIR/nix; i=0; while [ $i -lt 400 ]; do sleep 0.05; i=$((i + 1)); done`, "DIR", dir))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), playBuild+"="+nix)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(dir, "nix"))
	time.Sleep(50 * time.Millisecond) // nothing about this moment is special
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if !gone(t, filepath.Join(dir, "nix")) {
		t.Error("nix goes on")
	}
	if _, err := os.Stat(filepath.Join(dir, "interrupted")); err != nil {
		t.Errorf("nix was not interrupted: %v", err)
	}
}
