package main_test

// This file damages a provisioned image in the ways that matter and expects verify-image to name each.

import (
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestVerifyImageFindsWhatIsWrong(t *testing.T) {
	o := testimage.Options{StorePaths: 20}
	source := testimage.NixOSDisk(t, o)
	w := newWorkplace(t)
	w.must(0, "boringboot", "provision", "bastet", "good.img", "--image", source)
	w.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.path("other"))
	const (
		key = "/var/lib/bootstrap/ssh_host_ed25519_key"
		env = "/var/lib/networkmanager/system-connections.env"
	)
	debug := func(commands ...string) func(t *testing.T, image string) {
		return func(t *testing.T, image string) { testimage.DebugfsWrite(t, image, o.RootOffset(), commands...) }
	}
	flip := func(path string, at int64) func(t *testing.T, image string) {
		return func(t *testing.T, image string) {
			said := strings.Split(strings.TrimSpace(testimage.Debugfs(t, image, o.RootOffset(), "blocks "+path)), "\n")
			block, err := strconv.ParseInt(strings.Fields(said[len(said)-1])[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			testimage.FlipByte(t, image, o.RootOffset()+block*4096+at)
		}
	}
	for _, tt := range []struct {
		name    string
		damage  func(t *testing.T, image string)
		path    string
		without bool // it is found without the secrets, too
	}{
		{"one byte of the key", flip(key, 200), key, true},
		{"one byte of the public key", flip(key+".pub", 30), key + ".pub", true},
		{"one byte of the public key's comment", flip(key+".pub", 84), key + ".pub", false},
		{"one byte of the environment's SSID", flip(env, 12), env, false},
		{"a key that others may read", debug("sif " + key + " mode 0100644"), key, true},
		{"an environment that others may read", debug("sif " + env + " mode 0100640"), env, true},
		{"a key that belongs to another user", debug("sif " + key + " uid 1000"), key, true},
		{"a key that belongs to another group", debug("sif " + key + " gid 100"), key, true},
		{"a key that is missing", debug("unlink " + key), key, true},
		{"an environment that is missing", debug("unlink " + env), env, true},
		{"a directory that others may write", debug("sif /var/lib mode 040777"), "/var/lib", true},
		{"a public half of another key", debug("rm "+key+".pub", "write "+w.path("other.pub")+" "+key+".pub", "sif "+key+".pub mode 0100644"), key + ".pub", true},
		{"another name of the key", debug("ln "+key+" /boot/copy", "sif "+key+" links_count 2"), "/boot/copy", true},
		{"a file cut short", debug("sif " + env + " size 20"), env, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.sh("cp", "--sparse=always", "good.img", "bad.img")
			tt.damage(t, w.path("bad.img"))
			runs := [][]string{{"bad.img", "--secrets", "secrets/bastet.yaml"}}
			if tt.without {
				runs = append(runs, []string{"bad.img"})
			}
			for _, args := range runs {
				f := w.must(1, "verify-image", args...)
				if !strings.Contains(f.stdout+f.stderr, tt.path) {
					t.Errorf("verify-image %v does not name %s:\n%s%s", args, tt.path, f.stdout, f.stderr)
				}
			}
		})
	}
	w.must(0, "verify-image", "good.img")
	w.must(1, "verify-image", source)
	w.must(2, "verify-image", "nowhere.img")
	w.must(2, "verify-image", "good.img", "--no-such-flag")
	w.must(2, "verify-image")
}

// A file with other names is replaced by one of its own, and the names keep what they had. One that holds the secret already stays, and
// is told of.
func TestInjectTellsOfOtherNamesOfASecret(t *testing.T) {
	const key = "/var/lib/bootstrap/ssh_host_ed25519_key"
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	w.sh("cp", "--sparse=always", image, "work.img")
	w.write("old", []byte("an older key"))
	w.must(0, "boringboot", "inject", "work.img", "--file", "old:"+key)
	testimage.DebugfsWrite(t, w.path("work.img"), 0, "ln "+key+" /boot/copy", "sif "+key+" links_count 2")
	args := []string{"inject", "work.img", "--secrets", "secrets/bastet.yaml"}
	w.must(0, "boringboot", append(args, "--overwrite")...)
	testimage.Fsck(t, w.path("work.img"), 0)
	w.must(0, "verify-image", "work.img", "--secrets", "secrets/bastet.yaml")

	testimage.DebugfsWrite(t, w.path("work.img"), 0, "rm /boot/copy", "ln "+key+" /boot/copy", "sif "+key+" links_count 2")
	testimage.Fsck(t, w.path("work.img"), 0)
	f := w.must(1, "boringboot", args...)
	if !strings.Contains(f.stderr, key+": its content can be reached by another name: /boot/copy") {
		t.Error(f.stderr)
	}
}
