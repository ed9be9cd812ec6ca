package manifest

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// design is the manifest of docs/manifest.md that says what Default says.
const design = `version: 1
files:
  - path: /var/lib/bootstrap/ssh_host_ed25519_key
    from: { ssh-private-key: ssh_host_ed25519_key }    # a key of the SOPS file; a/b/c for a nested one
    mode: "0600"
  - path: /var/lib/bootstrap/ssh_host_ed25519_key.pub
    from: { ssh-public-key-of: ssh_host_ed25519_key }
    mode: "0644"
  - path: /var/lib/networkmanager/system-connections.env
    from: { environment: { WIFI_SSID: wifi_ssid, WIFI_PSK: wifi_psk } }
    mode: "0600"
`

// designJSON is the same as nix eval --json prints it: on one line, keys sorted.
const designJSON = `{"files":[{"from":{"ssh-private-key":"ssh_host_ed25519_key"},"mode":"0600","path":"/var/lib/bootstrap/ssh_host_ed25519_key"},` +
	`{"from":{"ssh-public-key-of":"ssh_host_ed25519_key"},"mode":"0644","path":"/var/lib/bootstrap/ssh_host_ed25519_key.pub"},` +
	`{"from":{"environment":{"WIFI_SSID":"wifi_ssid","WIFI_PSK":"wifi_psk"}},"mode":"0600","path":"/var/lib/networkmanager/system-connections.env"}],"version":1}`

func diffManifests(want, got *Manifest) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(Item{}))
}

func TestTheDefaultIsTheManifestOfTheDesign(t *testing.T) {
	for name, text := range map[string]string{"yaml": design, "json": designJSON, "yaml with CRLF": strings.ReplaceAll(design, "\n", "\r\n"), "json with a byte order mark": "\ufeff" + designJSON, "indented json": "\n " + strings.ReplaceAll(designJSON, ",", ",\n\t")} {
		t.Run(name, func(t *testing.T) {
			m, err := Parse("m", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := diffManifests(Default(), m); diff != "" {
				t.Errorf("(-Default +Parse):\n%s", diff)
			}
		})
	}
}

func TestEverySourceIsRead(t *testing.T) {
	const text = `
version: 1
files:
  - { path: /a, from: { secret: a/b/c } }
  - { path: /b, from: { age: secrets/x.age }, mode: "0640", gid: 100 }
  - { path: /c, from: { file: ./x }, mode: "4755", uid: 1000, gid: 4294967294 }
  - path: /d
    from:
      text: |
        two
        lines
  - { path: /e, from: { directory: true }, mode: "1777" }
  - { path: /e/f, from: { symlink: ../target } }
  - { path: /g, from: { text: "" } }
  - { path: "/h i", from: { text: "\u00fc\ud83d\ude00" } }
  - { path: /j, from: { ssh-private-key: k } }
  - { path: /k, from: { ssh-public-key-of: k } }
  - { path: /l, from: { environment: { B: x/y, A: x } }, mode: "600" }
  - { path: /m, from: { directory: true } }
`
	want := &Manifest{Version: 1, Files: []Item{
		{Path: "/a", Mode: 0o600, From: From{Source: Secret, Key: "a/b/c"}},
		{Path: "/b", Mode: 0o640, GID: 100, From: From{Source: Age, File: "secrets/x.age"}},
		{Path: "/c", Mode: 0o755 | fs.ModeSetuid, UID: 1000, GID: 4294967294, From: From{Source: LocalFile, File: "./x"}},
		{Path: "/d", Mode: 0o644, From: From{Source: Text, Text: "two\nlines\n"}},
		{Path: "/e", Mode: 0o777 | fs.ModeSticky, From: From{Source: Dir}},
		{Path: "/e/f", Mode: 0o777, From: From{Source: Link, Target: "../target"}},
		{Path: "/g", Mode: 0o644, From: From{Source: Text}},
		{Path: "/h i", Mode: 0o644, From: From{Source: Text, Text: "ü😀"}},
		{Path: "/j", Mode: 0o600, From: From{Source: SSHPrivateKey, Key: "k"}},
		{Path: "/k", Mode: 0o644, From: From{Source: SSHPublicKeyOf, Key: "k"}},
		{Path: "/l", Mode: 0o600, From: From{Source: EnvironmentVars, Vars: []Variable{{"B", "x/y"}, {"A", "x"}}}},
		{Path: "/m", Mode: 0o755, From: From{Source: Dir}},
	}}
	m, err := Parse("m", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffManifests(want, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadManifestsAreRefusedWithTheirLine(t *testing.T) {
	item := func(s string) string { return "version: 1\nfiles:\n  - " + s + "\n" }
	tests := []struct {
		name, text string
		want       error
		at         string // what the error begins with
		says       string // and what it has in it
	}{
		{"nothing", "", ErrManifest, "m:1:", "empty"},
		{"a comment only", "# x\n", ErrManifest, "m:1:", "empty"},
		{"a list", "- 1\n", ErrManifest, "m:1:", "a list"},
		{"no version", "files: []\n", ErrManifest, "m:1:", "version"},
		{"version 2", "files: []\nversion: 2\n", ErrManifest, "m:2:", "version"},
		{"version 1 as a string", "version: \"1\"\nfiles: []\n", ErrManifest, "m:1:", "version"},
		{"version 1.0", "version: 1.0\nfiles: []\n", ErrManifest, "m:1:", "version"},
		{"no files", "version: 1\n", ErrManifest, "m:1:", "files"},
		{"an empty list of files", "version: 1\nfiles: []\n", ErrManifest, "m:2:", "empty"},
		{"files is a mapping", "version: 1\nfiles: {}\n", ErrManifest, "m:2:", "a list"},
		{"an unknown key at the top", "version: 1\nfiles: []\nfile: []\n", ErrManifest, "m:3:", `"file"`},
		{"an unknown key in an item", item("path: /a\n    form: { text: x }"), ErrManifest, "m:4:", `"form"`},
		{"an unknown source", item("{ path: /a, from: { sceret: x } }"), ErrManifest, "m:3:", `"sceret"`},
		{"a key twice at the top", "version: 1\nfiles: []\nversion: 1\n", ErrManifest, "m:3:", "version"},
		{"a key twice in an item", item("path: /a\n    path: /b\n    from: { text: x }"), ErrManifest, "m:4:", "path"},
		{"a key twice in JSON", "{\"version\":1,\n\"files\":[],\n\"version\":1}", ErrManifest, "m:3:", "version"},
		{"a variable twice", item("{ path: /a, from: { environment: { A: x, A: y } } }"), ErrManifest, "m:3:", "A"},
		{"a path twice", item("{ path: /a, from: { text: x } }\n  - { path: /a, from: { text: x } }"), ErrPath, "m:4: /a", "m:3"},
		{"a path below a file", item("{ path: /a/b, from: { text: x } }\n  - { path: /a, from: { text: x } }"), ErrPath, "m:3: /a/b", "a file"},
		{"a path far below a symlink", item("{ path: /a, from: { symlink: x } }\n  - { path: /a/b/c/d, from: { text: x } }"), ErrPath, "m:4: /a/b/c/d", "a symlink"},
		{"no path", item("{ from: { text: x } }"), ErrManifest, "m:3:", "path"},
		{"a relative path", item("{ path: a, from: { text: x } }"), ErrPath, "m:3:", "absolute"},
		{"a path that is a number", item("{ path: 1, from: { text: x } }"), ErrManifest, "m:3:", "a string"},
		{"a path with a NUL", item(`{ path: "/a\0b", from: { text: x } }`), ErrPath, "m:3:", "NUL"},
		{"no source", item("{ path: /a }"), ErrManifest, "m:3:", "from"},
		{"an empty source", item("{ path: /a, from: {} }"), ErrManifest, "m:3:", "one of"},
		{"two sources", item("{ path: /a, from: { text: x, secret: y } }"), ErrManifest, "m:3:", "2 sources"},
		{"a source that is a string", item("{ path: /a, from: secret }"), ErrManifest, "m:3:", "a mapping"},
		{"a mode without quotes", item("path: /a\n    from: { text: x }\n    mode: 0600"), ErrManifest, "m:5:", "quotes"},
		{"a decimal mode without quotes", item("path: /a\n    from: { text: x }\n    mode: 600"), ErrManifest, "m:5:", "quotes"},
		{"a mode with an 8", item(`{ path: /a, from: { text: x }, mode: "0800" }`), ErrManifest, "m:3:", "octal"},
		{"a mode of five digits", item(`{ path: /a, from: { text: x }, mode: "00600" }`), ErrManifest, "m:3:", "octal"},
		{"a mode with a prefix", item(`{ path: /a, from: { text: x }, mode: "0o600" }`), ErrManifest, "m:3:", "octal"},
		{"a signed mode", item(`{ path: /a, from: { text: x }, mode: "+600" }`), ErrManifest, "m:3:", "octal"},
		{"an empty mode", item(`{ path: /a, from: { text: x }, mode: "" }`), ErrManifest, "m:3:", "octal"},
		{"a mode in letters", item(`{ path: /a, from: { text: x }, mode: "rw-------" }`), ErrManifest, "m:3:", "octal"},
		{"a symlink with a mode", item(`{ path: /a, from: { symlink: x }, mode: "0777" }`), ErrManifest, "m:3:", "mode"},
		{"a private key for the group", item(`{ path: /a, from: { ssh-private-key: x }, mode: "0640" }`), ErrManifest, "m:3: /a", "sshd"},
		{"a private key for the world", item(`{ path: /a, from: { ssh-private-key: x }, mode: "0604" }`), ErrManifest, "m:3: /a", "sshd"},
		{"a negative uid", item("{ path: /a, from: { text: x }, uid: -1 }"), ErrManifest, "m:3:", "uid"},
		{"a uid of 2^32-1", item("{ path: /a, from: { text: x }, uid: 4294967295 }"), ErrManifest, "m:3:", "uid"},
		{"a gid beyond 32 bits", item("{ path: /a, from: { text: x }, gid: 4294967296 }"), ErrManifest, "m:3:", "gid"},
		{"an octal gid", item("{ path: /a, from: { text: x }, gid: 010 }"), ErrManifest, "m:3:", "gid"},
		{"a gid by name", item("{ path: /a, from: { text: x }, gid: wheel }"), ErrManifest, "m:3:", "gid"},
		{"directory: false", item("{ path: /a, from: { directory: false } }"), ErrManifest, "m:3:", "true"},
		{"an empty key", item(`{ path: /a, from: { secret: "" } }`), ErrManifest, "m:3: /a", "key"},
		{"a key with an empty part", item("{ path: /a, from: { secret: a//b } }"), ErrManifest, "m:3: /a", "key"},
		{"a key that is a number", item("{ path: /a, from: { secret: 1 } }"), ErrManifest, "m:3:", "string"},
		{"text that is a number", item("{ path: /a, from: { text: 1.5 } }"), ErrManifest, "m:3:", "quotes"},
		{"text that is null", item("{ path: /a, from: { text: } }"), ErrManifest, "m:3:", "empty"},
		{"an empty file name", item(`{ path: /a, from: { file: "" } }`), ErrManifest, "m:3: /a", "file"},
		{"an empty target", item(`{ path: /a, from: { symlink: "" } }`), ErrManifest, "m:3: /a", "target"},
		{"a target of 4096 bytes", item("{ path: /a, from: { symlink: " + strings.Repeat("x", 4096) + " } }"), ErrManifest, "m:3: /a", "4096"},
		{"no variables", item("{ path: /a, from: { environment: {} } }"), ErrManifest, "m:3: /a", "variable"},
		{"a list of variables", item("{ path: /a, from: { environment: [ A ] } }"), ErrManifest, "m:3:", "a mapping"},
		{"a variable with a space", item("{ path: /a, from: { environment: { A B: x } } }"), ErrManifest, "m:3: /a", "variable"},
		{"an alias", "version: 1\nfiles: &x\n  - *x\n", ErrManifest, "m:2:", "anchors"},
		{"a merge key", item("{ path: /a, <<: { uid: 0 }, from: { text: x } }"), ErrManifest, "m:3:", "merge"},
		{"a tag", item("{ path: /a, from: { text: !!binary eA== } }"), ErrManifest, "m:3:", "tags"},
		{"a complex key", "? [ version ]\n: 1\n", ErrManifest, "m:", ""},
		{"two documents", "version: 1\nfiles: []\n---\nversion: 1\nfiles: []\n", ErrManifest, "m:4:", "second document"},
		{"a tab as indentation", "version: 1\nfiles:\n\t- path: /a\n", ErrManifest, "m:3:", ""},
		{"an unclosed bracket", "version: 1\nfiles: [\n", ErrManifest, "m:", ""},
		{"an unclosed quote", "version: \"1\nfiles: []\n", ErrManifest, "m:", ""},
		{"bytes that are no text", "\xff\xfe\x00", ErrManifest, "m:", ""},
		{"JSON cut off", designJSON[:len(designJSON)-1], ErrManifest, "m:", ""},
		{"JSON with something behind it", designJSON + "x", ErrManifest, "m:", ""},
		{"brackets a thousand deep", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), ErrManifest, "m:1:", "levels"},
		{"JSON a thousand deep", `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}", ErrManifest, "m:1:", "levels"},
		{"dashes a thousand deep", strings.Repeat("- ", 1000), ErrManifest, "m:1:", "levels"},
		{"question marks a thousand deep", strings.Repeat("? ", 1000), ErrManifest, "m:1:", ""},
		{"megabytes", strings.Repeat("#\n", maxDocument), ErrManifest, "m: ", "bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Parse("m", []byte(tt.text))
			if !errors.Is(err, tt.want) || m != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if !strings.HasPrefix(err.Error(), tt.at) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q, want it to begin with %q and to have %q in it", err, tt.at, tt.says)
			}
			if strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 1000 {
				t.Errorf("error is not one line: %q", err)
			}
		})
	}
}

func TestCheckPath(t *testing.T) {
	long := strings.Repeat("n", 255)
	deep := strings.Repeat("/"+strings.Repeat("d", 204), 19) // 3895 bytes
	for p, ok := range map[string]bool{
		"/a": true, "/var/lib/x": true, "/" + long: true, "/...": true, "/a b": true, "/ü": true, "/.hidden": true, "/a..b": true, "/-": true, "/a\\b": true,
		deep + "/" + strings.Repeat("e", 199): true, deep + "/" + strings.Repeat("e", 200): false,
		"": false, "/": false, "a": false, "./a": false, "/a/": false, "//a": false, "/a//b": false, "/a/./b": false, "/a/..": false, "/../a": false, "/.": false,
		"/" + long + "n": false, "/" + strings.Repeat("ü", 128): false, "/a\x00": false, "/a\nb": false, "/\x1b": false, "/a\xffb": false, "/a\u0085": false,
	} {
		if err := CheckPath(p); (err == nil) != ok || err != nil && !errors.Is(err, ErrPath) {
			t.Errorf("CheckPath(%.20q… %d bytes) = %v", p, len(p), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(design))
	f.Add([]byte(designJSON))
	f.Add([]byte("version: 1\nfiles:\n  - { path: /a, from: { text: \"\\u00fc\" }, mode: \"4755\" }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("m", data)
		if err != nil {
			if m != nil || !errors.Is(err, ErrManifest) && !errors.Is(err, ErrPath) {
				t.Fatalf("got %v and %v", m, err)
			}
			return
		}
		if err := m.check(); err != nil {
			t.Fatalf("Parse accepts what Resolve refuses: %v", err)
		}
		if len(m.Expect()) != len(m.Files) {
			t.Fatal("Expect lost an entry")
		}
	})
}
