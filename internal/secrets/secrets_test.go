package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"boringboot/internal/sshkey"
)

// identity makes an age identity and lets sops find it, and nothing else.
func identity(tb testing.TB) (recipient string) {
	tb.Helper()
	isolate(tb)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	setenv(tb, "SOPS_AGE_KEY", id.String())
	return id.Recipient().String()
}

// isolate hides every identity that the machine may have.
func isolate(tb testing.TB) {
	tb.Helper()
	home := tb.TempDir()
	for _, name := range []string{"HOME", "USERPROFILE", "XDG_CONFIG_HOME", "AppData", "GNUPGHOME"} {
		setenv(tb, name, home)
	}
	for _, name := range []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"} {
		setenv(tb, name, "")
		os.Unsetenv(name)
	}
}

func setenv(tb testing.TB, name, value string) {
	tb.Helper()
	tb.(interface{ Setenv(key, value string) }).Setenv(name, value)
}

func write(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// encrypted writes a document as a SOPS file of that name and returns its path.
func encrypted(tb testing.TB, name, document, recipient string) string {
	tb.Helper()
	data, err := encryptDocument(name, []byte(document), []string{recipient})
	if err != nil {
		tb.Fatal(err)
	}
	return write(tb, name, data)
}

func lookup(tb testing.TB, path, key string) string {
	tb.Helper()
	f, err := Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := f.Lookup(key)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

var names = []string{"s.yaml", "s.yml", "s.json", "s.env", "s.ini"}

func TestEveryFormatGivesValuesBackByteForByte(t *testing.T) {
	recipient := identity(t)
	k, err := sshkey.Generate("root@bastet")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"ssh_host_ed25519_key": string(k.Private()),
		"no_newline":           strings.TrimSuffix(string(k.Private()), "\n"),
		"wifi_ssid":            ` a;b"c'd\e$f` + "`#=:é🐈 ",
		"wifi_psk":             "12345678",
		"lines":                "\n\na\r\nb\n\n",
		"literal":              `a\nb`,
		"empty":                "",
		"yes":                  "yes",
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			data, err := encryptValues(name, values, []string{recipient})
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range values {
				if strings.TrimSpace(want) != "" && len(want) > 4 && strings.Contains(string(data), want) {
					t.Errorf("%s is in the file as it is", key)
				}
				if diff := cmp.Diff(want, lookup(t, write(t, name, data), key)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", key, diff)
				}
			}
			// The same without an extension: the content tells.
			if got := lookup(t, write(t, "secrets", data), "wifi_psk"); got != "12345678" {
				t.Errorf("without an extension: %q", got)
			}
		})
	}
}

func TestNestedKeysListsAndTypes(t *testing.T) {
	recipient := identity(t)
	const yaml = `# a comment
top: x
wifi:
  # another
  home: {ssid: "a", psk: 12345678}
  list:
    # in the list
    - zero
    - {name: one}
"a/b": slash
number: 42
negative: -7
long: 1234567890123456789
decimal: 0.25
truth: true
block: |
  two
  lines
text_unencrypted: plain text
number_unencrypted: 12345678
`
	const json = `{"top": "x", "wifi": {"home": {"ssid": "a", "psk": 12345678}, "list": ["zero", {"name": "one"}]}, "a/b": "slash",
		"number": 42, "negative": -7, "long": 1234567890123456789, "decimal": 0.25, "truth": true, "block": "two\nlines\n",
		"text_unencrypted": "plain text", "number_unencrypted": 12345678}`
	want := map[string]string{
		"top": "x", "wifi/home/ssid": "a", "wifi/home/psk": "12345678", "wifi/list/0": "zero", "wifi/list/1/name": "one", "a/b": "slash",
		"number": "42", "negative": "-7", "long": "1234567890123456789", "decimal": "0.25", "truth": "true", "block": "two\nlines\n",
		"text_unencrypted": "plain text", "number_unencrypted": "12345678",
	}
	for name, document := range map[string]string{"s.yaml": yaml, "s.json": json} {
		path := encrypted(t, name, document, recipient)
		for key, value := range want {
			if diff := cmp.Diff(value, lookup(t, path, key)); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, key, diff)
			}
		}
	}
	path := encrypted(t, "s.ini", "top = x\n[wifi]\nssid = a\n", recipient)
	for key, value := range map[string]string{"top": "x", "DEFAULT/top": "x", "wifi/ssid": "a"} {
		if diff := cmp.Diff(value, lookup(t, path, key)); diff != "" {
			t.Errorf("s.ini: %s (-want +got):\n%s", key, diff)
		}
	}
}

func TestValuesThatSopsHasNotKeptAreRefused(t *testing.T) {
	recipient := identity(t)
	path := encrypted(t, "s.yaml", "date: 2024-01-01\nfraction: 0.12345678901234567\nhuge: 123456789012345678901234567890\nnothing:\nmap: {a: 1, b: [x]}\nlist: [x]\n", recipient)
	f, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for key, says := range map[string]string{"date": "quotes", "fraction": "quotes", "huge": "quotes", "nothing": "no value", "map": "map/a, map/b/0", "list": "list/0"} {
		b, err := f.Lookup(key)
		if !errors.Is(err, ErrValue) || b != nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %q, %v", key, b, err)
		}
	}
}

func TestAMissingKeyIsNamedWithThoseThatAreThere(t *testing.T) {
	recipient := identity(t)
	path := encrypted(t, "s.yaml", "other: value-1\nwifi_pks: value-2\nwifi_ssid: value-3\na: {b: value-4}\n", recipient)
	f, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for key, nearest := range map[string]string{"wifi_psk": "it has wifi_pks", "wifi-ssid": "it has wifi_ssid", "a/c": "it has a/b", "": "it has", "a/b/c": "it has", "0": "it has", "wifi_pks/": "it has"} {
		_, err := f.Lookup(key)
		if !errors.Is(err, ErrKeyMissing) || !strings.Contains(err.Error(), nearest) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "value") {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestAKeyThatIsThereTwiceIsNoAnswer(t *testing.T) {
	recipient := identity(t)
	for name, document := range map[string]string{"s.json": `{"k": "1", "k": "2"}`, "s.env": "k=1\nk=2\n"} {
		f, err := Open(t.Context(), encrypted(t, name, document, recipient))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := f.Lookup("k"); !errors.Is(err, ErrValue) {
			t.Errorf("%s: got %q, %v", name, b, err)
		}
	}
}

func TestEachFailureHasItsKindAndSaysNothingSecret(t *testing.T) {
	recipient := identity(t)
	id := os.Getenv("SOPS_AGE_KEY")
	const sesame = "sesame-street"
	for _, name := range names[:4] { // an INI file's values stand below a section and are edited alike
		good, err := encryptValues(name, map[string]string{"wifi_psk": sesame, "other": "x"}, []string{recipient})
		if err != nil {
			t.Fatal(err)
		}
		value := regexp.MustCompile(`ENC\[AES256_GCM,data:[^\]]*\]`)
		first := value.FindIndex(good)
		edit := func(change func(s string) string) []byte { return []byte(change(string(good))) }
		plain := map[string]string{"s.yaml": "wifi_psk: " + sesame + "\n", "s.yml": "a: [" + sesame + "]\n", "s.json": `{"wifi_psk": "` + sesame + `"}`, "s.env": "wifi_psk=" + sesame + "\n"}[name]
		broken := map[string]string{"s.yaml": "a: b: " + sesame, "s.yml": "\t" + sesame, "s.json": `{"wifi_psk": ` + sesame + `}`, "s.env": sesame}[name]
		tests := []struct {
			name string
			data []byte
			want error
			says []string
		}{
			{"a plain file", []byte(plain), ErrNotEncrypted, []string{"not encrypted"}},
			{"no format at all", []byte(broken), ErrDamaged, []string{"it is not "}},
			{"cut in the middle", good[:len(good)/2], nil, nil},
			{"a value edited by hand", append(append(append([]byte{}, good[:first[0]]...), sesame+"!"...), good[first[1]:]...), ErrDamaged, []string{"other", "edited without sops"}},
			{"a value's ciphertext damaged", edit(func(s string) string { return strings.Replace(s, "data:", "data:AAAA", 1) }), ErrDamaged, []string{"other"}},
			{"a value removed", edit(func(s string) string {
				return regexp.MustCompile(`(?m)^.*other["=: ]+ENC\[.*\n`).ReplaceAllString(s, "")
			}), ErrDamaged, []string{"MAC"}},
			{"a date changed", edit(func(s string) string {
				return regexp.MustCompile(`(lastmodified["=: ]+)\d`).ReplaceAllString(s, "${1}1")
			}), ErrDamaged, []string{"MAC"}},
			{"no MAC", edit(func(s string) string {
				return regexp.MustCompile(`(mac["=: ]+)ENC\[[^\]]*\]`).ReplaceAllString(s, "${1}")
			}), ErrDamaged, []string{"MAC"}},
			{"the key's age text damaged", edit(func(s string) string {
				return strings.Replace(s, "BEGIN AGE ENCRYPTED FILE-----", "BEGIN AGE ENCRYPTED FILE-----x", 1)
			}), ErrDamaged, []string{"key"}},
		}
		for _, tt := range tests {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				if string(tt.data) == string(good) {
					t.Fatal("the test changes nothing")
				}
				path := write(t, name, tt.data)
				f, err := Open(t.Context(), path)
				if err == nil || f != nil || tt.want != nil && !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				for _, s := range append(tt.says, path) {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("error %q does not say %q", err, s)
					}
				}
				if strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), id) {
					t.Errorf("the error quotes a secret: %v", err)
				}
			})
		}
	}
}

func TestMissingAndUnreadableFiles(t *testing.T) {
	identity(t)
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Open(t.Context(), t.TempDir()); err == nil {
		t.Error("a directory is opened")
	}
	if _, err := DecryptAge(t.Context(), filepath.Join(t.TempDir(), "none.age")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Open(t.Context(), write(t, "s.yaml", []byte(strings.Repeat("# x\n", maxFile/4+1)))); !errors.Is(err, ErrDamaged) {
		t.Errorf("huge: %v", err)
	}
}

func TestHostileFilesEndInAnError(t *testing.T) {
	identity(t)
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	for name, test := range map[string]struct{ file, text string }{
		"a billion laughs":                        {"s.yaml", laughs},
		"a billion laughs in the second document": {"s.yaml", "x: y\n---\n" + laughs},
		"an anchor that holds itself":             {"s.yaml", "x: y\n---\na: &a [*a]\n"},
		"brackets without end in JSON":            {"s.json", `{"a":` + strings.Repeat("[", 1<<20)},
		"brackets a million deep in JSON":         {"s.json", `{"a":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + "}"},
		"brackets without end in YAML":            {"s.yaml", strings.Repeat("[", 1<<20)},
		"dashes without end in YAML":              {"s.yaml", strings.Repeat("- ", 1<<20)},
		"a list index without end in dotenv":      {"s.env", "sops_age__list_999999999999__map_enc=x\nsops_mac=x\n"},
		"nothing":                                 {"s.yaml", ""},
		"metadata that is a string":               {"s.yaml", "a: b\nsops: x\n"},
		"metadata that is empty":                  {"s.yaml", "a: b\nsops: {}\n"},
		"metadata without recipients":             {"s.json", `{"a":"b","sops":{"lastmodified":"2024-01-01T00:00:00Z","mac":"x"}}`},
		"a recipient without a key":               {"s.json", `{"a":"b","sops":{"lastmodified":"2024-01-01T00:00:00Z","mac":"x","age":[{"recipient":"age1x"}]}}`},
		"a threshold of 9 of 2":                   {"s.json", `{"a":"b","sops":{"lastmodified":"2024-01-01T00:00:00Z","mac":"x","shamir_threshold":9,"key_groups":[{"age":[{"recipient":"age1x"}]},{"age":[{"recipient":"age1y"}]}]}}`},
		"NUL bytes":                               {"s.ini", "\x00\x00[\x00"},
		"no text":                                 {"s.yaml", "\xff\xfe\x00\x01"},
	} {
		if f, err := Open(t.Context(), write(t, test.file, []byte(test.text))); err == nil || f != nil || len(err.Error()) > 2000 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFindTakesTheFirstOfTwoPlaces(t *testing.T) {
	dir := t.TempDir()
	if _, err := Find(dir, "bastet"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), filepath.Join("hosts", "bastet", "secrets.yaml")) {
		t.Errorf("nothing there: %v", err)
	}
	for _, file := range []string{filepath.Join("hosts", "bastet", "secrets.yaml"), filepath.Join("secrets", "bastet.yaml")} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Find(dir, "bastet")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(path, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, host := range []string{"", ".", "..", "../x", "a/b", `a\b`} {
		if _, err := Find(dir, host); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("host %q: %v", host, err)
		}
	}
}
