package audit

import (
	"fmt"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// dxHash asks debugfs for hashes, several at once. Its char has a sign.
func dxHash(t *testing.T, options string, names []string) []uint32 {
	t.Helper()
	testimage.Require(t, "mke2fs", "debugfs")
	path := t.TempDir() + "/image"
	if out, err := testimage.Command(t, "mke2fs", "-q", "-F", "-b", "1024", path, "1M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	var commands []string
	for _, name := range names {
		commands = append(commands, fmt.Sprintf(`dx_hash %s "%s"`, options, name))
	}
	var list []uint32
	for line := range strings.Lines(testimage.Debugfs(t, path, 0, commands...)) {
		if _, rest, ok := strings.Cut(line, " is 0x"); ok {
			var h uint32
			if _, err := fmt.Sscanf(rest, "%x", &h); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			list = append(list, h)
		}
	}
	if len(list) != len(names) {
		t.Fatalf("%d hashes of %d names", len(list), len(names))
	}
	return list
}

const testSeedUUID = "b0f1b0f1-0000-4000-8000-000000000001"

var testSeed = [4]uint32{0xf1b0f1b0, 0x00400000, 0x00000080, 0x01000000}

func TestHashesAreThoseOfDebugfs(t *testing.T) {
	names := []string{"a", "ab", "abc", "abcd", "lost+found", "Grüße", "\u65e5\u672c\u8a9e"}
	for _, n := range []int{15, 16, 17, 31, 32, 33, 63, 64, 65, 255} {
		names = append(names, strings.Repeat("xyz-", 64)[:n])
	}
	for version, alg := range []string{"legacy", "half_md4", "tea"} {
		for i, want := range dxHash(t, "-s "+testSeedUUID+" -h "+alg, names) {
			if got := hashName(uint8(version), hashSeed(testSeed), []byte(names[i])); got != want {
				t.Errorf("%s of %q: got %#x, want %#x", alg, names[i], got, want)
			}
		}
		for i, want := range dxHash(t, "-h "+alg+" -s 00000000-0000-0000-0000-000000000000", names) {
			if got := hashName(uint8(version), hashSeed([4]uint32{}), []byte(names[i])); got != want {
				t.Errorf("%s of %q without a seed: got %#x, want %#x", alg, names[i], got, want)
			}
		}
	}
}

func TestUnsignedHashesDifferOnlyBeyondASCII(t *testing.T) {
	for version := range uint8(hashLegacyUnsigned) {
		for name, same := range map[string]bool{"plain": true, "Grüße": false} {
			signed, unsigned := hashName(version, testSeed, []byte(name)), hashName(version+hashLegacyUnsigned, testSeed, []byte(name))
			if (signed == unsigned) != same {
				t.Errorf("version %d of %q: %#x with a sign, %#x without", version, name, signed, unsigned)
			}
		}
	}
}

func TestNamesFoldAsDebugfsFoldsThem(t *testing.T) {
	names := []string{
		"Plain-ASCII_123", "GRÜẞE", "gru\u0308sse", "\u0130stanbul", "ﬀﬃﬆ", "Ὀδυσσεύς", "ᾳ\u0345ᾼ", "\u1E9B\u0323", "\u0323\u1E9B\u0301",
		"한글각", "ᏣᎳᎩꮳꮃꭹᏸ", "a\u00ADb\u200Bc", "e\u0301\u0323", "e\u0323\u0301", "e\u0301\u200B\u0323", "\u2126\u212B\u212A", "ｆｕｌｌ",
		"\u0344x", "ΐΰև", "\U00010400\U0001D15E", "\u2C2F", "\uA7F5", "\U00011938",
	}
	var f folder
	for i, want := range dxHash(t, "-s "+testSeedUUID+" -c -e utf8 -h half_md4", names) {
		folded, ok := f.name([]byte(names[i]))
		if got := hashName(hashHalfMD4, hashSeed(testSeed), folded); !ok || got != want {
			t.Errorf("%q folds to %q: hash %#x, want %#x", names[i], folded, got, want)
		}
	}
}

func TestNamesThatAreNotTextDoNotFold(t *testing.T) {
	var f folder
	for name, folds := range map[string]bool{"a\xff": false, "\xe1\x80": false, "ok\x00\xff": true, "\x80raw": true, "a\x80": true} {
		if _, ok := f.name([]byte(name)); ok != folds {
			t.Errorf("%q: folds is %v", name, ok)
		}
		if valid := validText([]byte(name)); valid != (name == "ok\x00\xff") {
			t.Errorf("%q: valid is %v", name, valid)
		}
	}
}

// The kernel files such a name under the hash of its bytes; debugfs and e2fsck have none of it.
func TestANameThatIsNotTextIsHashedAsItIs(t *testing.T) {
	s := dirScan{foldsHash: true, hashSeed: testSeed}
	s.index.version = hashHalfMD4
	for name, as := range map[string]string{"Ab\xff": "Ab\xff", "Ab": "ab"} {
		s.hashOf(&entry{name: []byte("another, before it")})
		if got, want := s.hashOf(&entry{name: []byte(name)}), hashName(hashHalfMD4, testSeed, []byte(as)); got != want {
			t.Errorf("%q: got %#x, want %#x", name, got, want)
		}
	}
}

func BenchmarkHalfMD4(b *testing.B) {
	name := []byte("a-file-with-a-name-012345")
	for b.Loop() {
		hashName(hashHalfMD4, testSeed, name)
	}
}
