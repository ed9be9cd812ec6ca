package main_test

// This file takes images that tune2fs has been at: healthy ones must not be called damaged.

import (
	"os/exec"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestTunedImagesAreHealthy(t *testing.T) {
	testimage.Require(t, "tune2fs", "e2fsck")
	w := newWorkplace(t)
	for _, tt := range []struct {
		name  string
		steps [][]string
	}{
		{"the checksum seed's feature taken away, then another UUID", [][]string{
			{"tune2fs", "-O", "^metadata_csum_seed"}, {"e2fsck", "-fy"}, {"tune2fs", "-U", "random"}, {"e2fsck", "-fy"}}},
		{"another UUID under a checksum seed", [][]string{{"tune2fs", "-U", "random"}}},
		{"errors that were counted and are gone", [][]string{{"debugfs", "-w", "-R", "set_super_value error_count 3"}}},
		{"another label", [][]string{{"tune2fs", "-L", "other"}}},
		{"checksums taken away", [][]string{{"tune2fs", "-O", "^metadata_csum,^metadata_csum_seed,^orphan_file"}, {"e2fsck", "-fy"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
			for _, step := range tt.steps {
				cmd := testimage.Command(t, step[0], append(step[1:], image)...)
				if out, err := cmd.CombinedOutput(); err != nil {
					if exit, ok := err.(*exec.ExitError); !ok || step[0] != "e2fsck" || exit.ExitCode() != 1 { // 1: it has mended what tune2fs left to it
						t.Fatalf("%v: %v\n%s", step, err, out)
					}
				}
			}
			testimage.Fsck(t, image, 0)
			w.must(0, "boringboot", "inject", image, "--secrets", "secrets/bastet.yaml")
			testimage.Fsck(t, image, 0)
			f := w.must(0, "verify-image", image, "--secrets", "secrets/bastet.yaml")
			if strings.Contains(f.stdout, "damaged") {
				t.Error(f.stdout)
			}
			mounted := testimage.Mount(t, image, 0)
			if got := mustRead(t, mounted+"/var/lib/bootstrap/ssh_host_ed25519_key"); got != string(w.private) {
				t.Error("the kernel reads another key")
			}
		})
	}
}

func TestTreesMayShareDirectories(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("a/var/one", []byte("1"))
	w.write("b/var/two", []byte("2"))
	w.must(0, "boringboot", "inject", image, "-o", "out.img", "--tree", "a", "--tree", "b")
	testimage.Fsck(t, w.path("out.img"), 0)
	got := testimage.Tree(t, testimage.Mount(t, w.path("out.img"), 0))
	if got["var/one"].Size != 1 || got["var/two"].Size != 1 {
		t.Errorf("%v", got)
	}
	w.sh("chmod", "700", "b/var")
	checkFailure(t, w, failure{want: []string{"a/var", "b/var", "0755", "0700"}}, "inject", image, "--tree", "a", "--tree", "b")
	w.write("b/var/one", []byte("3"))
	w.sh("chmod", "755", "b/var")
	checkFailure(t, w, failure{want: []string{"a/var/one", "b/var/one", "same path"}}, "inject", image, "--tree", "a", "--tree", "b")
	w.must(0, "boringboot", "inject", image, "-o", "allowed.img", "--file", "key.pub:/tmp/x", "--allow", "/tmp/")
}
