// Secrets that are planted where they do not belong, and found; and the same image without them, where nothing is.

package verify

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/netenv"
	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"

	"golang.org/x/crypto/ssh"
)

// leakDisk is a disk with the standard files, which are secrets, and a plain one that is not.
func leakDisk(t *testing.T) (*Disk, []manifest.Entry, *os.File) {
	t.Helper()
	o := small(testimage.NixOS())
	path := testimage.NixOSDisk(t, o)
	want := standard(t)
	for i := range want[:3] {
		want[i].Secret = true
	}
	root := o.RootOffset()
	var commands []string
	for _, d := range directories {
		commands = append(commands, "mkdir "+d.path, "set_inode_field "+d.path+" mode "+d.mode)
	}
	testimage.DebugfsWrite(t, path, root, commands...)
	putAt(t, path, root, want)
	testimage.Fsck(t, path, root)
	d, f := openDisk(t, path, root)
	return d, want, f
}

// openDisk opens a disk as testimage.NixOSDisk makes it, whose root begins at a byte.
func openDisk(t *testing.T, path string, root int64) (*Disk, *os.File) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &Disk{Reader: f, Size: info.Size(), Root: 1, Parts: []Part{
		{Number: 1, Start: 8 << 20, Size: 30 << 20, Type: "vfat"},
		{Number: 2, Start: root, Size: info.Size() - root, Type: "ext4"},
	}}, f
}

func leaks(t *testing.T, d *Disk, want []manifest.Entry) []Finding {
	t.Helper()
	disk, size := d.root()
	s, err := AuditStructure(context.Background(), disk, size)
	if err != nil {
		t.Fatal(err)
	}
	found, err := Leaks(context.Background(), d, s, want)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestASecretInItsOwnFileAloneIsNoLeak(t *testing.T) {
	d, want, _ := leakDisk(t)
	if found := leaks(t, d, want); len(found) > 0 {
		t.Errorf("leaks: %v", found)
	}
}

func TestASecretAnywhereElseIsALeak(t *testing.T) {
	d, want, f := leakDisk(t)
	root := d.Parts[1].Start
	disk, size := d.root()
	s, err := AuditStructure(context.Background(), disk, size)
	if err != nil {
		t.Fatal(err)
	}
	places, inodes, err := d.placesOf(context.Background(), []string{envPath, bigPath, keyPath})
	if err != nil {
		t.Fatal(err)
	}
	journal, free := int64(-1), int64(-1)
	next := uint64(0)
	for _, o := range s.owners {
		if o.Use == audit.UseJournal && o.Count > 100 {
			journal = root + int64(o.Block+50)*int64(s.BlockSize)
		}
		if o.Block > next {
			free = root + int64(next)*int64(s.BlockSize)
		}
		next = max(next, o.Block+o.Count)
	}
	if next < s.Blocks {
		free = root + int64(next)*int64(s.BlockSize)
	}
	env := places[envPath][0]
	key := contentOf(t, want[0])
	raw, err := ssh.ParseRawPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pmk, err := pbkdf2.Key(sha1.New, "correct horse battery", []byte("Nile Delta"), 4096, 32)
	if err != nil {
		t.Fatal(err)
	}
	psk, seed := []byte("correct horse battery"), raw.(*ed25519.PrivateKey).Seed()
	for _, c := range []struct {
		name  string
		at    int64
		bytes []byte
		want  string // in the finding
	}{
		{"the passphrase in the firmware partition", 12 << 20, psk, "WIFI_PSK of " + envPath + " is also in partition 1 (vfat), byte 4194304 of it"},
		{"the passphrase before the first partition", 5 << 20, psk, "WIFI_PSK of " + envPath + " is also outside all partitions, byte 5242880 of the disk"},
		{"the passphrase across two pieces of the search", 4<<20 - 5, psk, "WIFI_PSK of " + envPath + " is also outside all partitions"},
		{"the passphrase at the disk's last byte", d.Size - int64(len(psk)), psk, "WIFI_PSK of " + envPath + " is also in "},
		{"the passphrase in a free block", free + 77, psk, "is also in free block "},
		{"the passphrase in the journal", journal + 1000, psk, "is also in the journal, block "},
		{"the passphrase behind the end of its own file", env.end + 100, psk, "is also in block "},
		{"the passphrase in another file", places[bigPath][0].first + 10, psk, "(/srv/big)"},
		{"the key that the passphrase makes", free, []byte(hex.EncodeToString(pmk)), "the key that the passphrase in " + envPath + " makes is also in free block "},
		{"that key in capitals", free, []byte(strings.ToUpper(hex.EncodeToString(pmk))), "the key that the passphrase in " + envPath + " makes is also in free block "},
		{"the private key in a free block", free, key, "the private key of " + keyPath + " is also in free block "},
		{"the private key's seed alone", free + 3, seed, "the private key of " + keyPath + " is also in free block "},
		{"the private key in the file of the passphrase", places[bigPath][0].first, key, "(/srv/big)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.at < 0 || inodes[envPath] == 0 {
				t.Fatal("the place was not found")
			}
			before := make([]byte, len(c.bytes))
			if _, err := f.ReadAt(before, c.at); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(c.bytes, c.at); err != nil {
				t.Fatal(err)
			}
			found := leaks(t, d, want)
			if _, err := f.WriteAt(before, c.at); err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || found[0].Code != codeLeak || found[0].Severity != Error || !strings.Contains(found[0].Message, c.want) {
				t.Errorf("found %v, want %q", found, c.want)
			}
			for _, x := range found {
				if bytes.Contains([]byte(x.Message), c.bytes[:6]) {
					t.Error("the finding shows the secret")
				}
			}
		})
	}
}

// A key's text may have been wrapped anew, or the key be written in another format.
func TestAPrivateKeyIsFoundHoweverItIsWrapped(t *testing.T) {
	d, want, f := leakDisk(t)
	key := contentOf(t, want[0])
	block, _ := pem.Decode(key)
	raw, err := ssh.ParseRawPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(*raw.(*ed25519.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{
		"in PKCS #8":             pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		"the seed alone":         []byte(base64.StdEncoding.EncodeToString(raw.(*ed25519.PrivateKey).Seed())),
		"behind one byte":        []byte(base64.StdEncoding.EncodeToString(append([]byte{1}, block.Bytes...))),
		"behind two, in one run": []byte(base64.StdEncoding.EncodeToString(append([]byte{1, 2}, block.Bytes...))),
	}
	for width := 21; width <= 76; width++ {
		for _, end := range []string{"\n", "\r\n"} {
			var b strings.Builder
			for rest := base64.StdEncoding.EncodeToString(block.Bytes); rest != ""; {
				n := min(width, len(rest))
				b.WriteString(rest[:n] + end)
				rest = rest[n:]
			}
			forms[fmt.Sprintf("at %d columns, lines end with %q", width, end)] = []byte(b.String())
		}
	}
	list, _, err := needles(want)
	if err != nil {
		t.Fatal(err)
	}
	s := newSearcher(list)
	for name, form := range forms {
		found := 0
		s.find(form, len(form), func(int, int) { found++ })
		if found == 0 {
			t.Errorf("%s: nothing found", name)
		}
	}
	if _, err := f.WriteAt(pem.EncodeToMemory(block), 2<<20); err != nil { // at 64 columns
		t.Fatal(err)
	}
	if found := leaks(t, d, want); len(found) != 1 || !strings.Contains(found[0].Message, "the private key of "+keyPath+" is also outside all partitions") {
		t.Errorf("at 64 columns, on the disk: found %v", found)
	}
}

func TestWhatIsPublicIsNotLookedFor(t *testing.T) {
	d, want, f := leakDisk(t)
	// The public half, and what all keys begin with.
	for i, b := range [][]byte{contentOf(t, want[1]), contentOf(t, want[0])[:100], []byte("Nile Delta")} {
		if _, err := f.WriteAt(b, 1<<20+int64(i)*4096); err != nil {
			t.Fatal(err)
		}
	}
	if found := leaks(t, d, want); len(found) > 0 {
		t.Errorf("leaks: %v", found)
	}
}

func TestASecretThatIsTooShortIsSaidNotToBeLookedFor(t *testing.T) {
	d, want, _ := leakDisk(t)
	want = append(want, manifest.Entry{Path: "/srv/pin", Kind: manifest.File, Secret: true, Content: newContent([]byte("1234\n"))})
	found := leaks(t, d, want)
	if len(found) != 1 || found[0].Code != codeNotSearched || found[0].Severity != Warning || found[0].Path != "/srv/pin" {
		t.Errorf("found %v", found)
	}
}

func TestALongSecretIsFoundByAnyOfItsSectors(t *testing.T) {
	d, want, f := leakDisk(t)
	secret := noise(77, 100_000)
	want = append(want, manifest.Entry{Path: "/srv/absent", Kind: manifest.File, Secret: true, Content: newContent(secret)})
	if _, err := f.WriteAt(secret[40*512:41*512], 2<<20); err != nil {
		t.Fatal(err)
	}
	found := leaks(t, d, want)
	if len(found) != 1 || !strings.Contains(found[0].Message, "the content of /srv/absent is also outside all partitions, byte 2097152") {
		t.Errorf("found %v", found)
	}
}

// A sector of a secret is found, and of a short secret 128 bytes or its end. Less of its beginning may be that of others, too.
func TestTheBeginningOfALongSecretIsFound(t *testing.T) {
	text := []byte(strings.ToLower(base64.RawStdEncoding.EncodeToString(noise(78, 1050)))) // 1400 characters
	for _, c := range []struct {
		name          string
		secret, piece []byte
	}{
		{"of 1400 bytes the first sector", noise(79, 1400), noise(79, 1400)[:512]},
		{"of 1400 bytes the second sector", noise(79, 1400), noise(79, 1400)[512:1024]},
		{"of 1400 characters the first sector", text, text[:512]},
		{"of 200 characters the first 128", text[:200], text[:128]},
		{"of 100 characters the last 64", text[:100], text[36:100]},
		{"of 100 bytes the last 64", noise(80, 100), noise(80, 100)[36:]},
		{"of 100 bytes all but the first", noise(80, 100), noise(80, 100)[1:90]},
		{"the token behind words", append([]byte("[main]\nuser = somebody\npassword = "), text[:200]...), text[:128]},
		{"a short token behind words", append([]byte("[main]\nuser = somebody\npassword = "), string(text[:40])+"\nserver = example.com\n"...), text[:40]},
	} {
		t.Run(c.name, func(t *testing.T) {
			if found := planted(t, c.secret, c.piece); len(found) != 1 || found[0].Code != codeLeak {
				t.Errorf("found %v", found)
			}
		})
	}
}

// planted gives what is found on a disk of zeros, but for a piece of a secret that is wanted as a file.
func planted(t *testing.T, secret, piece []byte) []Finding {
	t.Helper()
	return plantedFor(t, manifest.Entry{Path: "/srv/absent", Kind: manifest.File, Secret: true, Content: newContent(secret)}, piece)
}

func plantedFor(t *testing.T, e manifest.Entry, piece []byte) []Finding {
	t.Helper()
	disk := make([]byte, 64<<10)
	copy(disk[12345:], piece)
	d := &Disk{Reader: bytes.NewReader(disk), Size: int64(len(disk)), Parts: []Part{{Size: int64(len(disk))}}}
	found, err := Leaks(context.Background(), d, nil, []manifest.Entry{e})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What many files begin with, comments, and a key's public half are no leaks of the secret that has them; the rest of it is.
func TestWhatIsPublicOfASecretIsNotLookedFor(t *testing.T) {
	rsaKey, ecKey, edKey := pemOf(t, "-t", "rsa", "-b", "2048"), pemOf(t, "-t", "ecdsa", "-m", "PKCS8"), pemOf(t, "-t", "ed25519")
	encrypted := pemOf(t, "-t", "ed25519", "-N", "no words")
	pkcs8 := pemOf(t, "-t", "rsa", "-b", "2048", "-m", "PKCS8")
	token := strings.ToUpper(base64.RawStdEncoding.EncodeToString(noise(81, 60)))
	age := []byte("# created: 2024-02-29T12:00:00Z\n# public key: age1" + strings.ToLower(token[:58]) + "\nAGE-SECRET-KEY-1" + token[10:68] + "\n")
	wpa := []byte("ctrl_interface=DIR=/run/wpa_supplicant GROUP=netdev\nupdate_config=1\nnetwork={\n\tssid=\"x\"\n\tpsk=" + token[:64] + "\n}\n")
	publicOf := func(key []byte) []byte {
		signer, err := ssh.ParsePrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return signer.PublicKey().Marshal()
	}
	der := func(key []byte) []byte {
		block, _ := pem.Decode(key)
		return block.Bytes
	}
	// In base64 with lines as the key's, wherever in a line the public half begins.
	everywhere := func(b []byte, before int) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: append(make([]byte, before), b...)})
	}
	for _, c := range []struct {
		name           string
		secret, public []byte
		private        []byte
	}{
		{"an RSA key of OpenSSH", rsaKey, everywhere(publicOf(rsaKey), bytes.Index(der(rsaKey), publicOf(rsaKey))), rsaKey[len(rsaKey)/2:]},
		{"an RSA key in PKCS #8", pkcs8, pkcs8[:400], pkcs8[400:]},
		{"an ECDSA key in PKCS #8", ecKey, ecKey[:len("-----BEGIN PRIVATE KEY-----\n")+48], ecKey},
		{"a key of OpenSSH for another purpose", edKey, edKey[:150], edKey[150:]},
		{"an encrypted one", encrypted, encrypted[:200], encrypted[200:]},
		{"an age identity", age, age[:32+60], age[90:]},
		{"a configuration", wpa, wpa[:90], wpa[90:]},
	} {
		t.Run(c.name, func(t *testing.T) {
			if found := planted(t, c.secret, c.public); len(found) != 0 {
				t.Errorf("of what is public: found %v", found)
			}
			if found := planted(t, c.secret, c.private); len(found) != 1 {
				t.Errorf("of the rest: found %v", found)
			}
		})
	}
}

// A network's key of 64 digits may be somewhere as the bytes that it stands for, or in letters of the other case.
func TestANetworksKeyIsFoundInEachForm(t *testing.T) {
	d, want, f := leakDisk(t)
	key := noise(5, 32)
	digits := strings.ToUpper(hex.EncodeToString(key[:16])) + hex.EncodeToString(key[16:])
	env, err := netenv.Encode([]netenv.Var{{Name: "WIFI_SSID", Value: "Nile Delta"}, {Name: "WIFI_PSK", Value: digits}})
	if err != nil {
		t.Fatal(err)
	}
	want[2].Path, want[2].Content = "/srv/absent.env", newContent(env)
	for _, form := range [][]byte{key, []byte(digits), []byte(strings.ToLower(digits)), []byte(strings.ToUpper(digits))} {
		if _, err := f.WriteAt(form, 1<<20); err != nil {
			t.Fatal(err)
		}
		if found := leaks(t, d, want); len(found) != 1 || found[0].Severity != Error {
			t.Errorf("%d bytes: found %v", len(form), found)
		}
		if _, err := f.WriteAt(make([]byte, len(form)), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
}
