package main_test

// This file is about a known_hosts file that cannot be written.

import (
	"os"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestAFullDiskLeavesKnownHostsAsItWas(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	mountTmpfs(t, w.path("small"), "size=8k")
	old := strings.Repeat("#", 4095) + "\n" // a page, so that the line begins another
	w.write("small/old", []byte(old))
	w.write("small/filler", make([]byte, 4096))
	for _, name := range []string{"old", "new"} {
		f := w.must(2, "boringboot", "provision", "bastet", "out.img", "--image", image, "--force", "--known-hosts", "small/"+name)
		if !strings.Contains(f.stderr, "out.img is complete") || !strings.Contains(f.stderr, "no space left") {
			t.Error(f.stderr)
		}
	}
	if string(w.read("small/old")) != old {
		t.Error("what was there was changed")
	}
	if _, err := os.Stat(w.path("small/new")); err == nil {
		t.Error("an empty file was left")
	}
}
