package secrets

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Whole files, and the MAC over them: sops encrypts and we decrypt, we encrypt and sops decrypts.

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
		decryptAsSops(t, tree, key)
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
	options := map[string]func(*sops.Metadata){
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
	for name, rule := range options {
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

// rules are the options that say what is encrypted: as sops has them, and as metadata names them.
var rules = []struct {
	name, text string
	set        func(m *sops.Metadata, text string)
}{
	{"unencrypted_suffix", "_x", func(m *sops.Metadata, text string) { m.UnencryptedSuffix = text }},
	{"encrypted_suffix", "_x", func(m *sops.Metadata, text string) { m.EncryptedSuffix = text }},
	{"unencrypted_regex", "^(a|b)$", func(m *sops.Metadata, text string) { m.UnencryptedRegex = text }},
	{"encrypted_regex", "^(a|b)$", func(m *sops.Metadata, text string) { m.EncryptedRegex = text }},
	{"encrypted_regex", "(", func(m *sops.Metadata, text string) { m.EncryptedRegex = text }},
	{"unencrypted_regex", "(", func(m *sops.Metadata, text string) { m.UnencryptedRegex = text }},
	{"unencrypted_comment_regex", "^ ?plain", func(m *sops.Metadata, text string) { m.UnencryptedCommentRegex = text }},
	{"encrypted_comment_regex", "^ ?plain", func(m *sops.Metadata, text string) { m.EncryptedCommentRegex = text }},
}

// randomTree is documents of everything that a tree can have.
func randomTree(r *rand.Rand) []branch {
	documents := make([]branch, 1+r.IntN(3))
	for i := range documents {
		documents[i] = randomValue(r, 4, true).(branch)
	}
	return documents
}

func randomValue(r *rand.Rand, depth int, mapping bool) any {
	comments := []comment{"plain", " plain text", " c", "", " # x"}
	switch n := r.IntN(10); {
	case mapping || depth > 0 && n < 3:
		b := branch{}
		for i := range r.IntN(6) {
			if r.IntN(3) == 0 {
				b = append(b, item{key: comments[r.IntN(len(comments))]})
			}
			name := []string{"a", "b", "c_x", "d", "e:f", ""}[r.IntN(6)]
			b = append(b, item{fmt.Sprint(name, []any{"", i}[r.IntN(2)]), randomValue(r, depth-1, false)})
		}
		return b
	case depth > 0 && n < 5:
		list := []any{}
		for range r.IntN(5) {
			if r.IntN(3) == 0 {
				list = append(list, comments[r.IntN(len(comments))])
			}
			list = append(list, randomValue(r, depth-1, false))
		}
		return list
	}
	return []any{"", "x", "x y\n", "ENC[", 0, -12, 1 << 40, 1.5, -1e21, true, false, nil, time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "é\x00"}[r.IntN(14)]
}

// TestRandomTreesPassBothWays holds the walk, the rules and the MAC against sops' on trees of every shape.
func TestRandomTreesPassBothWays(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		plain := toSops(randomTree(r)).(sops.TreeBranches)
		rule := rules[r.IntN(len(rules))]
		theirs := sops.Metadata{MACOnlyEncrypted: r.IntN(2) == 0, LastModified: time.Unix(1e9, 0).UTC()}
		rule.set(&theirs, rule.text)
		var reader fieldReader
		ours := &metadata{rule: reader.rule(fields{{rule.name, rule.text}}), macOnlyEncrypted: theirs.MACOnlyEncrypted, lastModified: theirs.LastModified}
		compareTrees(t, fmt.Sprintf("seed %d, %s", seed, rule.name), plain, theirs, ours)
	}
}

func compareTrees(t *testing.T, name string, plain sops.TreeBranches, theirs sops.Metadata, ours *metadata) {
	t.Helper()
	clone := func() sops.TreeBranches { return toSops(fromSops(plain)).(sops.TreeBranches) }
	equal := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateNaNs()}

	bySops := clone()
	wantMAC, err := sops.Tree{Branches: bySops, Metadata: theirs}.Encrypt(testKey, aes.NewCipher())
	if err != nil {
		t.Fatalf("%s: sops: %v", name, err)
	}
	wantPlain := toSops(fromSops(bySops)).(sops.TreeBranches)
	if _, err := (sops.Tree{Branches: wantPlain, Metadata: theirs}).Decrypt(testKey, aes.NewCipher()); err != nil {
		t.Fatalf("%s: sops does not read what it wrote: %v", name, err)
	}
	got := fromSops(bySops).([]branch)
	mac, where, err := decryptDocuments(got, ours, testCipher(t))
	if err != nil || mac != wantMAC {
		t.Fatalf("%s: %v: the MAC of decrypting is %s, sops' %s (%v)", name, where, mac, wantMAC, err)
	}
	if diff := cmp.Diff(wantPlain, toSops(got), equal...); diff != "" {
		t.Fatalf("%s: encrypted by sops (-sops +ours):\n%s", name, diff)
	}
	byUs := fromSops(clone()).([]branch)
	mac, err = encryptDocuments(byUs, ours, testCipher(t))
	if err != nil || mac != wantMAC {
		t.Fatalf("%s: the MAC of encrypting is %s, sops' %s (%v)", name, mac, wantMAC, err)
	}
	back := toSops(byUs).(sops.TreeBranches)
	if mac, err = (sops.Tree{Branches: back, Metadata: theirs}).Decrypt(testKey, aes.NewCipher()); err != nil || mac != wantMAC {
		t.Fatalf("%s: sops reads what we encrypted with the MAC %s, not %s (%v)", name, mac, wantMAC, err)
	}
	if diff := cmp.Diff(wantPlain, back, equal...); diff != "" {
		t.Fatalf("%s: encrypted by us (-want +sops):\n%s", name, diff)
	}
}

// A bit is changed in every value, every value is put in the place of every other, and every one is taken away.
func TestDamageToAnyValueIsFound(t *testing.T) {
	recipient := identity(t)
	data, err := encryptDocument("s.yaml", []byte("a: one\nb: 2\nc: {d: true, e: [1.5, x, {f: y}]}\nplain_unencrypted: z\nlast: w\n"), []string{recipient})
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	at := regexp.MustCompile(`ENC\[[^]]*\]|: z`).FindAllStringIndex(text, -1)
	if len(at) != 9 { // seven values, the plain one and the MAC
		t.Fatalf("%d values", len(at))
	}
	damaged := map[string]string{}
	for i, a := range at {
		value := text[a[0]:a[1]]
		damaged[fmt.Sprintf("value %d taken away", i)] = text[:a[0]] + text[a[1]:]
		damaged[fmt.Sprintf("value %d in the clear", i)] = text[:a[0]] + ": 5"[min(2, len(value)):] + text[a[1]:]
		for _, field := range []string{"data:", "iv:", "tag:", ": "} {
			if j := strings.Index(value, field); j >= 0 {
				k := a[0] + j + len(field)
				damaged[fmt.Sprintf("value %d, its %s changed", i, field)] = text[:k] + string(text[k]^1) + text[k+1:]
			}
		}
		for k, b := range at[:i] {
			damaged[fmt.Sprintf("values %d and %d exchanged", k, i)] = text[:b[0]] + value + text[b[1]:a[0]] + text[b[0]:b[1]] + text[a[1]:]
		}
	}
	for name, text := range damaged {
		if text == string(data) {
			t.Fatalf("%s: nothing is changed", name)
		}
		if f, err := Open(t.Context(), write(t, "s.yaml", []byte(text))); !errors.Is(err, ErrDamaged) || f != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	if _, err := Open(t.Context(), write(t, "s.yaml", data)); err != nil {
		t.Error(err)
	}
}
