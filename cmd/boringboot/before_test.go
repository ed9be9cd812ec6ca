package main_test

// What we change of an image is explained by its files, on every kind of file system: verify-image compares it with the original, and
// looks for the secrets everywhere.

import (
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestWhatWeChangeIsExplained(t *testing.T) {
	profiles := append([]testimage.Profile{}, testimage.Profiles...)
	for _, more := range []string{"inline_data", "bigalloc", "quota", "meta_bg,^resize_inode", "fast_commit", "ea_inode", "^flex_bg"} {
		p := testimage.ProfileNamed("debian-4k")
		p.Name, p.Features = "debian-4k with "+more, p.Features+","+more
		if more == "bigalloc" {
			p.Args = []string{"-C", "16384"}
		}
		profiles = append(profiles, p)
	}
	for _, p := range profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 20, Size: 64 << 20, Inodes: 2000})
			w := newWorkplace(t)
			explained := func(what, changed string) {
				t.Helper()
				testimage.Fsck(t, w.path(changed), 0)
				f := w.run("verify-image", changed, "--secrets", "secrets/bastet.yaml", "--before", image)
				if f.code != 0 {
					t.Errorf("%s: exit code %d\n%s%s", what, f.code, f.stdout, f.stderr)
				}
			}
			w.sh("cp", "--sparse=always", image, "work.img")
			w.must(0, "boringboot", "inject", "work.img", "--secrets", "secrets/bastet.yaml")
			explained("in place", "work.img")
			w.must(0, "boringboot", "inject", image, "-o", "copy.img", "--secrets", "secrets/bastet.yaml")
			explained("on a copy", "copy.img")
			// A file that was replaced: the original has another host's.
			w.write("stale", []byte(strings.Repeat("stale\n", 1000)))
			w.must(0, "boringboot", "inject", image, "-o", "stale.img", "--file", "stale:/var/lib/networkmanager/system-connections.env:0600")
			w.sh("cp", "--sparse=always", "stale.img", "new.img")
			w.must(0, "boringboot", "inject", "new.img", "--overwrite", "--secrets", "secrets/bastet.yaml")
			testimage.Fsck(t, w.path("new.img"), 0)
			f := w.run("verify-image", "new.img", "--secrets", "secrets/bastet.yaml", "--before", "stale.img")
			if f.code != 0 {
				t.Errorf("replaced in place: exit code %d\n%s%s", f.code, f.stdout, f.stderr)
			}
		})
	}
}
