package secrets

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/logging"
	"github.com/getsops/sops/v3/pgp"
	"github.com/getsops/sops/v3/version"
	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

func run(tb testing.TB, stdin string, args ...string) string {
	tb.Helper()
	testimage.Require(tb, args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%q: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

// newIdentity makes an age identity without telling sops of it.
func newIdentity(tb testing.TB) *age.X25519Identity {
	tb.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// newSSHKey makes an SSH key and returns the path of its private half and its public line.
func newSSHKey(tb testing.TB, typ, passphrase string) (path, public string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "ssh-key")
	run(tb, "", "ssh-keygen", "-q", "-t", typ, "-N", passphrase, "-f", path)
	pub, err := os.ReadFile(path + ".pub")
	if err != nil {
		tb.Fatal(err)
	}
	return path, strings.TrimSpace(string(pub))
}

func putFile(tb testing.TB, path, data string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func readText(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestIdentitiesAreFoundWhereSopsLooks(t *testing.T) {
	tests := []struct {
		name  string
		offer func(t *testing.T) (recipient string)
	}{
		{"SOPS_AGE_KEY", func(t *testing.T) string { return identity(t) }},
		{"SOPS_AGE_KEY, the second of two", func(t *testing.T) string {
			id := newIdentity(t)
			t.Setenv("SOPS_AGE_KEY", newIdentity(t).String()+" "+id.String()+"\n")
			return id.Recipient().String()
		}},
		{"SOPS_AGE_KEY_FILE, with comments, as age-keygen writes it", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "age.key")
			run(t, "", "age-keygen", "-o", path)
			t.Setenv("SOPS_AGE_KEY_FILE", path)
			return strings.TrimSpace(run(t, "", "age-keygen", "-y", path))
		}},
		{"SOPS_AGE_KEY_CMD", func(t *testing.T) string {
			testimage.Require(t, "cat")
			id := newIdentity(t)
			t.Setenv("SOPS_AGE_KEY_CMD", "cat '"+write(t, "age key", []byte(id.String()))+"'")
			return id.Recipient().String()
		}},
		{"keys.txt of the user's configuration", func(t *testing.T) string {
			id := newIdentity(t)
			putFile(t, filepath.Join(configDir(), "sops", "age", "keys.txt"), id.String()+"\n")
			return id.Recipient().String()
		}},
		{"SOPS_AGE_SSH_PRIVATE_KEY_FILE", func(t *testing.T) string {
			path, public := newSSHKey(t, "ed25519", "")
			t.Setenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE", path)
			return public
		}},
		{"~/.ssh/id_ed25519", func(t *testing.T) string {
			path, public := newSSHKey(t, "ed25519", "")
			putFile(t, filepath.Join(os.Getenv("HOME"), ".ssh", "id_ed25519"), readText(t, path))
			return public
		}},
		{"~/.ssh/id_rsa", func(t *testing.T) string {
			path, public := newSSHKey(t, "rsa", "")
			putFile(t, filepath.Join(os.Getenv("HOME"), ".ssh", "id_rsa"), readText(t, path))
			return public
		}},
		{"one place is broken and another has it", func(t *testing.T) string {
			recipient := identity(t)
			t.Setenv("SOPS_AGE_KEY_FILE", filepath.Join(t.TempDir(), "missing"))
			return recipient
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			recipient := tt.offer(t)
			path := encrypted(t, "s.yaml", "k: v\n", recipient)
			if diff := cmp.Diff("v", lookup(t, path, "k")); diff != "" {
				t.Errorf("SOPS file (-want +got):\n%s", diff)
			}
			for _, armor := range []string{"", "--armor"} {
				args := []string{"age", "--encrypt", "--recipient", recipient}
				if armor != "" {
					args = append(args, armor)
				}
				file := write(t, "x.age", []byte(run(t, "plain\x00text\xff", args...)))
				got, err := DecryptAge(t.Context(), file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff("plain\x00text\xff", string(got)); diff != "" {
					t.Errorf("age file %s (-want +got):\n%s", armor, diff)
				}
			}
		})
	}
}

func TestWithoutTheRightIdentityTheErrorSaysWhatWasLookedAt(t *testing.T) {
	const marker = "AGE-SECRET-KEY-1SESAMESTREET"
	tests := []struct {
		name  string
		offer func(t *testing.T)
		want  error
		says  []string
	}{
		{"none at all", func(t *testing.T) {}, ErrNoIdentity, []string{"SOPS_AGE_KEY (not set)", "SOPS_AGE_KEY_FILE (not set)", "id_ed25519", "keys.txt"}},
		{"another one", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY", newIdentity(t).String()) }, ErrWrongIdentity, nil},
		{"one that is none", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY", marker) }, ErrNoIdentity, []string{"SOPS_AGE_KEY (it holds something that is no age identity)"}},
		{"an empty one", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY", "") }, ErrNoIdentity, []string{"SOPS_AGE_KEY (it is empty)"}},
		{"a file that is missing", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY_FILE", "/nowhere/key") }, ErrNoIdentity, []string{"SOPS_AGE_KEY_FILE (/nowhere/key: "}},
		{"a key where the name of a file belongs", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY_FILE", marker) }, ErrNoIdentity, []string{"SOPS_AGE_KEY_FILE (it holds a key itself"}},
		{"a file that holds none", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY_FILE", write(t, "k", []byte(marker))) }, ErrNoIdentity, []string{"k: it holds something that is no age identity)"}},
		{"another one and a file that is missing", func(t *testing.T) {
			t.Setenv("SOPS_AGE_KEY", newIdentity(t).String())
			t.Setenv("SOPS_AGE_KEY_FILE", "/nowhere/key")
		}, ErrWrongIdentity, []string{"SOPS_AGE_KEY_FILE (/nowhere/key: "}},
		{"an empty command", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY_CMD", " ") }, ErrNoIdentity, []string{"SOPS_AGE_KEY_CMD is set but empty"}},
		{"a command that is a comment", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY_CMD", "# pass show age") }, ErrNoIdentity, []string{"SOPS_AGE_KEY_CMD is set but empty"}},
		{"a command that fails", func(t *testing.T) { t.Setenv("SOPS_AGE_KEY_CMD", "false "+marker) }, ErrNoIdentity, []string{"SOPS_AGE_KEY_CMD (its command gave none that fits)"}},
		{"an SSH key that is none", func(t *testing.T) { t.Setenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE", write(t, "k", []byte(marker))) }, ErrNoIdentity, []string{"SOPS_AGE_SSH_PRIVATE_KEY_FILE (not usable)"}},
		{"a plugin that is not installed", func(t *testing.T) {
			t.Setenv("SOPS_AGE_KEY", "AGE-PLUGIN-NOWHERE-10Q5483")
		}, ErrNoIdentity, []string{"SOPS_AGE_KEY"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			isolate(t)
			recipient := newIdentity(t).Recipient().String()
			path := encrypted(t, "s.yaml", "k: v\n", recipient)
			agefile := write(t, "x.age", []byte(run(t, "text", "age", "-r", recipient)))
			tt.offer(t)
			_, err := Open(t.Context(), path)
			_, ageErr := DecryptAge(t.Context(), agefile)
			for file, err := range map[string]error{path: err, agefile: ageErr} {
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				for _, s := range append(tt.says, file) {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("error %q does not say %q", err, s)
					}
				}
				if strings.Contains(err.Error(), "SESAME") || strings.Contains(err.Error(), "\n") {
					t.Errorf("the error quotes an identity or has lines: %q", err)
				}
				var e *Error
				if !errors.As(err, &e) || !strings.Contains(e.Hint(), "SOPS_AGE_KEY_FILE") {
					t.Errorf("no hint with %v", err)
				}
			}
			if !strings.Contains(err.Error(), recipient) {
				t.Errorf("error %q does not say who the file is encrypted to", err)
			}
		})
	}
}

// An SSH key is looked for elsewhere than an age identity: whoever has the one is not sent to look for the other.
func TestTheHintNamesWhereAKeyOfTheRecipientsKindIsNamed(t *testing.T) {
	const ageFile, sshFile = "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"
	isolate(t)
	_, ed25519 := newSSHKey(t, "ed25519", "")
	_, rsa := newSSHKey(t, "rsa", "")
	x25519 := newIdentity(t).Recipient().String()
	nobody := &pgp.MasterKey{Fingerprint: "0123456789ABCDEF0123456789ABCDEF01234567", EncryptedKey: "x", CreationDate: time.Now()}
	for _, tt := range []struct {
		name       string
		recipients []string
		pgp        bool
		want       []string
	}{
		{"an age identity", []string{x25519}, false, []string{ageFile}},
		{"an ed25519 key", []string{ed25519}, false, []string{sshFile}},
		{"an RSA key", []string{rsa}, false, []string{sshFile}},
		{"two SSH keys", []string{rsa, ed25519}, false, []string{sshFile}},
		{"an SSH key and a PGP key", []string{ed25519}, true, []string{sshFile}},
		{"an SSH key and an age identity", []string{ed25519, x25519}, false, []string{ageFile, sshFile}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var group sops.KeyGroup
			args := []string{"age"}
			for _, r := range tt.recipients {
				group = append(group, masterKey(t, r))
				args = append(args, "-r", r)
			}
			if tt.pgp {
				group = append(group, nobody)
			}
			_, sopsErr := Open(t.Context(), grouped(t, 1, group))
			_, ageErr := DecryptAge(t.Context(), write(t, "x.age", []byte(run(t, "text", args...))))
			for file, err := range map[string]error{"SOPS file": sopsErr, "age file": ageErr} {
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("%s: %v", file, err)
				}
				for _, name := range []string{ageFile, sshFile} {
					if got, want := strings.Contains(e.Hint(), name), slices.Contains(tt.want, name); got != want {
						t.Errorf("%s: the hint %q names %s: %v, want %v (%v)", file, e.Hint(), name, got, want, e)
					}
				}
			}
		})
	}
}

func TestAPassphraseIsNotWaitedForWithoutATerminal(t *testing.T) {
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		tty.Close()
		testimage.Require(t, "setsid") // there is a terminal to ask: once more without
		if out, err := exec.Command("setsid", "--wait", os.Args[0], "-test.run=^"+t.Name()+"$").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	isolate(t)
	path, public := newSSHKey(t, "ed25519", "sesame")
	file := encrypted(t, "s.yaml", "k: v\n", public)
	t.Setenv("SOPS_AGE_SSH_PRIVATE_KEY_FILE", path)
	start := time.Now()
	_, err := Open(t.Context(), file)
	if !errors.Is(err, ErrNoIdentity) || !strings.Contains(err.Error(), "passphrase") {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestFilesThatAreNotAgeFilesAreRefused(t *testing.T) {
	recipient := identity(t)
	good := run(t, "text", "age", "-r", recipient)
	armored := run(t, "text", "age", "-a", "-r", recipient)
	flip := func(s string, i int) string { return s[:i] + string(s[i]^1) + s[i+1:] }
	for name, test := range map[string]struct {
		data string
		want error
	}{
		"plain text":                  {"sesame", ErrNotEncrypted},
		"nothing":                     {"", ErrNotEncrypted},
		"an identity":                 {os.Getenv("SOPS_AGE_KEY"), ErrNotEncrypted},
		"cut in its header":           {good[:60], ErrDamaged},
		"cut in its payload":          {good[:len(good)-1], ErrDamaged},
		"a bit flipped at the end":    {flip(good, len(good)-1), ErrDamaged},
		"something behind it":         {good + "x", ErrDamaged},
		"armored, cut":                {armored[:len(armored)/2], ErrDamaged},
		"armored, a line of it wrong": {strings.Replace(armored, "\n", "\n?", 2), ErrDamaged},
		"encrypted with a passphrase": {"age-encryption.org/v1\n-> scrypt MDEyMzQ1Njc4OWFiY2RlZg 10\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n0123456789abcdef", ErrWrongIdentity},
	} {
		if got, err := DecryptAge(t.Context(), write(t, "x.age", []byte(test.data))); !errors.Is(err, test.want) || got != nil {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

// grouped encrypts one value to groups of recipients, of which threshold are needed.
func grouped(tb testing.TB, threshold int, groups ...sops.KeyGroup) string {
	tb.Helper()
	tree := sops.Tree{Branches: sops.TreeBranches{{{Key: "k", Value: "v"}}}, Metadata: sops.Metadata{KeyGroups: groups, ShamirThreshold: threshold, Version: version.Version}}
	key, errs := tree.GenerateDataKey()
	if key == nil { // errs is of recipients that nobody has the key of: the tests want such
		tb.Fatal(errs)
	}
	if err := encryptAsSops(&tree, key); err != nil {
		tb.Fatal(err)
	}
	data, err := realStore(YAML).EmitEncryptedFile(tree)
	if err != nil {
		tb.Fatal(err)
	}
	return write(tb, "s.yaml", data)
}

func masterKey(tb testing.TB, recipient string) *sopsage.MasterKey {
	tb.Helper()
	mk, err := sopsage.MasterKeyFromRecipient(recipient)
	if err != nil {
		tb.Fatal(err)
	}
	return mk
}

func TestGroupsOfRecipientsOpenWhenEnoughOfThemDo(t *testing.T) {
	mine := identity(t)
	other := newIdentity(t).Recipient().String()
	// A PGP recipient that nobody has: where it comes first, the file opens through age nevertheless.
	nobody := &pgp.MasterKey{Fingerprint: "0123456789ABCDEF0123456789ABCDEF01234567", EncryptedKey: "x", CreationDate: time.Now()}
	group := func(recipients ...string) sops.KeyGroup {
		g := sops.KeyGroup{nobody}
		for _, r := range recipients {
			g = append(g, masterKey(t, r))
		}
		return g
	}
	for name, path := range map[string]string{
		"two of two":                     grouped(t, 2, group(mine), group(other, mine)),
		"two of three, the first is not": grouped(t, 2, group(other), group(mine), group(mine)),
	} {
		if got := lookup(t, path, "k"); got != "v" {
			t.Errorf("%s: got %q", name, got)
		}
	}
	start := time.Now()
	_, err := Open(t.Context(), grouped(t, 2, group(mine), group(other), group(other)))
	if !errors.Is(err, ErrWrongIdentity) || !strings.Contains(err.Error(), "2 of its 3 groups are needed, 1 opened") || !strings.Contains(err.Error(), "pgp 0123456789ABCDEF") {
		t.Errorf("one of three where two are needed: %v", err)
	}
	if d := time.Since(start); d > sopsTimeout {
		t.Errorf("it took %v", d)
	}
}

func TestSopsLogsNothing(t *testing.T) {
	for name, l := range logging.Loggers {
		if l.Out != io.Discard {
			t.Errorf("the logger %s writes to %v", name, l.Out)
		}
	}
	if len(logging.Loggers) < 5 {
		t.Errorf("%d loggers: the test looks at the wrong place", len(logging.Loggers))
	}
}
