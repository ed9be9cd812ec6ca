package main_test

// This file is the table of bad input: each gets exit code 2, one line that says what is wrong, and nothing is left behind.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// failure is one bad input to one of the commands.
type failure struct {
	name string
	make func(w *workplace, image string) []string // arguments after "provision bastet out/", or nil: see args
	want []string                                  // what the error says, each of them
	env  []string
}

func TestBadSecrets(t *testing.T) {
	image := testimage.NixOSDisk(t, testimage.Options{StorePaths: 20})
	values := func(w *workplace) map[string]string {
		return map[string]string{"ssh_host_ed25519_key": string(w.private), "wifi_ssid": "net", "wifi_psk": "password"}
	}
	with := func(key, value string) func(w *workplace, image string) []string {
		return func(w *workplace, image string) []string {
			v := values(w)
			if value == "" {
				delete(v, key)
			} else {
				v[key] = value
			}
			w.sops("secrets/bastet.yaml", v)
			return []string{"--image", image}
		}
	}
	same := func(w *workplace, image string) []string { return []string{"--image", image} }
	for _, tt := range []failure{
		{"no identity", same, []string{"secrets/bastet.yaml"}, []string{"SOPS_AGE_KEY_FILE="}},
		{"an identity file that is not there", same, []string{"secrets/bastet.yaml"}, []string{"SOPS_AGE_KEY_FILE=/nowhere/keys.txt"}},
		{"a wrong identity", func(w *workplace, image string) []string {
			w.sh("age-keygen", "-o", w.path("other.key"))
			w.write("age.key", w.read("other.key"))
			return []string{"--image", image}
		}, []string{"secrets/bastet.yaml"}, nil},
		{"a SOPS file whose MAC does not fit", func(w *workplace, image string) []string {
			b := w.read("secrets/bastet.yaml")
			i := bytes.Index(b, []byte("lastmodified: \"")) + len("lastmodified: \"")
			b = append(append(bytes.Clone(b[:i]), "2001"...), b[i+4:]...)
			w.write("secrets/bastet.yaml", b)
			return []string{"--image", image}
		}, []string{"secrets/bastet.yaml"}, nil},
		{"a SOPS file with one byte of ciphertext changed", func(w *workplace, image string) []string {
			b := w.read("secrets/bastet.yaml")
			i := bytes.Index(b, []byte("wifi_psk: ENC[AES256_GCM,data:")) + len("wifi_psk: ENC[AES256_GCM,data:")
			if b[i] = 'A'; w.read("secrets/bastet.yaml")[i] == 'A' {
				b[i] = 'B'
			}
			w.write("secrets/bastet.yaml", b)
			return []string{"--image", image}
		}, []string{"secrets/bastet.yaml"}, nil},
		{"a file that is not encrypted", func(w *workplace, image string) []string {
			w.write("secrets/bastet.yaml", []byte("wifi_ssid: net\n"))
			return []string{"--image", image}
		}, []string{"secrets/bastet.yaml"}, nil},
		{"no SOPS file at all", func(w *workplace, image string) []string {
			os.RemoveAll(w.path("secrets"))
			return []string{"--image", image}
		}, []string{"secrets/bastet.yaml", "hosts/bastet/secrets.yaml", "--secrets"}, nil},
		{"a key that is missing", with("wifi_psk", ""), []string{"secrets/bastet.yaml", "wifi_psk"}, nil},
		{"a host key that does not parse", with("ssh_host_ed25519_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), []string{"ssh_host_ed25519_key"}, nil},
		{"a host key that is not ed25519", func(w *workplace, image string) []string {
			w.sh("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", w.path("ecdsa"))
			return with("ssh_host_ed25519_key", string(w.read("ecdsa")))(w, image)
		}, []string{"ssh_host_ed25519_key", "ecdsa", "ed25519"}, nil},
		{"a host key with a passphrase", func(w *workplace, image string) []string {
			w.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "geheim", "-f", w.path("locked"))
			return with("ssh_host_ed25519_key", string(w.read("locked")))(w, image)
		}, []string{"ssh_host_ed25519_key", "passphrase"}, nil},
		{"a PSK that is too short", with("wifi_psk", "1234567"), []string{"wifi_psk", "8"}, nil},
		{"a PSK that is too long", with("wifi_psk", strings.Repeat("x", 65)), []string{"wifi_psk", "63"}, nil},
		{"a PSK of 64 characters that are no digits", with("wifi_psk", strings.Repeat("x", 64)), []string{"wifi_psk", "hexadecimal"}, nil},
		{"an SSID that is too long", with("wifi_ssid", strings.Repeat("x", 33)), []string{"wifi_ssid", "32"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkplace(t)
			os.Mkdir(w.path("out"), 0o755)
			args := append([]string{"provision", "bastet", "out/"}, tt.make(w, image)...)
			checkFailure(t, w, tt, args...)
			w.only("out")
		})
	}
}

// checkFailure runs boringboot, which must exit with 2 and say one line (and perhaps a hint) that contains what is wanted.
func checkFailure(t *testing.T, w *workplace, tt failure, args ...string) {
	t.Helper()
	cmd := w.command("boringboot", args...)
	cmd.Env = append(cmd.Env, tt.env...)
	f := w.end(cmd)
	lines := strings.Split(strings.TrimSuffix(f.stderr, "\n"), "\n")
	for len(lines) > 0 && !strings.HasPrefix(lines[0], "boringboot: ") { // steps
		lines = lines[1:]
	}
	if f.code != 2 || len(lines) == 0 || len(lines) > 2 || len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ") || f.stdout != "" {
		t.Errorf("exit code %d, standard output %q, standard error:\n%s", f.code, f.stdout, f.stderr)
	}
	for _, want := range tt.want {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("the error does not say %q:\n%s", want, f.stderr)
		}
	}
	t.Logf("%s", f.stderr)
}

func TestBadImages(t *testing.T) {
	o := testimage.Options{StorePaths: 20}
	disk := func(w *workplace) string { return testimage.NixOSDisk(t, o) }
	truncate := func(path string, n int64) []string {
		if err := os.Truncate(path, n); err != nil {
			t.Fatal(err)
		}
		return []string{"--image", path}
	}
	compressed := func(format string) func(w *workplace, _ string) []string {
		return func(w *workplace, _ string) []string {
			path := testimage.Compress(t, disk(w), format)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			return truncate(path, info.Size()*2/3)
		}
	}
	bytesAt := func(offset int64, b ...byte) func(w *workplace, _ string) []string {
		return func(w *workplace, _ string) []string {
			path := disk(w)
			testimage.WriteAt(t, path, offset, b)
			return []string{"--image", path}
		}
	}
	// debug changes the root through debugfs, which keeps the superblock's checksum right.
	debug := func(commands ...string) func(w *workplace, _ string) []string {
		return func(w *workplace, _ string) []string {
			path := disk(w)
			testimage.DebugfsWrite(t, path, o.RootOffset(), commands...)
			return []string{"--image", path}
		}
	}
	root := o.RootOffset()
	for _, tt := range []failure{
		{"no such image", func(w *workplace, _ string) []string { return []string{"--image", "nowhere.img"} }, []string{"nowhere.img"}, nil},
		{"an image cut in its root", func(w *workplace, _ string) []string { return truncate(disk(w), root+5<<20) }, []string{"truncated"}, nil},
		{"an image of a GPT cut behind its root", func(w *workplace, _ string) []string {
			path := testimage.NixOSDisk(t, testimage.Options{StorePaths: 20, Layout: testimage.GPT})
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			return truncate(path, info.Size()-512)
		}, []string{"truncated"}, nil},
		{"an image cut before its root", func(w *workplace, _ string) []string { return truncate(disk(w), 9<<20) }, []string{"truncated"}, nil},
		{"an empty image", func(w *workplace, _ string) []string {
			w.write("empty.img", nil)
			return []string{"--image", "empty.img"}
		}, []string{"empty"}, nil},
		{"a zstd stream cut short", compressed("zst"), []string{"truncated"}, nil},
		{"an xz stream cut short", compressed("xz"), []string{"truncated"}, nil},
		{"a gzip stream cut short", compressed("gz"), []string{"truncated"}, nil},
		{"a bzip2 stream cut short", compressed("bz2"), []string{"truncated"}, nil},
		{"no partition table", func(w *workplace, _ string) []string {
			w.write("zero.img", make([]byte, 1<<20))
			return []string{"--image", "zero.img"}
		}, []string{"no partition table"}, nil},
		{"no ext4", bytesAt(root+1024, make([]byte, 1024)...), []string{"no ext4", "vfat"}, nil},
		{"a superblock that is damaged", bytesAt(root+1024+0x18+200, 0xff), []string{"superblock", "checksum"}, nil},
		{"a descriptor that is damaged", bytesAt(root+4096, 0xff), []string{"descriptor", "checksum"}, nil},
		{"an unknown feature", debug("set_super_value feature_incompat 0x402c2c2"), []string{"0x4000000"}, nil},
		{"a journal that cannot be replayed", func(w *workplace, _ string) []string {
			path := disk(w)
			at := strings.Fields(testimage.Debugfs(t, path, root, "bmap <8> 0"))
			block, err := strconv.ParseInt(at[len(at)-1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			testimage.DebugfsWrite(t, path, root, "set_super_value feature_incompat 0x22c6")
			testimage.WriteAt(t, path, root+4096*block, make([]byte, 1024))
			return []string{"--image", path}
		}, []string{"journal", "magic"}, nil},
		{"the errors flag", debug("set_super_value state 3"), []string{"error"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkplace(t)
			os.Mkdir(w.path("out"), 0o755)
			args := tt.make(w, "")
			image := args[1]
			if !filepath.IsAbs(image) {
				image = w.path(image)
			}
			var before string
			if _, err := os.Stat(image); err == nil {
				before = testimage.Snapshot(t, image)
			}
			checkFailure(t, w, tt, append([]string{"provision", "bastet", "out/"}, args...)...)
			w.only("out")
			if before == "" {
				return
			}
			if c := filepath.Ext(image); c == ".img" { // the same in place
				checkFailure(t, w, tt, "inject", image, "--secrets", "secrets/bastet.yaml")
			}
			if testimage.Snapshot(t, image) != before {
				t.Error("the image was changed")
			}
		})
	}
	t.Run("two candidates", func(t *testing.T) {
		w := newWorkplace(t)
		os.Mkdir(w.path("out"), 0o755)
		image := twoRoots(t)
		tt := failure{want: []string{"partition 1", "partition 2", "--partition"}}
		checkFailure(t, w, tt, "provision", "bastet", "out/", "--image", image)
		w.only("out")
		w.must(0, "boringboot", "provision", "bastet", "out/", "--image", image, "--partition", "2")
		w.must(0, "boringboot", "provision", "bastet", "out/", "--image", image, "--label", "second", "--force")
		w.must(2, "boringboot", "provision", "bastet", "out/", "--image", image, "--label", "third", "--force")
	})
}

// twoRoots makes a disk with two ext4 partitions, neither of which is labelled NIXOS_SD.
func twoRoots(t *testing.T) string {
	t.Helper()
	testimage.Require(t, "sfdisk")
	path := filepath.Join(t.TempDir(), "two.img")
	var disk bytes.Buffer
	disk.Write(make([]byte, 1<<20))
	script := "label: dos\n"
	for _, label := range []string{"first", "second"} {
		b := mustRead(t, testimage.Ext4(t, testimage.Options{Label: label, StorePaths: 5, Size: 16 << 20}))
		script += fmt.Sprintf("start=%d, size=%d, type=83\n", disk.Len()/512, len(b)/512)
		disk.WriteString(b)
	}
	if err := os.WriteFile(path, disk.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	w := &workplace{tb: t, dir: t.TempDir()}
	w.write("script", []byte(script))
	w.sh("sh", "-c", "sfdisk --quiet --no-reread --no-tell-kernel "+path+" < script")
	return path
}

// TestNothingIsBuiltForWhatCannotBeDone has a nix that leaves a mark when it is run.
func TestNothingIsBuiltForWhatCannotBeDone(t *testing.T) {
	w := newWorkplace(t)
	w.write("bin/nix", []byte("#!/bin/sh\ntouch "+w.path("nix-was-run")+"\nexit 1\n"))
	w.sh("chmod", "755", "bin/nix")
	w.write("taken.img", nil)
	w.write("etc.yaml", []byte("version: 1\nfiles:\n  - path: /etc/x\n    from: { text: x }\n"))
	w.sops("short.yaml", map[string]string{"ssh_host_ed25519_key": string(w.private), "wifi_ssid": "net", "wifi_psk": "1234567"})
	provision := func(args ...string) finished {
		cmd := w.command("boringboot", append([]string{"provision", "bastet"}, args...)...)
		cmd.Env = append(cmd.Env, "PATH="+w.path("bin")+":"+os.Getenv("PATH"))
		return w.end(cmd)
	}
	for name, args := range map[string][]string{
		"a PSK that is too short":    {"out.img", "--secrets", "short.yaml"},
		"no SOPS file":               {"out.img", "--secrets", "nowhere.yaml"},
		"a path below /etc":          {"out.img", "--manifest", "etc.yaml"},
		"a DEST that exists":         {"taken.img"},
		"a DEST in no directory":     {"nowhere/out.img"},
		"a receipt in no directory":  {"out.img", "--receipt", "nowhere/r.json"},
		"a known_hosts file in none": {"out.img", "--known-hosts", "nowhere/kh"},
		"a partition that cannot be": {"out.img", "--partition", "-1"},
	} {
		if f := provision(args...); f.code != 2 {
			t.Errorf("%s: exit code %d\n%s", name, f.code, f.stderr)
		}
		if _, err := os.Stat(w.path("nix-was-run")); err == nil {
			t.Fatalf("%s: nix was run", name)
		}
	}
	if f := provision("out.img"); f.code != 2 {
		t.Errorf("a nix that fails: exit code %d", f.code)
	}
	if _, err := os.Stat(w.path("nix-was-run")); err != nil {
		t.Errorf("the mark is not left where nix is run: %v", err)
	}
}
