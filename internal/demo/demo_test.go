// What WriteInputs leaves in a directory, judged by the programs that would read it, and what it leaves alone.

package demo

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"boringboot/internal/cli"
	"boringboot/internal/demo/sdimage"
	"boringboot/internal/netenv"
	"boringboot/internal/secrets"
	"boringboot/internal/sshkey"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// files lists the files below dir with their modes, and its directories.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && name != "." {
			got[name] = info.Mode().String()
			if runtime.GOOS == "windows" {
				got[name] = info.Mode().Type().String()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTheInputsAreAllThatIsWritten(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs permission bits")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	in, err := WriteInputs(dir+"/", false)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"demo-age.key":                "-rw-------",
		"nixos-sd-image-demo.img.zst": "-rw-r--r--",
		"secrets":                     "drwxr-xr-x",
		"secrets/demo.yaml":           "-rw-r--r--",
	}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Errorf("the directory (-want +got):\n%s", diff)
	}
	for _, path := range []string{in.Image, in.Identity, in.Secrets} {
		name, err := filepath.Rel(dir, path)
		if err != nil || !strings.Contains(name, "demo") {
			t.Errorf("the path %s does not say that it is the demo's: %v", path, err)
		}
	}
	image, err := os.ReadFile(in.Image)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(image, sdimage.Compressed) {
		t.Error("the image is not the embedded one")
	}
}

func TestTheSecretsAreReadWithTheIdentity(t *testing.T) {
	in, err := WriteInputs(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOPS_AGE_KEY_FILE", in.Identity)
	file, err := secrets.Open(t.Context(), in.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, key := range []string{"ssh_host_ed25519_key", "wifi_ssid", "wifi_psk"} {
		value, err := file.Lookup(key)
		if err != nil {
			t.Fatal(err)
		}
		got[key] = string(value)
	}
	want := map[string]string{"ssh_host_ed25519_key": string(in.HostKey.Private()), "wifi_ssid": SSID, "wifi_psk": PSK}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
	key, err := sshkey.ParsePrivate([]byte(got["ssh_host_ed25519_key"]))
	if err != nil {
		t.Fatal(err)
	}
	if key.Fingerprint() != in.HostKey.Fingerprint() {
		t.Errorf("the key is %s, want %s", key.Fingerprint(), in.HostKey.Fingerprint())
	}
}

func TestAgeAndSSHKeygenTakeTheKeys(t *testing.T) {
	testimage.Require(t, "age", "ssh-keygen")
	in, err := WriteInputs(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	encrypt := exec.Command("age", "--encrypt", "-i", in.Identity) // to the identity's own recipient
	encrypt.Stdin = strings.NewReader("demo")
	ciphertext, err := encrypt.Output()
	if err != nil {
		t.Fatal(err)
	}
	decrypt := exec.Command("age", "--decrypt", "-i", in.Identity)
	decrypt.Stdin = bytes.NewReader(ciphertext)
	if got, err := decrypt.Output(); err != nil || string(got) != "demo" {
		t.Errorf("age: got %q, %v", got, err)
	}

	private := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(private, in.HostKey.Private(), 0o600); err != nil {
		t.Fatal(err)
	}
	public, err := exec.Command("ssh-keygen", "-y", "-f", private).Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(in.HostKey.Public()), string(public)); diff != "" {
		t.Errorf("ssh-keygen -y (-want +got):\n%s", diff)
	}
}

func TestNoTwoDemosShareAKey(t *testing.T) {
	one, err := WriteInputs(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	two, err := WriteInputs(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if one.HostKey.Fingerprint() == two.HostKey.Fingerprint() {
		t.Error("the host keys are the same")
	}
	for _, of := range []func(*Inputs) string{func(in *Inputs) string { return in.Identity }, func(in *Inputs) string { return in.Secrets }} {
		a, errA := os.ReadFile(of(one))
		b, errB := os.ReadFile(of(two))
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(a, b) {
			t.Errorf("%s and %s are the same", of(one), of(two))
		}
	}
}

func TestTheCredentialsArePossibleOnes(t *testing.T) {
	if err := netenv.CheckSSID(SSID); err != nil {
		t.Error(err)
	}
	if err := netenv.CheckPSK(PSK); err != nil {
		t.Error(err)
	}
	for _, awkward := range []string{`"`, `\`, `$`, "`", ";"} {
		if !strings.Contains(SSID, awkward) || !strings.Contains(PSK, awkward) {
			t.Errorf("the credentials lack %s", awkward)
		}
	}
}

func TestADirectoryIsNotTakenForAnOption(t *testing.T) {
	t.Chdir(t.TempDir())
	in, err := WriteInputs("-d", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{in.Dir, in.Image, in.Identity, in.Secrets} {
		if strings.HasPrefix(path, "-") {
			t.Errorf("%s begins like an option", path)
		}
	}
}

func TestADirectoryWithSomethingInItIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	_, err := WriteInputs(dir, false)
	if !errors.Is(err, ErrNotEmpty) {
		t.Errorf("got the error %v, want %v", err, ErrNotEmpty)
	}
	var hinted *cli.Error
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "--force") {
		t.Errorf("no hint that names --force: %v", err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("the directory (-before +after):\n%s", diff)
	}
}

func TestForceReplacesTheDemosFilesOnly(t *testing.T) {
	dir := t.TempDir()
	first, err := WriteInputs(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mine", "age.key", "secrets/bastet.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := files(t, dir)
	second, err := WriteInputs(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("the directory (-before +after):\n%s", diff)
	}
	for _, name := range []string{"mine", "age.key", "secrets/bastet.yaml"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != "mine" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if first.HostKey.Fingerprint() == second.HostKey.Fingerprint() {
		t.Error("the host key was not replaced")
	}
	t.Setenv("SOPS_AGE_KEY_FILE", second.Identity)
	if _, err := secrets.Open(t.Context(), second.Secrets); err != nil {
		t.Error(err)
	}
}

func TestAFailureLeavesNothingNew(t *testing.T) {
	for _, tc := range []struct {
		name  string
		setUp func(t *testing.T, root string) // makes what is in the way of root/demo
		force bool
	}{
		{"the directory is a file", func(t *testing.T, root string) { write(t, filepath.Join(root, "demo")) }, false},
		{"a directory above it is a file", func(t *testing.T, root string) { write(t, filepath.Join(root, "demo")) }, false},
		{"secrets is a file", func(t *testing.T, root string) { write(t, filepath.Join(root, "demo", "secrets")) }, true},
		{"the identity is a directory", func(t *testing.T, root string) { write(t, filepath.Join(root, "demo", "demo-age.key", "x")) }, true},
		{"the SOPS file is a directory", func(t *testing.T, root string) { write(t, filepath.Join(root, "demo", "secrets", "demo.yaml", "x")) }, true},
		{"the SOPS file is a directory beside an earlier demo's identity", func(t *testing.T, root string) {
			write(t, filepath.Join(root, "demo", "demo-age.key"))
			write(t, filepath.Join(root, "demo", "secrets", "demo.yaml", "x"))
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			tc.setUp(t, root)
			before := files(t, root)
			dir := filepath.Join(root, "demo")
			if strings.Contains(tc.name, "above") {
				dir = filepath.Join(dir, "below", "it")
			}
			in, err := WriteInputs(dir, tc.force)
			if err == nil || in != nil {
				t.Fatalf("got %v, error %v; want an error", in, err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is of several lines: %q", err)
			}
			if diff := cmp.Diff(before, files(t, root)); diff != "" {
				t.Errorf("the directory (-before +after):\n%s", diff)
			}
		})
	}
	if _, err := WriteInputs("", false); err == nil {
		t.Error("no directory at all is no error")
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAKilledRunLeftGoesWithForce(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, ".demo-age.key.boringboot-0123456789abcdef.tmp")
	if err := os.WriteFile(stale, []byte("half an identity"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := WriteInputs(dir, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(stale); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
