package secrets

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

// The sops program as a judge, of what we read and of what we write. scripts/test builds it.

// judged are documents with what the formats and sops have: comments, nesting, lists, numbers, line breaks, values in the clear. The
// last member says what Open must find.
var judged = []struct {
	name, text string
	want       map[string]string
}{
	{"p.yaml", "# first\nkey: |\n  line one\n  line two\nssid: 'a;b c' # inline\npsk: 12345678\nnested:\n  # inside\n  list: [1, two, true]\n  wifi_unencrypted: plain\nempty: \"\"\n",
		map[string]string{"key": "line one\nline two\n", "ssid": "a;b c", "psk": "12345678", "nested/list/1": "two", "nested/wifi_unencrypted": "plain"}},
	{"p.json", `{"key": "line one\nline two\n", "ssid": "net ✓", "n": {"a": [1, "x", true]}}`,
		map[string]string{"key": "line one\nline two\n", "ssid": "net ✓", "n/a/1": "x"}},
	{"p.env", "# first\nkey=line one\\nline two\\n\nssid= a \"quoted\" $x \n", map[string]string{"key": "line one\nline two\n", "ssid": " a \"quoted\" $x "}},
	{"p.ini", "top = level\n\n[wifi]\n; inside\nssid = net\npsk = pass word\n", map[string]string{"wifi/ssid": "net", "wifi/psk": "pass word"}},
}

func TestSopsAndWeReadEachOther(t *testing.T) {
	testimage.Require(t, "sops")
	dir := t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "age.key")
	if err := os.WriteFile(keyFile, []byte(identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOPS_AGE_KEY_FILE", keyFile)
	recipient := identity.Recipient().String()
	sops := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("sops", args...)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("sops %v: %v", args, err)
		}
		return out
	}
	for _, tt := range judged {
		t.Run("what sops encrypts we open: "+tt.name, func(t *testing.T) {
			plain, encrypted := filepath.Join(dir, tt.name), filepath.Join(dir, "e-"+tt.name)
			if err := os.WriteFile(plain, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(encrypted, sops("encrypt", "--age", recipient, plain), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Open(t.Context(), encrypted)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for key := range tt.want {
				b, err := f.Lookup(key)
				if err != nil {
					t.Error(err)
				}
				got[key] = string(b)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
	for _, option := range []string{"unencrypted_suffix: d", "encrypted_suffix: d", "unencrypted_regex: ^(key|top)", "encrypted_regex: ^(ssid|nested|n)$",
		"unencrypted_comment_regex: (first|inside)", "encrypted_comment_regex: (first|inside)", "mac_only_encrypted: true, encrypted_regex: key"} {
		config := write(t, ".sops.yaml", []byte("creation_rules: [{age: "+recipient+", "+option+"}]\n"))
		for _, tt := range judged {
			t.Run(option+" "+tt.name, func(t *testing.T) {
				encrypted := sops("--config", config, "encrypt", tt.name)
				if name, _, _ := strings.Cut(option, ":"); !strings.Contains(string(encrypted), name) {
					t.Fatalf("it is not encrypted with %s:\n%s", name, encrypted)
				}
				path := write(t, tt.name, encrypted)
				for key, want := range tt.want {
					if got := lookup(t, path, key); got != want {
						t.Errorf("%s: %q, want %q", key, got, want)
					}
				}
			})
		}
	}
	values := map[string]string{"key": "line one\nline two\n", "wifi_psk": `a "b" \ $c; #=`}
	for _, tt := range []struct{ name, extract string }{{"ours.yaml", `["%"]`}} {
		t.Run("what we encrypt sops decrypts: "+tt.name, func(t *testing.T) {
			b, err := Encrypt(tt.name, values, []string{recipient})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, tt.name), b, 0o600); err != nil {
				t.Fatal(err)
			}
			for key, want := range values {
				path := tt.extract[:len(tt.extract)-3] + key + tt.extract[len(tt.extract)-2:]
				if got := string(sops("decrypt", "--extract", path, tt.name)); got != want {
					t.Errorf("%s: sops says %q, want %q", key, got, want)
				}
			}
		})
	}
}
