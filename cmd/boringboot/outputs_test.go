package main_test

// This file is about outputs that are named as what the run itself reads: nothing is written then, --force or not.

import (
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// TestNoOutputIsAnInput names each file that a run reads as each file that it writes.
func TestNoOutputIsAnInput(t *testing.T) {
	testimage.Require(t, "age")
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("m.yaml", []byte(`version: 1
files:
  - path: /var/x
    from: { file: ./src }
  - path: /var/age
    from: { age: ./src.age }
  - path: /var/key
    from: { ssh-private-key: ssh_host_ed25519_key }
`))
	w.write("src", []byte("x"))
	w.sh("age", "-r", strings.TrimSpace(w.sh("age-keygen", "-y", "age.key")), "-o", "src.age", "src")
	w.write("root/srv/deep", []byte("x"))
	w.sh("cp", "--sparse=always", image, "source.img")
	w.sh("ln", "-s", "source.img", "link.img")
	w.sh("ln", "src", "hard")
	w.write("sops/age/keys.txt", w.read("age.key"))
	w.write(".ssh/id_ed25519", w.read("key"))
	provision := []string{"provision", "bastet", "", "--image", "source.img", "--secrets", "secrets/bastet.yaml", "--manifest", "m.yaml"}
	inject := []string{"inject", "source.img", "-o", "", "--host", "bastet", "--secrets", "secrets/bastet.yaml", "--manifest", "m.yaml", "--file", "key.pub:/var/y", "--tree", "root"}
	inPlace := []string{"inject", "source.img", "--host", "bastet", "--secrets", "secrets/bastet.yaml", "--manifest", "m.yaml", "--file", "key.pub:/var/y"}
	common := []string{"secrets/bastet.yaml", "m.yaml", "src", "hard", "src.age", "age.key", "sops/age/keys.txt", ".ssh/id_ed25519"}
	for _, tt := range []struct {
		args    []string
		dest    int // where in args
		victims []string
	}{
		{append(provision, "--force"), 2, append(common, "source.img", "link.img")},
		{append(inject, "--force"), 3, append(common, "key.pub", "root/srv/deep")},
		{append(inPlace, "--receipt", ""), len(inPlace) + 1, append(common, "key.pub", "source.img")},
		{append(inPlace, "--known-hosts", ""), len(inPlace) + 1, append(common, "key.pub", "link.img")},
	} {
		for _, victim := range tt.victims {
			for _, name := range []string{victim, w.path(victim)} {
				for _, more := range [][]string{nil, {"--dry-run"}} {
					before := testimage.Snapshot(t, w.path(victim))
					args := append(append([]string{}, tt.args...), more...)
					args[tt.dest] = name
					checkFailure(t, w, failure{want: []string{name, "file"}}, args...)
					if testimage.Snapshot(t, w.path(victim)) != before {
						t.Fatalf("%q: %s was changed", args, victim)
					}
				}
			}
		}
	}
	if testimage.Snapshot(t, w.path("source.img")) != testimage.Snapshot(t, image) {
		t.Error("the image was changed")
	}
}

// TestWhatWasNamedIsKeptEvenIfUnused: a SOPS file that the manifest needs nothing of is a file of secrets nevertheless.
func TestWhatWasNamedIsKeptEvenIfUnused(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("plain.yaml", []byte("version: 1\nfiles:\n  - path: /var/x\n    from: { text: x }\n"))
	before := testimage.Snapshot(t, w.path("secrets/bastet.yaml"))
	for _, args := range [][]string{
		{"provision", "bastet", "out.img", "--receipt", "secrets/bastet.yaml"},
		{"provision", "bastet", "secrets/bastet.yaml", "--force"},
	} {
		args = append(args, "--image", image, "--secrets", "secrets/bastet.yaml", "--manifest", "plain.yaml")
		checkFailure(t, w, failure{want: []string{"secrets/bastet.yaml"}}, args...)
		if testimage.Snapshot(t, w.path("secrets/bastet.yaml")) != before {
			t.Fatalf("%q: the SOPS file was changed", args)
		}
	}
}

// TestAFlakeIsKept: what an image is built from is read, too.
func TestAFlakeIsKept(t *testing.T) {
	w := newWorkplace(t)
	w.write("flake.nix", []byte("{ }"))
	w.write("sub/flake.lock", []byte("{ }"))
	checkFailure(t, w, failure{want: []string{"DEST flake.nix"}}, "provision", "bastet", "flake.nix", "--force")
	checkFailure(t, w, failure{want: []string{"--receipt sub/flake.lock"}}, "provision", "bastet", "out.img", "--flake", "./sub", "--receipt", "sub/flake.lock")
	for _, name := range []string{"flake.nix", "sub/flake.lock"} {
		if got := string(w.read(name)); got != "{ }" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestOutputsAreFilesOfTheirOwn, by another way to the same name, too, while none of them is there.
func TestOutputsAreFilesOfTheirOwn(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("real/other", nil)
	w.sh("ln", "-s", "real", "link")
	for _, same := range []string{"real/out", "link/out", "real/../link/out", filepath.Join(w.dir, "link/out")} {
		checkFailure(t, w, failure{want: []string{same, "DEST"}}, "provision", "bastet", "real/out", "--image", image, "--receipt", same)
		checkFailure(t, w, failure{want: []string{same, "-o"}}, "inject", image, "-o", "real/out", "--secrets", "secrets/bastet.yaml", "--receipt", same)
		checkFailure(t, w, failure{want: []string{"--receipt"}}, "provision", "bastet", "out.img", "--image", image, "--receipt", same, "--known-hosts", "real/out")
	}
	w.only("real", "other")
}

// TestAnImageMayBeChangedThroughACopy: -o and --force that name IMAGE itself are how a compressed image is changed.
func TestAnImageMayBeChangedThroughACopy(t *testing.T) {
	image := testimage.Compress(t, testimage.Ext4(t, testimage.Options{StorePaths: 5}), "zst")
	w := newWorkplace(t)
	w.sh("cp", image, "work.img.zst")
	w.must(2, "boringboot", "inject", "work.img.zst", "-o", "work.img.zst", "--secrets", "secrets/bastet.yaml")
	w.must(0, "boringboot", "inject", "work.img.zst", "-o", "work.img.zst", "--secrets", "secrets/bastet.yaml", "--force")
	w.must(0, "verify-image", "work.img.zst", "--secrets", "secrets/bastet.yaml")
}
