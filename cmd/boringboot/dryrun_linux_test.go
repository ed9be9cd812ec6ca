package main_test

// This file is about dry runs: what the run refuses they refuse, too, and they write nothing.

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

// TestADryRunRefusesWhatTheRunRefuses, in the same words, and leaves no trace.
func TestADryRunRefusesWhatTheRunRefuses(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("out/taken.img", []byte("precious"))
	w.sh("cp", "--sparse=always", image, "work.img")
	w.sh("zstd", "-q", "work.img")
	w.sh("mkfifo", "fifo")
	w.sh("cp", "--sparse=always", journalless(t), "nojournal.img")
	w.sh("ln", "nojournal.img", "second.img")
	if err := os.Mkdir(w.path("closed"), 0o500); err != nil {
		t.Fatal(err)
	}
	provision := func(dest string, more ...string) []string {
		return append([]string{"provision", "bastet", dest, "--image", image}, more...)
	}
	inject := func(image string, more ...string) []string {
		return append([]string{"inject", image, "--host", "bastet", "--secrets", "secrets/bastet.yaml"}, more...)
	}
	for name, args := range map[string][]string{
		"a DEST that exists":               provision("out/taken.img"),
		"a DEST in no directory":           provision("nowhere/x.img"),
		"a directory that is missing":      provision("nowhere/"),
		"a compression that is unknown":    provision("x.img.xz"),
		"a DEST that is no file":           provision("fifo", "--force"),
		"a receipt in no directory":        provision("x.img", "--receipt", "nowhere/r.json"),
		"a known_hosts file in none":       provision("x.img", "--known-hosts", "nowhere/kh"),
		"an OUT that exists":               inject("work.img", "-o", "out/taken.img"),
		"an OUT in no directory":           inject("work.img", "-o", "nowhere/x.img"),
		"an OUT of an unknown compression": inject("work.img", "-o", "x.img.gz"),
		"a compressed image in place":      inject("work.img.zst"),
		"an image that is no file":         inject("fifo"),
		"no journal and two names":         inject("second.img"),
	} {
		t.Run(name, func(t *testing.T) { sameRefusal(t, w, args) })
	}
	t.Run("an image that another run has", func(t *testing.T) {
		f, err := os.Open(w.path("work.img"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil { // as one that reads has it
			t.Fatal(err)
		}
		sameRefusal(t, w, inject("work.img"))
	})
	t.Run("a directory that nobody may write to", func(t *testing.T) {
		if os.Geteuid() == 0 {
			mountTmpfs(t, w.path("ro"), "ro")
			sameRefusal(t, w, provision("ro/x.img"))
			sameRefusal(t, w, provision("x.img", "--receipt", "ro/r.json"))
			return
		}
		sameRefusal(t, w, provision("closed/x.img"))
	})
	w.only("out", "taken.img")
	w.must(0, "boringboot", inject("work.img", "--dry-run")...)
	w.must(0, "boringboot", provision("out/taken.img", "--force", "--dry-run")...)
	w.must(0, "boringboot", inject("nojournal.img", "--no-journal", "--dry-run")...)
	if string(w.read("out/taken.img")) != "precious" || testimage.Snapshot(t, w.path("work.img")) != testimage.Snapshot(t, image) {
		t.Error("a dry run has written")
	}
}

// sameRefusal fails the test where a run is not refused, or where a dry run is not refused as it is.
func sameRefusal(t *testing.T, w *workplace, args []string) {
	t.Helper()
	before := w.sh("ls", "-laR", "--time-style=full-iso")
	f := w.must(2, "boringboot", append(args, "--dry-run")...)
	if after := w.sh("ls", "-laR", "--time-style=full-iso"); after != before {
		t.Errorf("%q: the dry run left traces:\n%s\nbefore:\n%s", args, after, before)
	}
	real := w.must(2, "boringboot", args...)
	last := func(text string) string { // without the steps before it
		if i := strings.Index(text, "boringboot: "); i >= 0 {
			return text[i:]
		}
		return text
	}
	if diff := cmp.Diff(last(real.stderr), last(f.stderr)); diff != "" {
		t.Errorf("%q: what the run says, and what the dry run says (-run +dry run):\n%s", args, diff)
	}
}
