package sshkey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

// keygen runs ssh-keygen and returns its standard output.
func keygen(tb testing.TB, args ...string) []byte {
	tb.Helper()
	testimage.Require(tb, "ssh-keygen")
	cmd := exec.Command("ssh-keygen", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("ssh-keygen %q: %v\n%s", args, err, &stderr)
	}
	return out
}

// newFile makes a key file with ssh-keygen and returns its path.
func newFile(tb testing.TB, args ...string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "key")
	keygen(tb, append([]string{"-q", "-f", path}, args...)...)
	return path
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestWhatSSHKeygenWritesIsReadByteForByte(t *testing.T) {
	for _, comment := range []string{"root@bastet", "", "a", "two words", " leading", "trailing ", "Zürich ✓", "#hash", strings.Repeat("long ", 100) + "."} {
		t.Run(comment, func(t *testing.T) {
			path := newFile(t, "-t", "ed25519", "-N", "", "-C", comment)
			file := readFile(t, path)
			k, err := ParsePrivate(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(file), string(k.Private())); diff != "" {
				t.Errorf("Private() (-ssh-keygen +got):\n%s", diff)
			}
			if diff := cmp.Diff(string(keygen(t, "-y", "-f", path)), string(k.Public())); diff != "" {
				t.Errorf("Public() (-ssh-keygen -y +got):\n%s", diff)
			}
			pub := readFile(t, path+".pub")
			if comment != "" { // for an empty comment the .pub of ssh-keygen -t ends in a space, that of ssh-keygen -y does not
				if diff := cmp.Diff(string(pub), string(k.Public())); diff != "" {
					t.Errorf("Public() (-.pub +got):\n%s", diff)
				}
			}
			p, err := ParsePublic(pub)
			if err != nil {
				t.Fatal(err)
			}
			if !p.Equal(&k.PublicKey) || p.Comment != comment {
				t.Errorf("ParsePublic gave another key or comment %q", p.Comment)
			}
			fields := strings.Fields(string(keygen(t, "-l", "-f", path)))
			if diff := cmp.Diff(fields[1], k.Fingerprint()); diff != "" {
				t.Errorf("Fingerprint() (-ssh-keygen -l +got):\n%s", diff)
			}
		})
	}
}

func TestAFileMarshalledAgainIsTheFileOfSSHKeygen(t *testing.T) {
	for _, comment := range []string{"", "x", "xx", "xxx", "1234", "12345", "123456", "1234567", "root@bastet"} {
		file := readFile(t, newFile(t, "-t", "ed25519", "-N", "", "-C", comment))
		blob, err := dearmor(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseContainer(blob)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(file), string(armor(c.marshal()))); diff != "" {
			t.Errorf("comment %q (-ssh-keygen +got):\n%s", comment, diff)
		}
	}
}

func TestAGeneratedKeyIsLoadedBySSHKeygen(t *testing.T) {
	for _, comment := range []string{"", "root@bastet", "Zürich"} {
		k, err := Generate(comment)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, k.Private(), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(keygen(t, "-y", "-f", path)), string(k.Public())); diff != "" {
			t.Errorf("comment %q (-ssh-keygen -y +got):\n%s", comment, diff)
		}
		// A signature by the private half that the public half verifies, made and checked by ssh-keygen.
		message := filepath.Join(t.TempDir(), "message")
		if err := os.WriteFile(message, []byte("hello"), 0o600); err != nil {
			t.Fatal(err)
		}
		keygen(t, "-q", "-Y", "sign", "-n", "test", "-f", path, message)
		allowed := filepath.Join(t.TempDir(), "allowed")
		if err := os.WriteFile(allowed, append([]byte("me "), k.Public()...), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-n", "test", "-I", "me", "-f", allowed, "-s", message+".sig")
		cmd.Stdin = strings.NewReader("hello")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("ssh-keygen -Y verify: %v\n%s", err, out)
		}
	}
	if _, err := Generate("a\nssh-ed25519 AAAA evil"); !errors.Is(err, ErrFormat) {
		t.Errorf("Generate with a line break in its comment: %v", err)
	}
}

func TestWhatYAMLAndEditorsLoseIsRestored(t *testing.T) {
	file := string(readFile(t, newFile(t, "-t", "ed25519", "-N", "", "-C", "c")))
	tests := []struct{ name, text string }{
		{"the trailing newline is lost", strings.TrimSuffix(file, "\n")},
		{"there are two trailing newlines", file + "\n"},
		{"lines end in CRLF", strings.ReplaceAll(file, "\n", "\r\n")},
		{"lines end in CRLF and the last one is lost", strings.TrimSuffix(strings.ReplaceAll(file, "\n", "\r\n"), "\r\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := ParsePrivate([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(file, string(k.Private())); diff != "" {
				t.Errorf("(-ssh-keygen +got):\n%s", diff)
			}
		})
	}
}

func TestAnotherLineLengthIsKept(t *testing.T) {
	k, err := Generate("wide")
	if err != nil {
		t.Fatal(err)
	}
	blob, err := dearmor(k.Private())
	if err != nil {
		t.Fatal(err)
	}
	wide := beginLine + base64.StdEncoding.EncodeToString(blob) + "\n" + endLine
	got, err := ParsePrivate([]byte(wide))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wide, string(got.Private())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, got.Private(), 0o600); err != nil {
		t.Fatal(err)
	}
	keygen(t, "-y", "-f", path)
}

func TestUnusableKeysAreRefusedByKind(t *testing.T) {
	good, err := Generate("root@bastet")
	if err != nil {
		t.Fatal(err)
	}
	file := string(good.Private())
	other, err := Generate("other")
	if err != nil {
		t.Fatal(err)
	}
	build := func(change func(c *container)) string {
		c := container{check: [4]byte{1, 2, 3, 4}, public: good.Key, private: good.private, comment: "x"}
		change(&c)
		return string(armor(c.marshal()))
	}
	reblob := func(change func(b []byte) []byte) string {
		blob, err := dearmor(good.Private())
		if err != nil {
			t.Fatal(err)
		}
		return string(armor(change(blob)))
	}
	tests := []struct {
		name string
		text string
		want error
	}{
		{"an RSA key", string(readFile(t, newFile(t, "-t", "rsa", "-b", "2048", "-N", ""))), ErrType},
		{"an ECDSA key", string(readFile(t, newFile(t, "-t", "ecdsa", "-N", ""))), ErrType},
		{"an RSA key in PEM form", string(readFile(t, newFile(t, "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""))), ErrType},
		{"an RSA key in PKCS8 form", string(readFile(t, newFile(t, "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""))), ErrFormat},
		{"an ed25519 key with a passphrase", string(readFile(t, newFile(t, "-t", "ed25519", "-N", "passphrase"))), ErrPassphrase},
		{"an RSA key with a passphrase in PKCS8 form", string(readFile(t, newFile(t, "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "passphrase"))), ErrPassphrase},
		{"a public key", string(good.Public()), ErrFormat},
		{"nothing", "", ErrFormat},
		{"spaces", "  \n", ErrFormat},
		{"a PuTTY key", "PuTTY-User-Key-File-3: ssh-ed25519\n", ErrFormat},
		{"text before BEGIN", "my key:\n" + file, ErrFormat},
		{"an indented key", strings.ReplaceAll(file, "\n", "\n  "), ErrFormat},
		{"text behind END", file + "more\n", ErrFormat},
		{"a second key behind the first", file + file, ErrFormat},
		{"the END line missing", file[:len(file)-len(endLine)], ErrFormat},
		{"a line missing", file[:len(beginLine)] + file[len(beginLine)+armorWidth+1:], ErrFormat},
		{"a character outside base64", file[:100] + "?" + file[101:], ErrFormat},
		{"line breaks turned into spaces", strings.ReplaceAll(file, "\n", " "), ErrFormat},
		{"line breaks turned into backslash n", strings.ReplaceAll(file, "\n", `\n`), ErrFormat},
		{"a PEM header", strings.Replace(file, "\n", "\nComment: x\n\n", 1), ErrFormat},
		{"the public half of another key outside", build(func(c *container) { c.public = other.Key }), ErrFormat},
		{"the public half of another key inside", build(func(c *container) {
			c.private = append(bytes.Clone(c.private[:32]), other.Key...)
		}), ErrFormat},
		{"the seed of another key", build(func(c *container) {
			c.private = append(bytes.Clone(other.private[:32]), good.Key...)
		}), ErrFormat},
		{"a short public half", build(func(c *container) { c.public = c.public[:31] }), ErrFormat},
		{"a line break in the comment", build(func(c *container) { c.comment = "a\nb" }), ErrFormat},
		{"an escape character in the comment", build(func(c *container) { c.comment = "\x1b[2J" }), ErrFormat},
		{"a byte behind the container", reblob(func(b []byte) []byte { return append(b, 0) }), ErrFormat},
		{"the container cut off", reblob(func(b []byte) []byte { return b[:len(b)-9] }), ErrFormat},
		{"padding damaged", reblob(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), ErrFormat},
		{"two keys in the container", reblob(func(b []byte) []byte { b[len(magic)+4+4+4+4+4+3] = 2; return b }), ErrFormat},
		{"too long", beginLine + strings.Repeat("A", maxFile) + "\n" + endLine, ErrFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := ParsePrivate([]byte(tt.text))
			if !errors.Is(err, tt.want) || k != nil {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			noKeyBytes(t, err, tt.text)
		})
	}
}

// noKeyBytes fails if the error quotes the file: any run of 12 characters of its base64 lines.
func noKeyBytes(tb testing.TB, err error, text string) {
	tb.Helper()
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "-----") {
			continue
		}
		for i := 0; i+12 <= len(line) && i < 4096; i++ {
			if strings.Contains(err.Error(), line[i:i+12]) {
				tb.Errorf("the error quotes the file: %v", err)
				return
			}
		}
	}
}

func TestMorePaddingThanABlockNeedsIsRefused(t *testing.T) {
	k, err := Generate("12345")
	if err != nil {
		t.Fatal(err)
	}
	blob, err := dearmor(k.Private())
	if err != nil {
		t.Fatal(err)
	}
	// Two check numbers, type, public half, private half, comment: with one of five bytes a multiple of eight, without padding.
	const size = 8 + (4 + 11) + (4 + 32) + (4 + 64) + (4 + 5)
	section := append(bytes.Clone(blob[len(blob)-size:]), 1, 2, 3, 4, 5, 6, 7, 8)
	padded := armor(appendString(bytes.Clone(blob[:len(blob)-size-4]), section))
	if _, err := ParsePrivate(padded); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "padding") {
		t.Errorf("got %v", err)
	}
}

func TestEveryFlippedBitOfAKeyFileIsRefusedOrHarmless(t *testing.T) {
	k, err := Generate("root@bastet")
	if err != nil {
		t.Fatal(err)
	}
	blob, err := dearmor(k.Private())
	if err != nil {
		t.Fatal(err)
	}
	comment := bytes.Index(blob, []byte("root@bastet"))
	for i := range blob {
		for bit := range 8 {
			b := bytes.Clone(blob)
			b[i] ^= 1 << bit
			got, err := ParsePrivate(armor(b))
			if i >= comment && i < comment+len("root@bastet") {
				continue // a comment is free text
			}
			if err == nil {
				t.Fatalf("byte %d bit %d flipped: accepted as %q", i, bit, got.Comment)
			}
		}
	}
}

func TestKnownHostsIsWhatSSHKeygenFinds(t *testing.T) {
	k, err := Generate("root@bastet")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		host, want string // want: what ssh looks up
	}{
		{"bastet", "bastet"},
		{"Bastet.Example.ORG", "bastet.example.org"},
		{"192.168.1.7", "192.168.1.7"},
		{"bastet:22", "bastet"},
		{"bastet:2222", "[bastet]:2222"},
		{"[bastet]:2222", "[bastet]:2222"},
		{"::1", "::1"},
		{"[::1]", "::1"},
		{"[::1]:22", "::1"},
		{"[::1]:2222", "[::1]:2222"},
		{"fe80::1%eth0", "fe80::1%eth0"},
		{"bücher", "bücher"},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			if err := CheckHost(tt.host); err != nil {
				t.Fatal(err)
			}
			line := k.KnownHosts(tt.host)
			want := tt.want + " " + strings.Join(strings.Fields(string(k.Public()))[:2], " ")
			if diff := cmp.Diff(want, line); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			file := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := keygen(t, "-F", tt.want, "-f", file); !bytes.Contains(out, []byte(line)) {
				t.Errorf("ssh-keygen -F %s: %s", tt.want, out)
			}
		})
	}
	for _, host := range []string{"", "a b", "a\nb", "*", "!a", "a,b", "|1|x", "#a", "@cert-authority", "a:0", "a:70000", "a:x", "a?", "[", "\x1b[2J", "a\xffb", "::1::2"} {
		if err := CheckHost(host); err == nil {
			t.Errorf("CheckHost(%q) accepts it", host)
		}
		if line := k.KnownHosts(host); line != "" {
			t.Errorf("KnownHosts(%q) = %q", host, line)
		}
	}
}

func TestUnusablePublicKeysAreRefused(t *testing.T) {
	k, err := Generate("c")
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(string(k.Public()), "\n")
	tests := []struct {
		name, line string
		want       error
	}{
		{"nothing", "", ErrFormat},
		{"an RSA key", string(readFile(t, newFile(t, "-t", "rsa", "-b", "2048", "-N", "")+".pub")), ErrType},
		{"a private key", string(k.Private()), ErrFormat},
		{"two lines", line + "\n" + line, ErrFormat},
		{"options before it", `command="x" ` + line, ErrFormat},
		{"a damaged key", strings.Replace(line, "AAAAC3", "AAAAC4", 1), ErrFormat},
		{"a short key", line[:60], ErrFormat},
		{"a type inside that differs", "ssh-ed25519 " + base64.StdEncoding.EncodeToString(appendString(appendString(nil, []byte("ssh-ed25518")), k.Key)), ErrFormat},
		{"a control character in the comment", line + "\x07", ErrFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if p, err := ParsePublic([]byte(tt.line)); !errors.Is(err, tt.want) || p != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := ParsePublic([]byte(line)); err != nil {
		t.Errorf("without a newline: %v", err)
	}
}

func FuzzParsePrivate(f *testing.F) {
	k, err := Generate("root@bastet")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Private())
	blob, err := dearmor(k.Private())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blob)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range [][]byte{data, armor(data)} {
			k, err := ParsePrivate(text)
			if err != nil {
				continue
			}
			again, err := ParsePrivate(k.Private())
			if err != nil {
				t.Fatalf("what Private() returns is refused: %v", err)
			}
			if !bytes.Equal(again.Private(), k.Private()) {
				t.Fatal("Private() is not stable")
			}
			p, err := ParsePublic(k.Public())
			if err != nil {
				t.Fatalf("what Public() returns is refused: %v", err)
			}
			if !p.Equal(&k.PublicKey) || !bytes.Equal(p.Key, k.private.Public().(ed25519.PublicKey)) {
				t.Fatal("Public() is another key")
			}
		}
	})
}

func TestThePublicHalfIsThatOfTheStandardLibrary(t *testing.T) {
	for i := range 200 {
		seed := make([]byte, ed25519.SeedSize)
		switch i {
		case 0:
		case 1:
			seed = bytes.Repeat([]byte{0xff}, ed25519.SeedSize)
		default:
			rand.Read(seed)
		}
		if want := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey); !publicHalf(seed).Equal(want) {
			t.Errorf("%x: got %x, want %x", seed, publicHalf(seed), want)
		}
	}
}
