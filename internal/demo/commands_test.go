// The commands as a shell reads them.

package demo

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

func TestTheCommandsNameTheInputs(t *testing.T) {
	in := &Inputs{Dir: "demo", Image: "demo/nixos-sd-image-demo.img.zst", Identity: "demo/demo-age.key", Secrets: "demo/secrets/demo.yaml"}
	for _, tc := range []struct {
		goos string
		want []string
	}{
		{"linux", []string{
			"SOPS_AGE_KEY_FILE=demo/demo-age.key boringboot provision --image demo/nixos-sd-image-demo.img.zst --secrets demo/secrets/demo.yaml demo demo/demo.img",
			"verify-image demo/demo.img",
			"boringboot inspect demo/demo.img /var/lib/bootstrap",
		}},
		{"windows", []string{
			"$env:SOPS_AGE_KEY_FILE = 'demo/demo-age.key'; boringboot provision --image demo/nixos-sd-image-demo.img.zst --secrets demo/secrets/demo.yaml demo demo/demo.img",
			"verify-image demo/demo.img",
			"boringboot inspect demo/demo.img /var/lib/bootstrap",
		}},
	} {
		t.Run(tc.goos, func(t *testing.T) {
			var got []string
			for _, line := range in.Commands(tc.goos) {
				got = append(got, filepath.ToSlash(line))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAShellReadsTheCommandsAsTheyAreMeant(t *testing.T) {
	testimage.Require(t, "sh")
	for _, dir := range []string{"demo", "/tmp/my demo", "it's", `$HOME/"x"`, "a;b&c|d", "~/demo", "-n", "#1", "back\\slash", "line\nbreak", "`id`", "*"} {
		t.Run(dir, func(t *testing.T) {
			in := &Inputs{Dir: dir, Image: dir + "/i.img.zst", Identity: dir + "/demo-age.key", Secrets: dir + "/secrets/demo.yaml"}
			// The programs are stood in for by functions that print what they are given.
			script := `boringboot() { printf '%s\0' "$SOPS_AGE_KEY_FILE" boringboot "$@"; }; verify-image() { printf '%s\0' verify-image "$@"; }` + "\n"
			script = strings.ReplaceAll(script, "verify-image()", "verify_image()")
			commands := in.Commands("linux")
			script += commands[0] + "\n" + strings.Replace(commands[1], "verify-image", "verify_image", 1) + "\n"
			out, err := exec.Command("sh", "-c", script).Output()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
			want := []string{
				in.Identity, "boringboot", "provision", "--image", in.Image, "--secrets", in.Secrets, Host, in.Provisioned(),
				"verify-image", in.Provisioned(),
			}
			for i, arg := range want {
				if i > 0 && strings.HasPrefix(arg, "-n/") { // no option is meant
					want[i] = "./" + arg
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}
