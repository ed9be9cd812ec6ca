//go:build unix

package secrets

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/pgp"
	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

// standIn puts a shell script in the place of sops. It finds its arguments, its input and its environment in the directory that is returned,
// and its exit code is that of commands.
func standIn(t *testing.T, commands string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	script := "#!/bin/sh\ncd '" + dir + "'\nprintf '%s\\n' \"$@\" >arguments\nenv >environment\necho $$ >pid\ncat >input\n" + commands + "\n"
	if err := os.WriteFile(filepath.Join(dir, "sops"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

// withoutSops leaves no sops in PATH.
func withoutSops(t *testing.T) { t.Setenv("PATH", t.TempDir()) }

func vault() *hcvault.MasterKey {
	return &hcvault.MasterKey{VaultAddress: "http://vault.invalid", EnginePath: "transit", KeyName: "k", EncryptedKey: "vault:v1:AAAA", CreationDate: time.Now()}
}

// remote encrypts a document to a key service alone.
func remote(t *testing.T, name, text string, groups ...sops.KeyGroup) string {
	t.Helper()
	if len(groups) == 0 {
		groups = []sops.KeyGroup{{vault()}}
	}
	data, err := encryptDocument(name, []byte(text), []string{newIdentity(t).Recipient().String()})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := realStore(formatOf(name, nil)).LoadEncryptedFile(data)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.KeyGroups = groups
	if data, err = realStore(formatOf(name, nil)).EmitEncryptedFile(tree); err != nil {
		t.Fatal(err)
	}
	return write(t, name, data)
}

func TestSopsIsAskedOnlyWhereAgeDoesNotDo(t *testing.T) {
	mine := identity(t)
	dir := standIn(t, "exit 1")
	if got := lookup(t, grouped(t, 1, sops.KeyGroup{vault(), masterKey(t, mine)}), "k"); got != "v" {
		t.Error(got)
	}
	_, err := Open(t.Context(), encrypted(t, "s.yaml", "k: v\n", newIdentity(t).Recipient().String()))
	if !errors.Is(err, ErrWrongIdentity) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pid")); err == nil {
		t.Error("sops was run")
	}
}

func TestSopsGetsTheFileAndAnswersThroughPipes(t *testing.T) {
	identity(t)
	const answer = `{"k": "v", "n": 12345678, "f": 2, "d": "2024-01-01T00:00:00Z", "b": true, "e": "", "none": null, "l": ["x", {"y": "z"}], "plain_unencrypted": "p"}`
	dir := standIn(t, "cat <<'.'\n"+answer+"\n.")
	path := remote(t, "s.yaml", "# c\nk: v\nn: 12345678\nf: 2.0\nd: 2024-01-01\nb: true\ne: \"\"\nnone:\nl:\n    # in\n    - x\n    - y: z\nplain_unencrypted: p\n")
	f, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"k": "v", "n": "12345678", "f": "2", "b": "true", "e": "", "l/0": "x", "l/1/y": "z", "plain_unencrypted": "p"} {
		if got, err := f.Lookup(key); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	if _, err := f.Lookup("d"); !errors.Is(err, ErrValue) {
		t.Errorf("a time: %v", err)
	}
	if diff := cmp.Diff(readText(t, path), readText(t, filepath.Join(dir, "input"))); diff != "" {
		t.Errorf("what sops was given (-file +input):\n%s", diff)
	}
	if diff := cmp.Diff("--decrypt\n--input-type\nyaml\n--output-type\njson\n/dev/stdin\n", readText(t, filepath.Join(dir, "arguments"))); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestIdentitiesInTheEnvironmentGoToSopsOnlyWhereItNeedsThem(t *testing.T) {
	mine := identity(t)
	t.Setenv("VAULT_TOKEN", "token")
	id := os.Getenv("SOPS_AGE_KEY")
	dir := standIn(t, `echo '{"k": "v"}'`)
	for path, want := range map[string]bool{
		remote(t, "s.yaml", "k: v\n"):                                            false,
		grouped(t, 2, sops.KeyGroup{vault()}, sops.KeyGroup{masterKey(t, mine)}): true,
	} {
		if got := lookup(t, path, "k"); got != "v" {
			t.Error(got)
		}
		environment := readText(t, filepath.Join(dir, "environment"))
		if got := strings.Contains(environment, id); got != want {
			t.Errorf("the identity is there: %v, want %v", got, want)
		}
		if !strings.Contains(environment, "VAULT_TOKEN=token\n") {
			t.Error("what opens the key service is not there")
		}
	}
}

func TestWhatSopsCannotDoIsSaid(t *testing.T) {
	identity(t)
	path := remote(t, "s.yaml", "k: sesame\n")
	for name, tt := range map[string]struct {
		commands string
		kind     error
		says     string
	}{
		"no key":                 {"exit 128", ErrWrongIdentity, "sops gets no key"},
		"a MAC that is wrong":    {"exit 51", ErrDamaged, "MAC"},
		"a value that is wrong":  {"exit 25", ErrDamaged, "value"},
		"something else":         {"exit 1", ErrWrongIdentity, "exit status 1"},
		"a signal":               {"kill -9 $$", ErrWrongIdentity, "killed"},
		"an answer of no form":   {"echo sesame", ErrWrongIdentity, "cannot be read"},
		"another file":           {`echo '{"l": "sesame"}'`, ErrValue, "not what this file holds"},
		"more values":            {`echo '{"k": "sesame", "l": "sesame"}'`, ErrValue, "not what this file holds"},
		"fewer values":           {`echo '{}'`, ErrValue, "not what this file holds"},
		"another type":           {`echo '{"k": 1}'`, ErrValue, "k "},
		"another length":         {`echo '{"k": "sesam"}'`, ErrValue, "k "},
		"a huge answer":          {`yes sesame | head -c 70000000`, ErrWrongIdentity, "more than 64 MiB"},
		"a secret in its errors": {`echo sesame >&2; exit 128`, ErrWrongIdentity, "sops gets no key"},
	} {
		t.Run(name, func(t *testing.T) {
			standIn(t, tt.commands)
			f, err := Open(t.Context(), path)
			if !errors.Is(err, tt.kind) || f != nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "sesam") {
				t.Errorf("%v", err)
			}
			if tt.kind == ErrWrongIdentity && !strings.Contains(err.Error(), "hc_vault http://vault.invalid/v1/transit/keys/k") {
				t.Errorf("the recipient is not named: %v", err)
			}
		})
	}
}

func TestWithoutSopsTheErrorSaysWhoCouldOpenTheFile(t *testing.T) {
	isolate(t)
	withoutSops(t)
	other := masterKey(t, newIdentity(t).Recipient().String())
	if err := other.Encrypt(testKey); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		group sops.KeyGroup
		kind  error
		says  []string
		hint  []string
	}{
		"a key service alone":   {sops.KeyGroup{vault()}, ErrWrongIdentity, []string{"hc_vault http://vault.invalid", "sops", "not in PATH"}, []string{"install sops", "updatekeys"}},
		"an age identity first": {sops.KeyGroup{vault(), other}, ErrNoIdentity, []string{"hc_vault http://vault.invalid", other.Recipient, "not in PATH"}, []string{"SOPS_AGE_KEY_FILE", "install sops", "updatekeys"}},
	} {
		_, err := Open(t.Context(), remote(t, "s.yaml", "k: v\n", tt.group))
		var e *Error
		if !errors.Is(err, tt.kind) || !errors.As(err, &e) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %q does not say %q", name, err, s)
			}
		}
		for _, s := range tt.hint {
			if !strings.Contains(e.Hint(), s) {
				t.Errorf("%s: the hint %q does not say %q", name, e.Hint(), s)
			}
		}
	}
}

func TestASopsThatHangsEndsWithTheContextAndAllThatItStarted(t *testing.T) {
	identity(t)
	path := remote(t, "s.yaml", "k: v\n")
	for name, commands := range map[string]string{"it ends when told": "sleep 1000 & echo $! >child; wait", "it does not": "trap '' INT; sleep 1000 & echo $! >child; while :; do wait; done"} {
		t.Run(name, func(t *testing.T) {
			dir := standIn(t, commands)
			waiting := make(chan struct{})
			go func() {
				for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
					if b, err := os.ReadFile(filepath.Join(dir, "child")); err == nil && strings.HasSuffix(string(b), "\n") {
						close(waiting)
						return
					}
				}
			}()
			endsWithItsContext(t, path, waiting, open(path))
			for _, file := range []string{"pid", "child"} {
				if !gone(t, filepath.Join(dir, file)) {
					t.Errorf("%s goes on", file)
				}
			}
		})
	}
}

func TestASopsThatHangsIsNotWaitedForForever(t *testing.T) {
	identity(t)
	defer func(d time.Duration) { sopsTimeout = d }(sopsTimeout)
	sopsTimeout = 200 * time.Millisecond
	standIn(t, "sleep 1000")
	if _, err := Open(t.Context(), remote(t, "s.yaml", "k: v\n")); !errors.Is(err, ErrWrongIdentity) || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Error(err)
	}
}

// gone waits until the process whose number is in file has ended.
func gone(t *testing.T, file string) bool {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(readText(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	zombie := regexp.MustCompile(`\) Z `) // an orphan that has ended stays one where the machine's first process does not reap
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie.Match(stat) {
			return true
		}
	}
	return false
}

// newPGPKey makes a PGP key in a keyring of its own and has everybody find it there.
func newPGPKey(t *testing.T) (fingerprint string) {
	t.Helper()
	testimage.Require(t, "gpg", "gpgconf")
	home, err := os.MkdirTemp("", "gpg") // t.TempDir is too long for the agent's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	run(t, "", "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "test@invalid", "default", "default", "never")
	list := run(t, "", "gpg", "--batch", "--with-colons", "--list-secret-keys")
	return regexp.MustCompile(`(?m)^fpr:+([0-9A-F]+):`).FindStringSubmatch(list)[1]
}

// The sops program opens with a PGP key what we do not, in every format, and we find every byte that it can tell.
func TestPGPOpensThroughTheSopsProgram(t *testing.T) {
	testimage.Require(t, "sops")
	mine := identity(t)
	fingerprint := newPGPKey(t)
	for _, tt := range append(judged, []struct {
		name, text string
		want       map[string]string
	}{
		{"several.yaml", "a: |\n  x\n  y\n# c\nl: [1, 2.50, true, null, [x]]\n---\nb: z\nempty: \"\"\n", map[string]string{"a": "x\ny\n", "l/1": "2.5", "l/4/0": "x", "b": "z", "empty": ""}},
		{"cr.yaml", "a: \"x\\r\\ny\\t\\0\"\nquoted: \"12\"\nfloat: 12.0\n", map[string]string{"a": "x\r\ny\t\x00", "quoted": "12", "float": "12"}},
	}...) {
		t.Run(tt.name, func(t *testing.T) {
			plain := write(t, tt.name, []byte(tt.text))
			path := write(t, tt.name, []byte(run(t, "", "sops", "encrypt", "--pgp", fingerprint, plain)))
			for key, want := range tt.want {
				if got := lookup(t, path, key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
			both := write(t, tt.name, []byte(run(t, "", "sops", "encrypt", "--pgp", fingerprint, "--age", mine, plain)))
			withAge, err := Open(t.Context(), both)
			if err != nil {
				t.Fatal(err)
			}
			throughSops, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(allOf(withAge), allOf(throughSops)); diff != "" {
				t.Errorf("(-with age +through sops):\n%s", diff)
			}
		})
	}
	t.Run("bytes that are no text", func(t *testing.T) {
		path := write(t, "b.yaml", []byte(run(t, "", "sops", "encrypt", "--pgp", fingerprint, write(t, "b.yaml", []byte("a: !!binary /w==\n")))))
		if _, err := Open(t.Context(), path); !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), "a is no text") {
			t.Error(err)
		}
	})
	t.Run("a group of each", func(t *testing.T) {
		mk := pgp.NewMasterKeyFromFingerprint(fingerprint)
		path := grouped(t, 2, sops.KeyGroup{mk}, sops.KeyGroup{masterKey(t, mine)}, sops.KeyGroup{masterKey(t, newIdentity(t).Recipient().String())})
		if got := lookup(t, path, "k"); got != "v" {
			t.Error(got)
		}
	})
	t.Run("damage", func(t *testing.T) {
		text := run(t, "", "sops", "encrypt", "--pgp", fingerprint, write(t, "d.yaml", []byte("a: sesame\nb: c\n")))
		for what, damaged := range map[string]string{
			"a value taken away": regexp.MustCompile(`(?m)^b: .*\n`).ReplaceAllString(text, ""),
			"a value changed":    strings.Replace(text, "data:", "data:AAAA", 1),
			"a date changed":     strings.Replace(text, `lastmodified: "2`, `lastmodified: "1`, 1),
		} {
			if _, err := Open(t.Context(), write(t, "d.yaml", []byte(damaged))); damaged == text || !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	t.Run("without the key", func(t *testing.T) {
		path := write(t, "n.yaml", []byte(run(t, "", "sops", "encrypt", "--pgp", fingerprint, write(t, "n.yaml", []byte("a: b\n")))))
		t.Setenv("GNUPGHOME", t.TempDir())
		if _, err := Open(t.Context(), path); !errors.Is(err, ErrWrongIdentity) || !strings.Contains(err.Error(), "pgp "+fingerprint) || !strings.Contains(err.Error(), "sops gets no key") {
			t.Error(err)
		}
	})
}

// allOf is every value of a file, or why there is none.
func allOf(f *File) map[string]string {
	all := map[string]string{}
	for _, key := range f.Keys() {
		b, err := f.Lookup(key)
		all[key] = string(b)
		if err != nil {
			all[key] = strings.TrimPrefix(err.Error(), f.Name())
		}
	}
	return all
}
