package secrets

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getsops/sops/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

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
			got, err := readTree(format, []byte(text))
			if (err == nil) != (wantErr == nil) {
				t.Errorf("%s %q: sops says %v, we say %v", format, text, wantErr, err)
				continue
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), notInline); diff != "" {
				t.Errorf("%s %q (-sops +ours):\n%s", format, text, diff)
			}
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
			got, err := readTree(f, data)
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
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs(), notInline); err == nil && diff != "" {
					t.Errorf("(-sops +ours):\n%s", diff)
				}
			}
			documents, md, err := load("s", f, data)
			if err == nil {
				_ = (&File{path: "s", documents: documents}).decrypt(md, make([]byte, 32))
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
