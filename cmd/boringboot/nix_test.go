package main_test

// This file takes the whole way: a real nix builds the image, and provision takes it from there.

import (
	"strings"
	"testing"

	"boringboot/internal/nixbuild/nixtest"
	"boringboot/internal/testimage"
)

func TestProvisionBuildsWithNix(t *testing.T) {
	flake := nixtest.Flake(t)
	env := nixtest.Env(t)
	w := newWorkplace(t)
	provision := func(args ...string) finished {
		cmd := w.command("boringboot", append([]string{"provision"}, args...)...)
		cmd.Env = append(cmd.Env, env...)
		return w.end(cmd)
	}
	w.sh("mkdir", "out")
	if f := provision("bastet", "out/", "--flake", flake); f.code != 0 || !strings.Contains(f.stdout, "bastet ssh-ed25519 ") {
		t.Fatalf("exit code %d\n%s%s", f.code, f.stdout, f.stderr)
	}
	w.only("out", "bastet.img")
	w.must(0, "verify-image", "out/bastet.img", "--secrets", "secrets/bastet.yaml")
	testimage.Fsck(t, w.path("out/bastet.img"), testimage.Options{}.RootOffset())

	w.sops("secrets/nobody.yaml", map[string]string{"ssh_host_ed25519_key": string(w.private), "wifi_ssid": "net", "wifi_psk": "password"})
	f := provision("nobody", "out/", "--flake", flake)
	if f.code != 2 || !strings.Contains(f.stderr, "nobody") {
		t.Errorf("a host that the flake does not have: exit code %d\n%s", f.code, f.stderr)
	}
	w.only("out", "bastet.img")
}
