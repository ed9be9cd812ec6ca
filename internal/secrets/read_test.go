package secrets

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	sopsjson "github.com/getsops/sops/v3/stores/json"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// realStore is sops' own reader and writer of a format.
func realStore(f Format) sops.Store {
	switch f {
	case JSON:
		return sopsjson.NewStore(&config.JSONStoreConfig{Indent: -1})
	case Dotenv:
		return dotenv.NewStore(&config.DotenvStoreConfig{})
	case INI:
		return ini.NewStore(&config.INIStoreConfig{})
	}
	return sopsyaml.NewStore(&config.YAMLStoreConfig{})
}

// encryptDocument does what "sops encrypt" does, with sops' own reader and writer. rules change the metadata.
func encryptDocument(name string, plaintext []byte, recipients []string, rules ...func(*sops.Metadata)) ([]byte, error) {
	store := realStore(formatOf(name, plaintext))
	branches, err := store.LoadPlainFile(plaintext)
	if err != nil {
		return nil, err
	}
	return encryptBranches(store, branches, recipients, rules...)
}

// encryptValues is Encrypt for every format, with sops' own writer.
func encryptValues(name string, values map[string]string, recipients []string) ([]byte, error) {
	format := formatOf(name, nil)
	var root sops.TreeBranch
	for _, key := range slices.Sorted(maps.Keys(values)) {
		path := []any{key}
		if format == INI {
			path = []any{"DEFAULT", key}
		}
		root, _ = root.Set(path, values[key])
	}
	return encryptBranches(realStore(format), sops.TreeBranches{root}, recipients)
}

func encryptBranches(store sops.Store, branches sops.TreeBranches, recipients []string, rules ...func(*sops.Metadata)) ([]byte, error) {
	tree, err := newTree(branches, recipients)
	if err != nil {
		return nil, err
	}
	for _, rule := range rules {
		rule(&tree.Metadata)
	}
	key, errs := tree.GenerateDataKey()
	if errs != nil {
		return nil, errs[0]
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		return nil, err
	}
	tree.Metadata.LastModified = time.Now().UTC()
	if tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339)); err != nil {
		return nil, err
	}
	return store.EmitEncryptedFile(tree)
}

// documents are plain texts in which the formats' readers could differ.
var documents = map[Format][]string{
	YAML: {
		"", "---\n", "a: b\n", "a: 1\nb: -1\nc: 1.5\nd: true\ne: null\nf:\ng: ~\nh: 0x10\ni: 0o17\nj: 017\nk: 1e3\nl: .inf\nm: 2024-01-01\nn: yes\no: '1'\np: \"\\u00fc\\n\"\n",
		"# head\n\n# of a\na: b # inline\n# foot\n\n# end\n", "a:\n  # in a\n  b: c # at c\n  # below c\n# below a\nd: e\n",
		"# one\n# two\n#\n#three\na: b\n", "l:\n  # first\n  - x # at x\n  # second\n  - y\n  # last\nm: n\n", "l: # at l\n  - {a: b} # at map\n  - [c, d]\n  - - e\n    - f\n",
		"a: |\n  x\n  y\nb: |-\n  x\nc: >\n  x\n  y\nd: |+\n  x\n\n", "a: {b: {c: [1, {d: e}]}}\n", "a: b\n---\nc: d\n", "# doc\n---\n# in\na: b\n...\n# after\n---\nc: d\n",
		"{a: b, # x\n c: d}\n", "a: ''\nb: \"\"\nc: []\nd: {}\n", "a: !!str 1\nb: !!binary aGVsbG8=\n", "'quoted key': v\n? long\n: w\n", "a:\n  - b: c\n    # in\n    d: e\n  # between\n  - f\n",
		"a: b\r\nc: d\r\n", "\ufeffa: b\n", "a: 12345678901234567890\n", "a: 123456789012345678901234567890\n",
	},
	JSON: {
		`{}`, `{"a": "b"}`, ` { "a" : [ ] , "b" : { } } `, `{"a": [1, -1, 1.5, 1e3, 12345678901234567890, true, false, null, "x", {"y": ["z"]}, []]}`, `{"ü": "\u00fc\n\ud83d\ude00", "": ""}`, `{"a": 1, "a": 2}`, `{"n": 9223372036854775807, "m": -9223372036854775808}`,
	},
	Dotenv: {"", "\n\n", "A=b\n", "A=b", "# c\nA=b\n#d\n", "A=b=c\nB=\nC= x \n", `A=x\ny` + "\n", `A="quoted"` + "\nexport B=c\n", "A=b\r\n", "=x\n"},
	INI:    {"", "a = b\n", "[s]\na = b\n[t]\nc=d\n", "; head\n[s]\n# of a\na = b ; not\n\n;;x\nb = c\n", "[s]\na=1\n[s]\na=2\n", "[s]\na = \"quoted\"\nb = 'x'\n", "[a.b]\nc = d\n", "[s]\na: b\n"},
}

func TestTreesAreThoseOfSops(t *testing.T) {
	for format, texts := range documents {
		for _, text := range texts {
			want, wantErr := realStore(format).LoadPlainFile([]byte(text))
			got, err := format.read([]byte(text))
			if (err == nil) != (wantErr == nil) {
				t.Errorf("%s %q: sops says %v, we say %v", format, text, wantErr, err)
				continue
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s %q (-sops +ours):\n%s", format, text, diff)
			}
		}
	}
}

func TestSopsReadsWhatEncryptWrites(t *testing.T) {
	recipient := identity(t)
	values := map[string]string{"a": "x", "b": "line\nline\n", "s": "é🐈\"'\\ $", "t": " ", "e": ""}
	for _, name := range []string{"s.yaml", "s.yml"} {
		data, err := Encrypt(name, values, []string{recipient})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := realStore(formatOf(name, nil)).LoadEncryptedFile(data)
		if err != nil {
			t.Fatal(err)
		}
		key, err := tree.Metadata.GetDataKey()
		if err != nil {
			t.Fatal(err)
		}
		if err := decryptTree(name, tree, key); err != nil {
			t.Fatal(err)
		}
		got, err := sops.EmitAsMap(tree.Branches)
		if err != nil {
			t.Fatal(err)
		}
		want := make(map[string]any)
		for k, v := range values {
			want[k] = v
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +sops):\n%s", name, diff)
		}
		// Written again by sops, the file is the same: they differ in nothing that sops would change.
		encrypted, err := realStore(formatOf(name, nil)).LoadEncryptedFile(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := realStore(formatOf(name, nil)).EmitEncryptedFile(encrypted)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(again), string(data)); diff != "" {
			t.Errorf("%s (-sops +ours):\n%s", name, diff)
		}
	}
}

func TestFilesWithEveryRuleOfSopsAreOpened(t *testing.T) {
	recipient := identity(t)
	const text = "# head\na: v\nb_x: w # plain\n# plain\nm:\n  c: v2\n  # secret\n  l:\n    - v3\n    # plain\n    - v4\n# foot\nd: v5\n"
	rules := map[string]func(*sops.Metadata){
		"the default":               func(*sops.Metadata) {},
		"unencrypted_suffix":        func(m *sops.Metadata) { m.UnencryptedSuffix = "_x" },
		"encrypted_suffix":          func(m *sops.Metadata) { m.UnencryptedSuffix, m.EncryptedSuffix = "", "_x" },
		"encrypted_regex":           func(m *sops.Metadata) { m.UnencryptedSuffix, m.EncryptedRegex = "", "^(a|m)$" },
		"unencrypted_regex":         func(m *sops.Metadata) { m.UnencryptedSuffix, m.UnencryptedRegex = "", "^(a|m)$" },
		"encrypted_comment_regex":   func(m *sops.Metadata) { m.UnencryptedSuffix, m.EncryptedCommentRegex = "", "secret" },
		"unencrypted_comment_regex": func(m *sops.Metadata) { m.UnencryptedSuffix, m.UnencryptedCommentRegex = "", "plain" },
		"mac_only_encrypted":        func(m *sops.Metadata) { m.EncryptedRegex, m.UnencryptedSuffix, m.MACOnlyEncrypted = "^a$", "", true },
	}
	want := map[string]string{"a": "v", "b_x": "w", "m/c": "v2", "m/l/0": "v3", "m/l/1": "v4", "d": "v5"}
	for name, rule := range rules {
		data, err := encryptDocument("s.yaml", []byte(text), []string{recipient}, rule)
		if err != nil {
			t.Fatal(err)
		}
		path := write(t, "s.yaml", data)
		for key, value := range want {
			if got := lookup(t, path, key); got != value {
				t.Errorf("%s: %s is %q, want %q", name, key, got, value)
			}
		}
	}
}

func TestEncryptRefusesWhatItCannotWrite(t *testing.T) {
	recipient := identity(t)
	for name, test := range map[string]struct {
		file       string
		key        string
		recipients []string
	}{
		"sops' own key":            {"s.yaml", "sops", []string{recipient}},
		"a format besides YAML":    {"s.json", "a", []string{recipient}},
		"nobody to read it":        {"s.yaml", "a", nil},
		"a recipient that is none": {"s.yaml", "a", []string{os.Getenv("SOPS_AGE_KEY")}},
	} {
		data, err := Encrypt(test.file, map[string]string{test.key: "x"}, test.recipients)
		if err == nil || data != nil {
			t.Errorf("%s: %s", name, data)
		}
	}
}

func FuzzRead(f *testing.F) {
	for format, texts := range documents {
		for _, text := range texts {
			f.Add(string(format), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		switch f := Format(format); f {
		case YAML, JSON, Dotenv, INI:
			got, err := f.read(data)
			if err != nil && got != nil {
				t.Fatal("a tree with an error")
			}
			if err == nil || !ourOwnRefusal(err) {
				want, wantErr := readAsSops(f, data)
				if wantErr != nil && err == nil && len(got) == 0 {
					return // blanks alone: a text of no document, which load refuses for want of metadata
				}
				if (err == nil) != (wantErr == nil) {
					t.Fatalf("sops says %v, we say %v", wantErr, err)
				}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); err == nil && diff != "" {
					t.Errorf("(-sops +ours):\n%s", diff)
				}
			}
			tree, err := load("s", f, data)
			if err == nil {
				_ = decryptTree("s", tree, make([]byte, 32))
			}
		}
	})
}

// ourOwnRefusal says whether sops may read what we refuse: YAML's aliases (readYAML says why), and what is not JSON beyond or below
// the first object, or after a piece of it (sops reads tokens, and takes the end of the text for that of the object).
func ourOwnRefusal(err error) bool {
	return strings.HasPrefix(err.Error(), "it has a YAML alias") || strings.HasPrefix(err.Error(), "it is not json")
}

// readAsSops is what sops' own store reads. Where that panics it does not.
func readAsSops(f Format, data []byte) (b sops.TreeBranches, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	b, err = realStore(f).LoadPlainFile(data)
	for _, branch := range b {
		if err == nil && !keysAreStrings(branch) {
			b, err = nil, errors.New("a key is no string") // its Tree.Encrypt and Tree.Decrypt refuse it
		}
	}
	return b, err
}

func keysAreStrings(v any) bool {
	switch v := v.(type) {
	case sops.TreeBranch:
		for _, item := range v {
			switch item.Key.(type) {
			case string, sops.Comment:
			default:
				return false
			}
			if !keysAreStrings(item.Value) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !keysAreStrings(e) })
	}
	return true
}
