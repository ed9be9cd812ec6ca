package main_test

// This file is the newcomer's first run, and the commands it prints, run by hand.

import (
	"encoding/json"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestDemo(t *testing.T) {
	w := newWorkplace(t)
	f := w.must(0, "boringboot", "demo", "a demo")
	testimage.Fsck(t, w.path("a demo/demo.img"), testimage.Options{}.RootOffset())
	for _, want := range []string{"done and verified", "demo ssh-ed25519 AAAA", "ssh_host_ed25519_key.pub"} {
		if !strings.Contains(f.stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, f.stdout)
		}
	}
	sum := testimage.Snapshot(t, w.path("a demo/demo.img"))

	var script []string
	for line := range strings.Lines(f.stderr) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script = append(script, command)
		}
	}
	if len(script) != 5 {
		t.Errorf("%d commands:\n%s", len(script), f.stderr)
	}
	w.write("by-hand", []byte("set -e\nPATH="+programs+":$PATH\n"+strings.Join(script, "")))
	w.sh("sh", "by-hand")
	if testimage.Snapshot(t, w.path("a demo/demo.img")) != sum {
		t.Error("the commands run by hand made another image")
	}

	if f := w.must(2, "boringboot", "demo", "a demo"); !strings.Contains(f.stderr, "not empty") || !strings.Contains(f.stderr, "--force") {
		t.Error(f.stderr)
	}
	f = w.must(0, "boringboot", "demo", "a demo", "--force", "--json")
	var out struct{ Verified bool }
	if err := json.Unmarshal([]byte(f.stdout), &out); err != nil || !out.Verified {
		t.Errorf("%v\n%s", err, f.stdout)
	}
}
