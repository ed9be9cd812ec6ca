package main_test

// This file is about what a run prints: what cannot be printed is no success.

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestWhatCannotBePrintedIsNoSuccess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full")
	}
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.must(0, "boringboot", "inject", image, "--file", "key.pub:/key.pub") // what is there already is told of, too
	for _, args := range [][]string{{"--help"}, {"--version"}, {"help", "inject"}, {"inject", "--help"}, {"completion", "bash"}, {"completion", "zsh"},
		{"inspect", image}, {"inspect", image, "/"}, {"inspect", image, "/key.pub", "--content"}, {"inspect", image, "--json"},
		{"inject", image, "--file", "key.pub:/key.pub"}, {"inject", image, "--file", "key.pub:/key.pub", "--dry-run"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		cmd := w.command("boringboot", args...)
		var stderr strings.Builder
		cmd.Stdout, cmd.Stderr = full, &stderr
		cmd.Run() // its exit code says it
		if code := cmd.ProcessState.ExitCode(); code != 2 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%q: exit code %d\n%s", args, code, &stderr)
		}
	}
}
