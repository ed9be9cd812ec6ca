// Secrets that are planted where they do not belong, and found; and the same image without them, where nothing is.

package verify

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/hex"
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
