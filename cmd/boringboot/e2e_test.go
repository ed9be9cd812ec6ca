package main_test

// This file holds what the end-to-end tests share: the two programs, built once and run as a user runs them, and a workplace with an
// identity, a host key and a SOPS file made on the spot.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/secrets"
	"boringboot/internal/testimage"
)

// programs is the directory with the built boringboot and verify-image.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "boringboot-programs-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		programs = dir
		build := exec.Command("go", "build", "-o", dir, "boringboot/cmd/boringboot", "boringboot/cmd/verify-image")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
			return 1
		}
		os.Unsetenv("SOURCE_DATE_EPOCH")
		return m.Run()
	}())
}

const (
	testSSID = `Kaf\fee "$HOME"; #1 ` + "`x`" // 25 bytes that each parser on the way has its own ideas about
	testPSK  = ` leading "space" $(and) \ ;more`
)

// workplace is a directory in which a user provisions the host bastet.
type workplace struct {
	tb      testing.TB
	dir     string
	private []byte // the host key, as ssh-keygen wrote it
	public  []byte
}

func newWorkplace(tb testing.TB) *workplace {
	tb.Helper()
	testimage.Require(tb, "ssh-keygen", "age-keygen")
	w := &workplace{tb: tb, dir: tb.TempDir()}
	w.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "root@bastet", "-f", w.path("key"))
	w.sh("age-keygen", "-o", w.path("age.key"))
	w.private, w.public = w.read("key"), w.read("key.pub")
	w.sops("secrets/bastet.yaml", map[string]string{
		"ssh_host_ed25519_key": string(w.private), "wifi_ssid": testSSID, "wifi_psk": testPSK,
	})
	return w
}

// sops writes values as a SOPS file, encrypted to the workplace's identity.
func (w *workplace) sops(name string, values map[string]string) {
	w.tb.Helper()
	recipient := strings.TrimSpace(w.sh("age-keygen", "-y", w.path("age.key")))
	data, err := secrets.Encrypt(name, values, []string{recipient})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.write(name, data)
}

func (w *workplace) path(name string) string { return filepath.Join(w.dir, name) }

func (w *workplace) read(name string) []byte {
	w.tb.Helper()
	b, err := os.ReadFile(w.path(name))
	if err != nil {
		w.tb.Fatal(err)
	}
	return b
}

func (w *workplace) write(name string, data []byte) {
	w.tb.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.tb.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), data, 0o600); err != nil {
		w.tb.Fatal(err)
	}
}

// sh runs one of the judges' programs, which must succeed, and returns its standard output.
func (w *workplace) sh(name string, args ...string) string {
	w.tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = w.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		w.tb.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

// finished is how a program ended.
type finished struct {
	code           int
	stdout, stderr string
}

// command prepares one of our programs as a user would start it.
func (w *workplace) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(programs, program), args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "SOPS_AGE_KEY_FILE="+w.path("age.key"), "HOME="+w.dir, "XDG_CONFIG_HOME="+w.dir)
	return cmd
}

func (w *workplace) run(program string, args ...string) finished {
	w.tb.Helper()
	return w.end(w.command(program, args...))
}

func (w *workplace) end(cmd *exec.Cmd) finished {
	w.tb.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		w.tb.Fatal(err)
	}
	f := finished{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	w.noSecrets(f)
	return f
}

// noSecrets fails the test when a program has said a secret.
func (w *workplace) noSecrets(f finished) {
	w.tb.Helper()
	lines := strings.Split(string(w.private), "\n")
	for _, secret := range []string{testPSK, lines[1], lines[3]} {
		for _, said := range []string{f.stdout, f.stderr} {
			if strings.Contains(said, secret) {
				w.tb.Errorf("a secret was printed:\n%s", said)
			}
		}
	}
}

// must runs one of our programs, which must exit with code.
func (w *workplace) must(code int, program string, args ...string) finished {
	w.tb.Helper()
	f := w.run(program, args...)
	if f.code != code {
		w.tb.Fatalf("%s %s: exit code %d, want %d\n%s%s", program, strings.Join(args, " "), f.code, code, f.stdout, f.stderr)
	}
	return f
}

// only fails the test when the directory holds anything but names.
func (w *workplace) only(dir string, names ...string) {
	w.tb.Helper()
	entries, err := os.ReadDir(w.path(dir))
	if err != nil {
		w.tb.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(names, got); diff != "" {
		w.tb.Errorf("what is in %s (-want +got):\n%s", dir, diff)
	}
}

func lookPath(t *testing.T, program string) string {
	t.Helper()
	p, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
