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

// New files have flags and the project from their directory.
func TestWhatFilesHaveFromTheirDirectoryIsExplained(t *testing.T) {
	p := testimage.ProfileNamed("debian-4k")
	p.Name, p.Features = "debian-4k with project", p.Features+",project"
	image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 24 << 20, Inodes: 1000})
	const noatimeDirsyncProjinherit, project = "0x20090080", "7"
	testimage.DebugfsWrite(t, image, 0, "mkdir /var", "set_inode_field /var flags "+noatimeDirsyncProjinherit, "set_inode_field /var projid "+project)
	w := newWorkplace(t)
	w.must(0, "boringboot", "inject", image, "-o", "new.img", "--secrets", "secrets/bastet.yaml")
	testimage.Fsck(t, w.path("new.img"), 0)
	const env = "/var/lib/networkmanager/system-connections.env"
	if stat := testimage.Debugfs(t, w.path("new.img"), 0, "stat "+env); !strings.Contains(stat, "Project:     "+project) || !strings.Contains(stat, "Flags: 0x80080") {
		t.Errorf("the file has nothing of its directory:\n%s", stat)
	}
	f := w.run("verify-image", "new.img", "--secrets", "secrets/bastet.yaml", "--before", image)
	if f.code != 0 {
		t.Errorf("exit code %d\n%s%s", f.code, f.stdout, f.stderr)
	}
	testimage.DebugfsWrite(t, w.path("new.img"), 0, "set_inode_field "+env+" projid 8")
	f = w.run("verify-image", "new.img", "--secrets", "secrets/bastet.yaml", "--before", image)
	if f.code != 1 || !strings.Contains(f.stdout, "nothing explains the project of inode") {
		t.Errorf("another project: exit code %d\n%s%s", f.code, f.stdout, f.stderr)
	}
}
