// Sessions with verify-image: testdata/*.txtar. The images they ask for are made here, by mke2fs, debugfs and sfdisk.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/netenv"
	"boringboot/internal/secrets"
	"boringboot/internal/sshkey"
	"boringboot/internal/testimage"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"verify-image": main})
}

func TestScripts(t *testing.T) {
	testimage.Require(t, "debugfs", "mke2fs", "sfdisk")
	prepared := t.TempDir()
	prepare(t, prepared)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin")
			env.Setenv("SOPS_AGE_KEY_FILE", filepath.Join(prepared, "age.txt"))
			for _, name := range []string{"bastet.yaml", "isisis.yaml"} {
				data, err := os.ReadFile(filepath.Join(prepared, name))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), data, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"image": func(ts *testscript.TestScript, _ bool, args []string) { copyImage(ts, prepared, args) },
			"exits": exits,
			"flip":  flip,
			"json":  jsonField,
		},
	})
}

// Paths of the default manifest.
const (
	keyPath = "/var/lib/bootstrap/ssh_host_ed25519_key"
	envPath = "/var/lib/networkmanager/system-connections.env"
)

// prepare makes root.img (a bare file system with the files), empty.img (one without), disk.img (the first in a partition table),
// two.img (two of them in one), and two SOPS files: bastet.yaml, whose secrets are in root.img, and isisis.yaml.
func prepare(t *testing.T, dir string) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "age.txt"), []byte(identity.String()+"\n"))
	var keys []*sshkey.Key
	for _, name := range []string{"bastet.yaml", "isisis.yaml"} {
		key, err := sshkey.Generate("root@" + name) // of one length, as the names are
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		file, err := secrets.Encrypt(name, map[string]string{
			"ssh_host_ed25519_key": string(key.Private()), "wifi_ssid": "Nile Delta", "wifi_psk": "correct horse battery",
		}, []string{identity.Recipient().String()})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), file)
	}
	env, err := netenv.Encode([]netenv.Var{{Name: "WIFI_SSID", Value: "Nile Delta"}, {Name: "WIFI_PSK", Value: "correct horse battery"}})
	if err != nil {
		t.Fatal(err)
	}
	o := testimage.Options{StorePaths: -1, Size: 24 << 20, Inodes: 1000}
	empty := testimage.Ext4(t, o)
	rename(t, empty, filepath.Join(dir, "empty.img"))
	root := testimage.Ext4(t, o)
	fill(t, root, 0, keys[0], env)
	rename(t, root, filepath.Join(dir, "root.img"))
	disk := testimage.NixOSDisk(t, o)
	fill(t, disk, o.RootOffset(), keys[0], env)
	rename(t, disk, filepath.Join(dir, "disk.img"))
	twoRoots(t, dir)
}

// fill puts the default files into a file system.
func fill(t *testing.T, image string, offset int64, key *sshkey.Key, env []byte) {
	t.Helper()
	dir := t.TempDir()
	commands := []string{"mkdir /var", "mkdir /var/lib", "mkdir /var/lib/bootstrap", "mkdir /var/lib/networkmanager",
		"set_inode_field /var/lib/bootstrap mode 040700"}
	for i, f := range []struct {
		path, mode string
		data       []byte
	}{{keyPath, "0100600", key.Private()}, {keyPath + ".pub", "0100644", key.Public()}, {envPath, "0100600", env}} {
		src := filepath.Join(dir, strconv.Itoa(i))
		write(t, src, f.data)
		commands = append(commands, fmt.Sprintf("write %s %s", src, f.path), fmt.Sprintf("set_inode_field %s mode %s", f.path, f.mode))
		for _, id := range []string{"uid", "gid"} {
			commands = append(commands, fmt.Sprintf("set_inode_field %s %s 0", f.path, id))
		}
	}
	testimage.DebugfsWrite(t, image, offset, commands...)
	testimage.Fsck(t, image, offset)
}

// twoRoots makes two.img: a root with label NIXOS_SD beside an empty file system with the label SPARE, or with none of these labels as
// two-unlabelled.img.
func twoRoots(t *testing.T, dir string) {
	t.Helper()
	for name, labels := range map[string][2]string{"two.img": {"SPARE", "NIXOS_SD"}, "two-unlabelled.img": {"A", "B"}} {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(49 << 20); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", path)
		cmd.Stdin = strings.NewReader("label: dos\nstart=2048, size=49152, type=83\nstart=51200, size=49152, type=83\n")
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("sfdisk: %v\n%s", err, out)
		}
		for i, source := range []string{"empty.img", "root.img"} {
			data, err := os.ReadFile(filepath.Join(dir, source))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(data, int64(1+24*i)<<20); err != nil {
				t.Fatal(err)
			}
			testimage.DebugfsWrite(t, path, int64(1+24*i)<<20, "set_super_value volume_name "+labels[i])
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// image NAME [AS] copies a prepared image into the session's directory.
func copyImage(ts *testscript.TestScript, dir string, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: image NAME [AS]")
	}
	src, err := os.Open(filepath.Join(dir, args[0]))
	ts.Check(err)
	defer src.Close()
	dst, err := os.Create(ts.MkAbs(args[len(args)-1]))
	ts.Check(err)
	defer dst.Close()
	// Holes stay holes: a disk is mostly one.
	buf, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	var size int64
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 && !bytes.Equal(buf[:n], zeros[:n]) {
			_, err := dst.WriteAt(buf[:n], size)
			ts.Check(err)
		}
		size += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		ts.Check(err)
	}
	ts.Check(dst.Truncate(size))
}

// exits CODE PROGRAM ARGS… runs a program that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// flip IMAGE TEXT inverts the byte in the middle of the only place in the image that holds TEXT.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: flip IMAGE TEXT")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	at := bytes.Index(data, []byte(args[1]))
	if at < 0 || bytes.Count(data, []byte(args[1])) != 1 {
		ts.Fatalf("the image holds %q %d times", args[1], bytes.Count(data, []byte(args[1])))
	}
	data[at+len(args[1])/2] ^= 0xff
	ts.Check(os.WriteFile(path, data, 0o600))
}

// json FIELD VALUE looks into the JSON object that the last program printed: "findings.0.code missing". FIELD alone must be there.
func jsonField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: json FIELD [VALUE]")
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var v any
	ts.Check(dec.Decode(&v))
	if _, err := dec.Token(); err != io.EOF {
		ts.Fatalf("more than one JSON value on standard output")
	}
	for _, name := range strings.Split(args[0], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if name == "len" {
				v = len(at)
				continue
			}
			ts.Check(err)
			if i >= len(at) {
				v = nil
				continue
			}
			v = at[i]
		default:
			v = nil
		}
	}
	got := fmt.Sprint(v)
	match := v != nil && (len(args) == 1 || got == args[1])
	if match == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}
