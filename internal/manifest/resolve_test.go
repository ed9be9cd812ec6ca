package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"boringboot/internal/netenv"
	"boringboot/internal/sshkey"
)

// vault is a SOPS file that was decrypted already.
type vault map[string]string

var errNoKey = errors.New("no such key")

func (v vault) Name() string { return "secrets/bastet.yaml" }
func (v vault) Lookup(key string) ([]byte, error) {
	s, ok := v[key]
	if !ok {
		return nil, fmt.Errorf("secrets/bastet.yaml: %s: %w", key, errNoKey)
	}
	return []byte(s), nil
}

func newKey(tb testing.TB) *sshkey.Key {
	tb.Helper()
	k, err := sshkey.Generate("root@bastet")
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func parse(tb testing.TB, items ...string) *Manifest {
	tb.Helper()
	m, err := Parse("m", []byte("version: 1\nfiles:\n  - "+strings.Join(items, "\n  - ")+"\n"))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// contents reads every entry's content and returns it by path.
func contents(tb testing.TB, entries []Entry) map[string]string {
	tb.Helper()
	all := make(map[string]string)
	for _, e := range entries {
		if e.Content == nil {
			continue
		}
		b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Content.Size()))
		if err != nil {
			tb.Fatal(err)
		}
		all[e.Path] = string(b)
	}
	return all
}

func TestTheDefaultResolvesToAKeyItsPublicHalfAndCredentials(t *testing.T) {
	k := newKey(t)
	// A YAML block that begins with |- loses the trailing newline.
	v := vault{"ssh_host_ed25519_key": strings.TrimSuffix(string(k.Private()), "\n"), "wifi_ssid": `a "home"; $HOME`, "wifi_psk": "12345678"}
	r, err := Default().Resolve(t.Context(), Sources{Secrets: v})
	if err != nil {
		t.Fatal(err)
	}
	const dir = "/var/lib/bootstrap/ssh_host_ed25519_key"
	want := []Entry{
		{Path: dir, Kind: File, Mode: 0o600, Role: PrivateKey, Secret: true, Origin: "secret ssh_host_ed25519_key of secrets/bastet.yaml"},
		{Path: dir + ".pub", Kind: File, Mode: 0o644, Role: PublicKey, KeyPath: dir, Origin: "public half of secret ssh_host_ed25519_key of secrets/bastet.yaml"},
		{Path: "/var/lib/networkmanager/system-connections.env", Kind: File, Mode: 0o600, Role: Environment, Vars: []string{"WIFI_SSID", "WIFI_PSK"}, Secret: true, Origin: "secret wifi_ssid, wifi_psk of secrets/bastet.yaml"},
	}
	if diff := cmp.Diff(want, r.Entries, cmpopts.IgnoreFields(Entry{}, "Content")); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	got := contents(t, r.Entries)
	if diff := cmp.Diff(string(k.Private()), got[dir]); diff != "" {
		t.Errorf("private key (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(string(k.Public()), got[dir+".pub"]); diff != "" {
		t.Errorf("public key (-want +got):\n%s", diff)
	}
	vars, err := netenv.Decode([]byte(got["/var/lib/networkmanager/system-connections.env"]))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]netenv.Var{{Name: "WIFI_SSID", Value: v["wifi_ssid"]}, {Name: "WIFI_PSK", Value: v["wifi_psk"]}}, vars); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
	if r.HostKey == nil || r.HostKey.Fingerprint() != k.Fingerprint() {
		t.Errorf("HostKey is not the key")
	}
	for i, e := range Default().Expect() {
		if e.Content != nil {
			t.Errorf("%s: Expect has content", e.Path)
		}
		if diff := cmp.Diff(r.Entries[i], e, cmpopts.IgnoreFields(Entry{}, "Content", "Origin")); diff != "" {
			t.Errorf("Expect (-Resolve +Expect):\n%s", diff)
		}
	}
}

func TestEverySourceResolves(t *testing.T) {
	dir := t.TempDir()
	large := strings.Repeat("large ", 1<<16)
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte(large), 0o600); err != nil {
		t.Fatal(err)
	}
	m := parse(t,
		"{ path: /a, from: { secret: a/b/c } }",
		"{ path: /b, from: { age: sub/x.age } }",
		"{ path: /c, from: { file: ./x } }",
		"{ path: /d, from: { text: \"t\\n\" } }",
		"{ path: /e, from: { directory: true } }",
		"{ path: /f, from: { symlink: /e } }",
		fmt.Sprintf("{ path: /g, from: { file: %q } }", filepath.ToSlash(filepath.Join(dir, "x"))),
	)
	age := func(_ context.Context, path string) ([]byte, error) {
		if want := filepath.Join(dir, "sub", "x.age"); path != want {
			t.Errorf("age file %s, want %s", path, want)
		}
		return []byte("aged"), nil
	}
	r, err := m.Resolve(t.Context(), Sources{Secrets: vault{"a/b/c": "\x00binary\xff"}, Age: age, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"/a": "\x00binary\xff", "/b": "aged", "/c": large, "/d": "t\n", "/g": large}
	if diff := cmp.Diff(want, contents(t, r.Entries)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e := r.Entries[5]; e.Kind != Symlink || e.Target != "/e" || r.Entries[4].Kind != Directory {
		t.Errorf("got %+v and %+v", r.Entries[4], e)
	}
	if err := os.Truncate(filepath.Join(dir, "x"), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Entries[2].Content.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a file that has changed is read")
	}
}

func TestWhatIsWrongWithASecretIsSaidBeforeAnythingIsDone(t *testing.T) {
	const secretText = "sesame-street-42"
	wifi := "{ path: /env, from: { environment: { WIFI_SSID: wifi_ssid, WIFI_PSK: wifi_psk } } }"
	key := "{ path: /key, from: { ssh-private-key: k } }"
	tests := []struct {
		name  string
		item  string
		vault vault
		want  error
		says  []string
	}{
		{"a key is missing", wifi, vault{"wifi_ssid": "x"}, errNoKey, []string{"/env", "wifi_psk", "secrets/bastet.yaml"}},
		{"the PSK is too short", wifi, vault{"wifi_ssid": "x", "wifi_psk": "sesame"}, netenv.ErrPSK, []string{"/env", "wifi_psk", "secrets/bastet.yaml"}},
		{"the PSK has 64 characters that are no hexadecimal digits", wifi, vault{"wifi_ssid": "x", "wifi_psk": strings.Repeat(secretText, 4)}, netenv.ErrPSK, []string{"wifi_psk"}},
		{"the PSK ends in a line break", wifi, vault{"wifi_ssid": "x", "wifi_psk": secretText + "\n"}, netenv.ErrPSK, []string{"wifi_psk", "|-"}},
		{"the SSID is empty", wifi, vault{"wifi_ssid": "", "wifi_psk": secretText}, netenv.ErrSSID, []string{"wifi_ssid"}},
		{"the SSID has 33 bytes", wifi, vault{"wifi_ssid": strings.Repeat("x", 33), "wifi_psk": secretText}, netenv.ErrSSID, []string{"33"}},
		{"the SSID ends in a line break", wifi, vault{"wifi_ssid": "x\n", "wifi_psk": secretText}, netenv.ErrSSID, []string{"wifi_ssid", "|-"}},
		{"the PSK goes under another name", "{ path: /env, from: { environment: { HOME_PSK: home/pass } } }", vault{"home/pass": "sesame"}, netenv.ErrPSK, []string{"home/pass"}},
		{"the SSID goes under another name", "{ path: /env, from: { environment: { HOME_SSID: wifi/home/ssid } } }", vault{"wifi/home/ssid": strings.Repeat("sesame", 6)}, netenv.ErrSSID, []string{"wifi/home/ssid", "36"}},
		{"the PSK comes from another key", "{ path: /env, from: { environment: { WIFI_PSK: home } } }", vault{"home": "sesame"}, netenv.ErrPSK, []string{"home"}},
		{"a value that no environment carries", "{ path: /env, from: { environment: { TOKEN: t } } }", vault{"t": secretText + "\x00"}, netenv.ErrValue, []string{"TOKEN", "secret t"}},
		{"the host key is no key", key, vault{"k": secretText}, sshkey.ErrFormat, []string{"/key", "secret k", "secrets/bastet.yaml"}},
		{"the host key of a .pub is no key", "{ path: /pub, from: { ssh-public-key-of: k } }", vault{"k": secretText}, sshkey.ErrFormat, []string{"/pub"}},
		{"the host key is of another type", key, vault{"k": "-----BEGIN RSA PRIVATE KEY-----\n" + secretText}, sshkey.ErrType, []string{"RSA"}},
		{"a file is missing", "{ path: /f, from: { file: missing } }", nil, os.ErrNotExist, []string{"/f", "missing"}},
		{"a file is a directory", "{ path: /f, from: { file: . } }", nil, nil, []string{"/f", "regular"}},
		{"no SOPS file", "{ path: /s, from: { secret: k } }", nil, nil, []string{"/s", "no SOPS file"}},
		{"age is not to be had", "{ path: /s, from: { age: x } }", nil, nil, []string{"/s", "age"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := Sources{Dir: t.TempDir()}
			if tt.vault != nil {
				src.Secrets = tt.vault
			}
			r, err := parse(t, tt.item).Resolve(t.Context(), src)
			if err == nil || r != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not say %q", err, s)
				}
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error quotes the secret: %v", err)
			}
		})
	}
}

func TestAManifestThatAProgramBuiltIsCheckedToo(t *testing.T) {
	for name, m := range map[string]*Manifest{
		"no version":        {},
		"a bad path":        {Version: 1, Files: []Item{{Path: "a", From: From{Source: Text}}}},
		"no source":         {Version: 1, Files: []Item{{Path: "/a"}}},
		"a directory's bit": {Version: 1, Files: []Item{{Path: "/a", Mode: os.ModeDir, From: From{Source: Dir}}}},
		"no owner":          {Version: 1, Files: []Item{{Path: "/a", UID: noOwner, From: From{Source: Text}}}},
		"twice":             {Version: 1, Files: []Item{{Path: "/a", From: From{Source: Text}}, {Path: "/a", From: From{Source: Text}}}},
	} {
		if r, err := m.Resolve(t.Context(), Sources{}); !errors.Is(err, ErrManifest) && !errors.Is(err, ErrPath) || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNeedsSecrets(t *testing.T) {
	if !Default().NeedsSecrets() {
		t.Error("the default needs secrets")
	}
	m := parse(t, "{ path: /b, from: { age: x } }", "{ path: /c, from: { file: x } }", "{ path: /d, from: { text: x } }", "{ path: /e, from: { directory: true } }", "{ path: /f, from: { symlink: x } }")
	if m.NeedsSecrets() {
		t.Error("none of these needs a SOPS file")
	}
}
