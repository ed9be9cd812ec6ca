// The oracle, mutated: an image in which one thing is wrong must be found, by what is wrong with it and by nothing else.

package verify

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// mutated are the profiles that mutations are tried on: one for each set of readers.
var mutated = []string{"nixos-4k", "pi-gen-1k", "no-checksums-2k"}

func TestOneWrongThingIsFound(t *testing.T) {
	debugfs := func(commands ...string) func(testing.TB, string) {
		return func(tb testing.TB, path string) { testimage.DebugfsWrite(tb, path, 0, commands...) }
	}
	tests := []struct {
		name      string
		mutate    func(tb testing.TB, path string)
		contents  []string // what Contents finds
		bootstrap []string // what Bootstrap finds; nil: the same
	}{
		{"a wrong mode", debugfs("set_inode_field " + keyPath + " mode 0100644"), []string{"wrong-mode " + keyPath}, nil},
		{"a mode with a setuid bit too many", debugfs("set_inode_field " + bigPath + " mode 0104640"), []string{"wrong-mode " + bigPath}, nil},
		{"a wrong mode of a directory", debugfs("set_inode_field /srv/empty mode 040755"), []string{"wrong-mode /srv/empty"}, nil},
		{"a wrong user", debugfs("set_inode_field " + envPath + " uid 1000"), []string{"wrong-owner " + envPath}, nil},
		{"a wrong group", debugfs("set_inode_field " + envPath + " gid 100"), []string{"wrong-owner " + envPath}, nil},
		{"a user that is wrong in its upper half", debugfs("set_inode_field " + keyPath + " uid 65536"), []string{"wrong-owner " + keyPath}, nil},
		{"a group that is wrong in its upper half", debugfs("set_inode_field " + keyPath + " gid 131072"), []string{"wrong-owner " + keyPath}, nil},
		{"a user that lacks its upper half", debugfs("set_inode_field /srv/empty uid 4464"), []string{"wrong-owner /srv/empty"}, nil},
		{"a missing file", debugfs("rm " + envPath), []string{"missing " + envPath}, nil},
		{"a missing directory", debugfs("rmdir /srv/empty"), []string{"missing /srv/empty"}, nil},
		{"a missing private key", debugfs("rm " + keyPath), []string{"missing " + keyPath}, []string{"missing " + keyPath, "key-mismatch " + pubPath}},
		{"a missing directory above", debugfs("rm "+envPath, "rmdir /var/lib/networkmanager"), []string{"missing " + envPath}, nil},
		{"a file where a directory above belongs", debugfs("rm "+envPath, "rmdir /var/lib/networkmanager", "write /dev/null /var/lib/networkmanager"),
			[]string{"not-a-directory " + envPath}, nil},
		{"a shorter file", debugfs("set_inode_field " + bigPath + " size 20556"), []string{"wrong-size " + bigPath}, []string{}},
		{"a longer file", debugfs("set_inode_field " + bigPath + " size 20558"), []string{"wrong-size " + bigPath}, []string{}},
		{"a file of no length", debugfs("rm "+envPath, "write /dev/null "+envPath, "set_inode_field "+envPath+" mode 0100600"),
			[]string{"wrong-size " + envPath}, []string{"wrong-size " + envPath}},
		{"a directory in place of a file", debugfs("rm "+envPath, "mkdir "+envPath), []string{"wrong-type " + envPath}, nil},
		{"a symlink in place of a file", debugfs("rm "+envPath, "symlink "+envPath+" /srv/big"), []string{"wrong-type " + envPath}, nil},
		{"a pipe in place of a file", debugfs("rm "+envPath, "cd /var/lib/networkmanager", "mknod system-connections.env p"), []string{"wrong-type " + envPath}, nil},
		{"a file in place of a symlink", debugfs("rm /srv/link", "write /dev/null /srv/link"), []string{"wrong-type /srv/link"}, nil},
		{"a symlink that points elsewhere", debugfs("rm /srv/link", "symlink /srv/link bog"), []string{"wrong-target /srv/link"}, nil},
		{"a symlink that points there by another way", debugfs("rm /srv/link", "symlink /srv/link ./big"), []string{"wrong-target /srv/link"}, nil},
		{"a directory above that the world may write to", debugfs("set_inode_field /var/lib/bootstrap mode 040777"), []string{"parent-writable /var/lib/bootstrap"}, nil},
		{"a directory above that a group may write to", debugfs("set_inode_field /var mode 040775"), []string{"parent-writable /var"}, nil},
		{"a root directory that the world may write to, sticky or not", debugfs("set_inode_field / mode 041777"), []string{"parent-writable /"}, nil},
		{"a directory above that is somebody's", debugfs("set_inode_field /var/lib uid 1000"), []string{"parent-owner /var/lib"}, nil},
		{"links in a circle", debugfs("rm "+envPath, "rmdir /var/lib/networkmanager", "symlink /var/lib/networkmanager /var/lib/networkmanager"),
			[]string{"symlink-loop " + envPath}, nil},
		{"a journal that was not replayed", debugfs("feature needs_recovery"), []string{"needs-recovery"}, nil},
		{"a file system that is marked as damaged", debugfs("set_super_value state 3"), []string{"errors-flag"}, nil},
	}
	for _, profile := range mutated {
		want := standard(t)
		base := image(t, small(testimage.ProfileNamed(profile)), want)
		for _, test := range tests {
			t.Run(profile+": "+test.name, func(t *testing.T) {
				path := copyOf(t, base)
				test.mutate(t, path)
				if diff := cmp.Diff(test.contents, contents(t, path, want).codes()); diff != "" {
					t.Errorf("Contents (-want +got):\n%s", diff)
				}
				if test.bootstrap == nil {
					test.bootstrap = test.contents
				}
				r := bootstrap(t, path, want)
				if diff := cmp.Diff(test.bootstrap, r.codes()); diff != "" {
					t.Errorf("Bootstrap (-want +got):\n%s", diff)
				}
				if len(test.bootstrap) > 0 && r.OK() {
					t.Error("Bootstrap: OK with findings")
				}
			})
		}
	}
}

func TestAByteThatIsFlippedAnywhereInAFileIsFound(t *testing.T) {
	for _, profile := range mutated {
		p := testimage.ProfileNamed(profile)
		want := standard(t)
		path := image(t, small(p), want)
		if r := contents(t, path, want); !r.OK() {
			t.Fatal(r.Findings)
		}
		blocks := strings.Fields(lastLine(testimage.Debugfs(t, path, 0, "blocks "+bigPath)))
		if n := (bigSize + p.BlockSize - 1) / p.BlockSize; len(blocks) != n {
			t.Fatalf("%s: %d blocks, want %d: %v", profile, len(blocks), n, blocks)
		}
		for i, block := range blocks {
			var disk int64
			fmt.Sscan(block, &disk)
			inFile := int64(i * p.BlockSize)
			length := min(int64(p.BlockSize), bigSize-inFile)
			for _, at := range []int64{0, length / 2, length - 1} {
				t.Run(fmt.Sprintf("%s: byte %d", profile, inFile+at), func(t *testing.T) {
					off := disk*int64(p.BlockSize) + at
					testimage.FlipByte(t, path, off)
					defer testimage.FlipByte(t, path, off)
					r := contents(t, path, want)
					expect := []Finding{{Code: "wrong-content", Severity: Error, Path: bigPath, Message: fmt.Sprintf("its content differs from what is wanted, first at byte %d", inFile+at)}}
					if diff := cmp.Diff(expect, r.Findings); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				})
			}
		}
		// Past the end of the content the block is nobody's.
		var disk int64
		fmt.Sscan(blocks[len(blocks)-1], &disk)
		testimage.FlipByte(t, path, disk*int64(p.BlockSize)+bigSize%int64(p.BlockSize))
		if r := contents(t, path, want); !r.OK() {
			t.Errorf("%s: a byte after the file's end: %v", profile, r.Findings)
		}
	}
}

func TestWhatCannotWorkAtBootIsFoundWithoutSecrets(t *testing.T) {
	key, other := hostKey(t), hostKey(t)
	rsa := pemOf(t, "-t", "rsa", "-b", "1024")
	locked := pemOf(t, "-t", "ed25519", "-N", "secret phrase")
	damaged := bytes.Clone(key.Private())
	damaged[len(damaged)/2] ^= 0x01
	env := func(text string) []byte { return []byte(text) }
	tests := []struct {
		name string
		path string
		data []byte
		want []string
	}{
		{"the public half of another key", pubPath, other.Public(), []string{"key-mismatch " + pubPath}},
		{"a public key that is none", pubPath, []byte("ssh-ed25519 AAAA bastet\n"), []string{"public-key " + pubPath}},
		{"a private key with a damaged line", keyPath, damaged, []string{"private-key " + keyPath, "key-mismatch " + pubPath}},
		{"a private key without its last line", keyPath, key.Private()[:200], []string{"private-key " + keyPath, "key-mismatch " + pubPath}},
		{"a private key without its last newline", keyPath, bytes.TrimRight(key.Private(), "\n"), []string{"private-key " + keyPath}},
		{"a private key with a passphrase", keyPath, locked, []string{"private-key " + keyPath, "key-mismatch " + pubPath}},
		{"a private key of another type", keyPath, rsa, []string{"private-key " + keyPath, "key-mismatch " + pubPath}},
		{"a PSK of 7 characters", envPath, env("WIFI_SSID=\"net\"\nWIFI_PSK=\"1234567\"\n"), []string{"psk " + envPath}},
		{"a PSK of 64 characters that are no hexadecimal digits", envPath, env("WIFI_SSID=\"net\"\nWIFI_PSK=\"" + strings.Repeat("z", 64) + "\"\n"), []string{"psk " + envPath}},
		{"an empty PSK", envPath, env("WIFI_SSID=\"net\"\nWIFI_PSK=\"\"\n"), []string{"psk " + envPath}},
		{"an empty SSID", envPath, env("WIFI_SSID=\"\"\nWIFI_PSK=\"12345678\"\n"), []string{"ssid " + envPath}},
		{"an SSID of 33 bytes", envPath, env("WIFI_SSID=\"" + strings.Repeat("n", 33) + "\"\nWIFI_PSK=\"12345678\"\n"), []string{"ssid " + envPath}},
		{"no PSK at all", envPath, env("WIFI_SSID=\"net\"\n"), []string{"psk " + envPath}},
		{"no variable at all", envPath, env("# nothing\n"), []string{"ssid " + envPath, "psk " + envPath}},
		{"the variables of another network", envPath, env("HOME_SSID=\"net\"\nHOME_PSK=\"12345678\"\n"), []string{"ssid " + envPath, "psk " + envPath, "environment " + envPath}},
		{"a variable more than the manifest's", envPath, env("WIFI_SSID=\"net\"\nWIFI_PSK=\"12345678\"\nTOKEN=\"x\"\n"), []string{"environment " + envPath}},
		{"a PSK of 8 characters", envPath, env("WIFI_SSID=\"net\"\nWIFI_PSK=\"12345678\"\n"), []string{}},
		{"a PSK of 64 hexadecimal digits", envPath, env("WIFI_SSID=\"net\"\nWIFI_PSK=\"" + strings.Repeat("0aF9", 16) + "\"\n"), []string{}},
		{"a line that systemd passes over", envPath, env("WIFI_SSID=\"net\"\nexport\nWIFI_PSK=\"12345678\"\n"), []string{"environment " + envPath}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := standard(t)
			want[0].Content, want[1].Content = newContent(key.Private()), newContent(key.Public())
			for i := range want {
				if want[i].Path == test.path {
					want[i].Content = newContent(test.data)
				}
			}
			path := image(t, small(testimage.NixOS()), want)
			r := bootstrap(t, path, want)
			if diff := cmp.Diff(test.want, r.codes()); diff != "" {
				t.Errorf("(-want +got):\n%s%v", diff, r.Findings)
			}
			for _, f := range r.Findings {
				for line := range strings.Lines(string(test.data)) {
					if secret := strings.Trim(line, "\"\n "); len(secret) > 6 && strings.Contains(f.Message, secret) {
						t.Errorf("the message quotes the file: %s", f.Message)
					}
				}
			}
			// And it is what the image is said to hold.
			if r := contents(t, path, want); !r.OK() {
				t.Errorf("Contents: %v", r.Findings)
			}
		})
	}
}

func TestOtherContentOfTheSameLengthIsFound(t *testing.T) {
	want := standard(t)
	path := image(t, small(testimage.NixOS()), want)
	other := hostKey(t)
	want[0].Content, want[1].Content = newContent(other.Private()), newContent(other.Public())
	got := contents(t, path, want).codes()
	if diff := cmp.Diff([]string{"wrong-content " + keyPath, "wrong-content " + pubPath}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADirectoryThatTheManifestMakesWritableIsAWarning(t *testing.T) {
	want := []manifest.Entry{
		{Path: "/shared", Kind: manifest.Directory, Mode: 0o775, GID: 100},
		file("/shared/file", []byte("x")),
		{Path: "/home", Kind: manifest.Directory, Mode: 0o755, UID: 1000},
		file("/home/file", []byte("x")),
	}
	want[3].UID = 1000
	path := image(t, small(testimage.NixOS()), want)
	r := contents(t, path, want)
	if diff := cmp.Diff([]string{"parent-writable /shared"}, r.codes()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !r.OK() || r.Findings[0].Severity != Warning {
		t.Errorf("not OK: %v", r.Findings)
	}
	// The same mode, where the manifest does not say so.
	r = contents(t, path, want[1:2])
	if diff := cmp.Diff([]string{"parent-writable /shared"}, r.codes()); diff != "" || r.OK() {
		t.Errorf("OK: %v (-want +got):\n%s", r.OK(), diff)
	}
}

func TestADirectoryAboveThatIsTakenAsItIsIsAWarning(t *testing.T) {
	made := []manifest.Entry{
		{Path: "/home", Kind: manifest.Directory, Mode: 0o777, GID: 100},
		{Path: "/home/bastet", Kind: manifest.Directory, Mode: 0o755, UID: 1000, GID: 100},
		{Path: "/home/bastet/sub", Kind: manifest.Directory, Mode: 0o755, UID: 1000, GID: 100},
		file("/home/bastet/sub/file", []byte("x")),
		{Path: "/home/link", Kind: manifest.Symlink, Target: "bastet"},
	}
	keep := func(path string) manifest.Entry {
		return manifest.Entry{Path: path, Kind: manifest.Directory, KeepAttr: true}
	}
	kept := func(e manifest.Entry, flip fs.FileMode) manifest.Entry {
		e.KeepAttr = true
		e.Mode ^= flip
		return e
	}
	path := image(t, small(testimage.NixOS()), made)
	owner, writable := Finding{Code: "parent-owner", Severity: Error}, Finding{Code: "parent-writable", Severity: Error}
	finding := func(f Finding, path, severity string) Finding {
		f.Path, f.Severity = path, severity
		return f
	}
	for _, test := range []struct {
		name string
		keep []manifest.Entry
		want []Finding
		ok   bool
	}{
		{"none", nil, []Finding{finding(writable, "/home", Error), finding(owner, "/home/bastet", Error), finding(owner, "/home/bastet/sub", Error)}, false},
		{"one", []manifest.Entry{keep("/home")}, []Finding{finding(owner, "/home/bastet", Error), finding(owner, "/home/bastet/sub", Error), finding(writable, "/home", Warning)}, false},
		{"all", []manifest.Entry{keep("/home"), keep("/home/bastet"), keep("/home/bastet/sub")},
			[]Finding{finding(writable, "/home", Warning), finding(owner, "/home/bastet", Warning), finding(owner, "/home/bastet/sub", Warning)}, true},
		{"one whose mode and owner are known", []manifest.Entry{made[0], keep("/home/bastet"), kept(made[2], 0)}, []Finding{finding(writable, "/home", Warning), finding(owner, "/home/bastet", Warning), finding(owner, "/home/bastet/sub", Warning)}, true},
		{"one whose mode is another than was known", []manifest.Entry{keep("/home"), keep("/home/bastet"), kept(made[2], 0o111)},
			[]Finding{finding(writable, "/home", Warning), finding(owner, "/home/bastet", Warning), {Code: "wrong-mode", Severity: Error, Path: "/home/bastet/sub"}, finding(owner, "/home/bastet/sub", Warning)}, false},
		{"what is no directory", []manifest.Entry{keep("/home"), keep("/home/bastet"), keep("/home/bastet/sub"), keep("/home/link")},
			[]Finding{finding(writable, "/home", Warning), finding(owner, "/home/bastet", Warning), finding(owner, "/home/bastet/sub", Warning), {Code: "wrong-type", Severity: Error, Path: "/home/link"}}, false},
		{"what is not there", []manifest.Entry{keep("/home"), keep("/home/bastet"), keep("/home/bastet/sub"), keep("/home/none")},
			[]Finding{finding(writable, "/home", Warning), finding(owner, "/home/bastet", Warning), finding(owner, "/home/bastet/sub", Warning), {Code: "missing", Severity: Error, Path: "/home/none"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := contents(t, path, append(test.keep, made[3]))
			if diff := cmp.Diff(test.want, r.Findings, cmpopts.IgnoreFields(Finding{}, "Message")); diff != "" || r.OK() != test.ok {
				t.Errorf("OK: %v (-want +got):\n%s", r.OK(), diff)
			}
		})
	}
	// Whoever owns all that is wanted below a directory may own the directory, whatever is kept on the way.
	mine := made[3]
	mine.UID = 1000
	path = image(t, small(testimage.NixOS()), append(append([]manifest.Entry{}, made[:3]...), mine))
	if r := contents(t, path, []manifest.Entry{keep("/home"), keep("/home/bastet"), keep("/home/bastet/sub"), mine}); len(r.Findings) != 1 {
		t.Errorf("%v", r.Findings)
	}
}

func TestAnImageThatCannotBeJudgedIsAnError(t *testing.T) {
	want := standard(t)
	path := image(t, small(testimage.NixOS()), want)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"an empty file", nil, "too few for a superblock"},
		{"no file system", zeros, "the magic number is 0x0000"},
		{"a truncated file system", whole[:len(whole)/2], "it is truncated"},
		{"a file system that lacks a block", whole[:len(whole)-1], "it is truncated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			report, err := Contents(context.Background(), bytes.NewReader(test.data), int64(len(test.data)), want)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if report != nil && report.OK() {
				t.Error("the report is OK")
			}
		})
	}
}

func copyOf(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	dst := filepath.Join(tb.TempDir(), "image")
	if err := os.WriteFile(dst, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return dst
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
