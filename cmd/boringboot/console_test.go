package main_test

// This file is about what a run prints: what cannot be printed is no success, and what is wrong is printed with -q, too.

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

func TestQuietTellsWhatIsWrong(t *testing.T) {
	image := testimage.NixOSDisk(t, testimage.Options{StorePaths: 5, Layout: testimage.GPT})
	w := newWorkplace(t)
	w.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.path("old"))
	w.write("known_hosts", []byte("bastet "+strings.Join(strings.Fields(string(w.read("old.pub")))[:2], " ")+"\n"))
	w.sh("cp", "--sparse=always", image, "work.img")
	if err := os.Chmod(w.path("work.img"), 0o644); err != nil {
		t.Fatal(err)
	}
	testimage.WriteAt(t, w.path("work.img"), 512+16, []byte{0xff, 0xff}) // the checksum of the primary GPT header
	warnings := []string{"others may read work.img", "primary header is damaged", "known_hosts trusts another"}
	for _, tt := range []struct {
		more []string
		want []string
	}{
		{[]string{"--dry-run"}, warnings[:2]},
		{nil, warnings},
		{[]string{"--file", "key.pub:/key.pub"}, warnings},
	} {
		args := append([]string{"inject", "work.img", "--host", "bastet", "--secrets", "secrets/bastet.yaml", "--known-hosts", "known_hosts", "-q"}, tt.more...)
		f := w.must(0, "boringboot", args...)
		if f.stdout != "" || strings.Count(f.stderr, "\n") != len(tt.want) {
			t.Errorf("%q: standard output %q, standard error:\n%s", tt.more, f.stdout, f.stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(f.stderr, want) {
				t.Errorf("%q: it does not say %q:\n%s", tt.more, want, f.stderr)
			}
		}
	}
	f := w.must(0, "boringboot", "provision", "bastet", "out.img", "--image", "work.img", "-q", "--json")
	if f.stderr != "" || !strings.Contains(f.stdout, "primary header is damaged") {
		t.Errorf("with --json: standard error %q, standard output:\n%s", f.stderr, f.stdout)
	}
	w.sh("cp", "--sparse=always", image, "sound.img")
	if f := w.must(0, "boringboot", "inject", "sound.img", "-q", "--file", "key.pub:/key.pub"); f.stdout+f.stderr != "" {
		t.Errorf("nothing is wrong, and it says %q", f.stdout+f.stderr)
	}
}
