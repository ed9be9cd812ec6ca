// The images of these tests: made by mke2fs, the bootstrap files put in by debugfs or the kernel, never by our own writer.

package verify

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/netenv"
	"boringboot/internal/sshkey"
	"boringboot/internal/testimage"
)

const (
	keyPath = "/var/lib/bootstrap/ssh_host_ed25519_key"
	pubPath = keyPath + ".pub"
	envPath = "/var/lib/networkmanager/system-connections.env"
	bigPath = "/srv/big"
)

// bigSize is some blocks of every size and a piece of one.
const bigSize = 5*4096 + 77

// hostKey makes a key for tests.
func hostKey(tb testing.TB) *sshkey.Key {
	tb.Helper()
	key, err := sshkey.Generate("test")
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func environment(tb testing.TB, ssid, psk string) []byte {
	tb.Helper()
	env, err := netenv.Encode([]netenv.Var{{Name: "WIFI_SSID", Value: ssid}, {Name: "WIFI_PSK", Value: psk}})
	if err != nil {
		tb.Fatal(err)
	}
	return env
}

func noise(seed uint64, n int) []byte {
	rnd := rand.New(rand.NewPCG(seed, seed))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + rnd.IntN(255)) // no zeros: debugfs and mke2fs leave blocks of zeros out
	}
	return b
}

// standard is what a test image holds unless it says otherwise.
func standard(tb testing.TB) []manifest.Entry {
	key := hostKey(tb)
	file := func(path string, mode fs.FileMode, role manifest.Role, content []byte) manifest.Entry {
		return manifest.Entry{Path: path, Kind: manifest.File, Mode: mode, Role: role, Content: bytes.NewReader(content)}
	}
	entries := []manifest.Entry{
		file(keyPath, 0o600, manifest.PrivateKey, key.Private()),
		file(pubPath, 0o644, manifest.PublicKey, key.Public()),
		file(envPath, 0o600, manifest.Environment, environment(tb, "Nile Delta", "correct horse battery")),
		file(bigPath, 0o640, manifest.Plain, noise(1, bigSize)),
		{Path: "/srv/link", Kind: manifest.Symlink, Target: "big"},
		{Path: "/srv/empty", Kind: manifest.Directory, Mode: 0o750, UID: 70000, GID: 131073},
	}
	entries[1].KeyPath = keyPath
	entries[2].Vars = []string{"WIFI_SSID", "WIFI_PSK"}
	entries[3].UID, entries[3].GID = 65534, 100000
	return entries
}

// directories are the directories above the standard entries, in the order in which they are made.
var directories = []struct {
	path string
	mode string
}{
	{"/var", "040755"}, {"/var/lib", "040755"}, {"/var/lib/bootstrap", "040700"}, {"/var/lib/networkmanager", "040755"}, {"/srv", "040755"},
}

func contentOf(tb testing.TB, e manifest.Entry) []byte {
	tb.Helper()
	b := make([]byte, e.Content.Size())
	if _, err := e.Content.ReadAt(b, 0); err != nil && len(b) > 0 {
		tb.Fatal(err)
	}
	return b
}

// put writes entries with debugfs. Directories above them must be there.
func put(tb testing.TB, image string, entries []manifest.Entry) {
	tb.Helper()
	putAt(tb, image, 0, entries)
}

// putAt is put for a file system that begins at offset.
func putAt(tb testing.TB, image string, offset int64, entries []manifest.Entry) {
	tb.Helper()
	dir := tb.TempDir()
	var commands []string
	for i, e := range entries {
		set := func(field string, value any) {
			commands = append(commands, fmt.Sprintf("set_inode_field %s %s %v", e.Path, field, value))
		}
		switch e.Kind {
		case manifest.File:
			src := filepath.Join(dir, fmt.Sprint(i))
			if err := os.WriteFile(src, contentOf(tb, e), 0o600); err != nil {
				tb.Fatal(err)
			}
			commands = append(commands, fmt.Sprintf("write %s %s", src, e.Path))
			set("mode", fmt.Sprintf("0100%03o", e.Mode.Perm()))
		case manifest.Directory:
			commands = append(commands, "mkdir "+e.Path)
			set("mode", fmt.Sprintf("040%03o", e.Mode.Perm()))
		case manifest.Symlink:
			commands = append(commands, fmt.Sprintf("symlink %s %s", e.Path, e.Target))
		}
		// debugfs' names: uid_low and uid_high; "uid" sets both.
		set("uid", e.UID)
		set("gid", e.GID)
	}
	testimage.DebugfsWrite(tb, image, offset, commands...)
}

// image makes an image that holds entries, and their directories.
func image(tb testing.TB, o testimage.Options, entries []manifest.Entry) string {
	tb.Helper()
	path := testimage.Ext4(tb, o)
	var commands []string
	for _, d := range directories {
		commands = append(commands, "mkdir "+d.path, fmt.Sprintf("set_inode_field %s mode %s", d.path, d.mode),
			fmt.Sprintf("set_inode_field %s uid 0", d.path), fmt.Sprintf("set_inode_field %s gid 0", d.path))
	}
	testimage.DebugfsWrite(tb, path, 0, commands...)
	put(tb, path, entries)
	return path
}

// small is a file system without a store, 8 MiB: quick to make.
func small(p testimage.Profile) testimage.Options {
	return testimage.Options{Profile: p, StorePaths: -1, Size: 8 << 20}
}

func openImage(tb testing.TB, path string) (*os.File, int64) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	return f, info.Size()
}

// contents is Contents of an image file, without an error.
func contents(tb testing.TB, path string, want []manifest.Entry) *Report {
	tb.Helper()
	f, size := openImage(tb, path)
	report, err := Contents(context.Background(), f, size, want)
	if err != nil {
		tb.Fatalf("Contents: %v", err)
	}
	return report
}

// bootstrap is Bootstrap of an image file, with the contents taken from the entries, without an error.
func bootstrap(tb testing.TB, path string, want []manifest.Entry) *Report {
	tb.Helper()
	f, size := openImage(tb, path)
	report, err := Bootstrap(context.Background(), f, size, withoutContent(want))
	if err != nil {
		tb.Fatalf("Bootstrap: %v", err)
	}
	return report
}

func withoutContent(entries []manifest.Entry) []manifest.Entry {
	bare := append([]manifest.Entry(nil), entries...)
	for i := range bare {
		bare[i].Content = nil
	}
	return bare
}

// usable are the names of the readers that could read the image.
func (r *Report) usable() string {
	var names []string
	for _, reader := range r.Readers {
		if reader.Reason == "" {
			names = append(names, reader.Name)
		}
	}
	return strings.Join(names, " ")
}

// codes are the findings as "code path", in their order.
func (r *Report) codes() []string {
	codes := []string{}
	for _, f := range r.Findings {
		codes = append(codes, strings.TrimSpace(f.Code+" "+f.Path))
	}
	return codes
}

func newContent(b []byte) manifest.Content { return bytes.NewReader(b) }

// pemOf has ssh-keygen make a private key.
func pemOf(tb testing.TB, args ...string) []byte {
	tb.Helper()
	testimage.Require(tb, "ssh-keygen")
	path := filepath.Join(tb.TempDir(), "key")
	if !strings.Contains(strings.Join(args, " "), "-N") {
		args = append(args, "-N", "")
	}
	if out, err := exec.Command("ssh-keygen", append(args, "-q", "-f", path)...).CombinedOutput(); err != nil {
		tb.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
