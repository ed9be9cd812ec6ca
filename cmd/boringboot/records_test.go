package main_test

// This file is about what remains of a run besides the image, and about what must not remain.

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

func TestReceiptAndJSON(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	f := w.must(0, "boringboot", "provision", "bastet", "out.img", "--image", image, "--json", "--receipt", "receipt.json")
	var out, receipt struct {
		Command  string
		Host     string
		Verified bool
		Changed  bool
		Files    []struct {
			Path, Mode, Action string
			Size               *int64
			Confirmed          []string `json:"confirmed_by"`
		}
		SSH struct {
			Public      string `json:"public_key"`
			Fingerprint string
		} `json:"ssh_host_key"`
	}
	if err := json.Unmarshal([]byte(f.stdout), &out); err != nil {
		t.Fatalf("%v\n%s", err, f.stdout)
	}
	if err := json.Unmarshal(w.read("receipt.json"), &receipt); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out, receipt); diff != "" {
		t.Errorf("the receipt is not what --json says:\n%s", diff)
	}
	if out.Command != "provision" || out.Host != "bastet" || !out.Verified || !out.Changed || len(out.Files) != 7 {
		t.Errorf("%+v", out)
	}
	for _, file := range out.Files {
		if len(file.Confirmed) == 0 {
			t.Errorf("%s was confirmed by nobody", file.Path)
		}
		if strings.HasSuffix(file.Path, ".env") && file.Size != nil {
			t.Error("the size of a secret file is derived from a secret")
		}
	}
	if want := strings.TrimSpace(string(w.public)); out.SSH.Public != want {
		t.Errorf("public key %q, want %q", out.SSH.Public, want)
	}
	if want := strings.Fields(w.sh("ssh-keygen", "-l", "-f", "key.pub"))[1]; out.SSH.Fingerprint != want {
		t.Errorf("fingerprint %q, want %q", out.SSH.Fingerprint, want)
	}
}

func TestKnownHostsIsAppendedOnce(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("known_hosts", []byte("other ssh-ed25519 AAAA")) // without a newline at its end
	for range 2 {
		w.must(0, "boringboot", "provision", "bastet", "out.img", "--image", image, "--force", "--known-hosts", "known_hosts")
	}
	want := "other ssh-ed25519 AAAA\nbastet " + strings.Join(strings.Fields(string(w.public))[:2], " ") + "\n"
	if diff := cmp.Diff(want, string(w.read("known_hosts"))); diff != "" {
		t.Error(diff)
	}
	if got := w.sh("ssh-keygen", "-F", "bastet", "-f", "known_hosts"); !strings.Contains(got, "bastet ssh-ed25519") {
		t.Errorf("ssh-keygen does not find the host: %s", got)
	}
	w.must(2, "boringboot", "provision", "bastet", "fresh.img", "--image", image, "--known-hosts", "nowhere/known_hosts")
	w.must(2, "boringboot", "provision", "bastet", "fresh.img", "--image", "nowhere.img", "--known-hosts", "new_known_hosts", "--receipt", "r.json")
	for _, name := range []string{"fresh.img", "new_known_hosts", "r.json"} {
		if _, err := os.Stat(w.path(name)); err == nil {
			t.Errorf("%s was left behind", name)
		}
	}
}

func TestSourceDateEpochStampsEverything(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	run := func(out, epoch string) finished {
		cmd := w.command("boringboot", "provision", "bastet", out, "--image", image)
		cmd.Env = append(cmd.Env, "SOURCE_DATE_EPOCH="+epoch)
		return w.end(cmd)
	}
	if f := run("out.img", "1234567890"); f.code != 0 {
		t.Fatal(f.stderr)
	}
	for path, node := range testimage.Tree(t, testimage.Mount(t, w.path("out.img"), 0)) {
		if strings.HasPrefix(path, "var") && node.Mtime != 1234567890e9 {
			t.Errorf("%s: mtime %d", path, node.Mtime)
		}
	}
	if f := run("bad.img", "yesterday"); f.code != 2 || !strings.Contains(f.stderr, "SOURCE_DATE_EPOCH") {
		t.Errorf("%+v", f)
	}
}

// TestSecretsGoNowhereElse watches all the files that a run writes and all the programs it starts.
func TestSecretsGoNowhereElse(t *testing.T) {
	testimage.Require(t, "strace")
	image := testimage.Compress(t, testimage.NixOSDisk(t, testimage.Options{StorePaths: 20}), "zst")
	w := newWorkplace(t)
	tmp := filepath.Join(w.dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := w.command("boringboot")
	cmd.Path = lookPath(t, "strace")
	cmd.Args = []string{"strace", "-f", "-s", "65536", "-o", w.path("trace"), "-e", "trace=write,pwrite64,writev,pwritev,sendto,execve,openat,copy_file_range",
		filepath.Join(programs, "boringboot"), "provision", "bastet", "out.img", "--image", image, "--known-hosts", "kh", "--receipt", "r.json", "-v"}
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	if f := w.end(cmd); f.code != 0 {
		t.Fatal(f.stderr)
	}
	trace := string(w.read("trace"))
	// strace prints what is written as C strings: a line of the key's base64 appears as it is.
	secret := strings.Split(string(w.private), "\n")[2]
	inImage := 0
	for line := range strings.Lines(trace) {
		if !strings.Contains(line, secret) {
			continue
		}
		if strings.Contains(line, "pwrite64(") {
			inImage++ // into the image, under its temporary name
			continue
		}
		t.Errorf("the key was written by %.60s…", line)
	}
	if inImage != 1 {
		t.Errorf("the key was written into the image %d times", inImage)
	}
	if n := strings.Count(trace, "execve("); n != 1 {
		t.Errorf("%d programs were started, want boringboot alone", n)
	}
	psk := base64.StdEncoding.EncodeToString([]byte(testPSK))
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "out.img" || d.Name() == "key" || d.Name() == "trace" {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), secret) || strings.Contains(string(b), testPSK) || strings.Contains(string(b), psk) {
			t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	w.only("tmp")
}

func TestTree(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	w.write("root/srv/data/file", []byte("content"))
	w.write("root/srv/data/empty", nil)
	if err := firstError(os.Chmod(w.path("root/srv/data/file"), 0o4711), os.Chmod(w.path("root/srv/data"), 0o750), os.Chmod(w.path("root/srv"), 0o755),
		os.Symlink("data/file", w.path("root/srv/link")), os.Symlink(strings.Repeat("l", 300), w.path("root/srv/long")),
		os.MkdirAll(w.path("root/nix/store"), 0o700)); err != nil {
		t.Fatal(err)
	}
	f := w.must(0, "boringboot", "inject", image, "-o", "out.img", "--tree", "root", "--allow", "/nix/store")
	if want := "warning: the directory was there: /nix/store has mode"; !strings.Contains(f.stdout, want) {
		t.Errorf("no %q in %s", want, f.stdout)
	}
	testimage.Fsck(t, w.path("out.img"), 0)
	got := testimage.Tree(t, testimage.Mount(t, w.path("out.img"), 0))
	old := testimage.Tree(t, testimage.Mount(t, image, 0))
	want := testimage.Tree(t, w.path("root"))
	for path, n := range want {
		g := got[path]
		if strings.HasPrefix(path, "nix") || path == "." {
			if g.Mode != old[path].Mode {
				t.Errorf("%s: mode %o became %o", path, old[path].Mode, g.Mode)
			}
			continue
		}
		n.Mtime, n.UID, n.GID = g.Mtime, 0, 0
		if n.Type == "dir" {
			n.Size = g.Size
		}
		if diff := cmp.Diff(n, g); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestRecordsDestroyNothing names files of the run itself as its receipt or known_hosts file.
func TestRecordsDestroyNothing(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.write("m.yaml", []byte("version: 1\nfiles:\n  - path: /var/x\n    from: { file: ./src }\n  - path: /var/key\n    from: { ssh-private-key: ssh_host_ed25519_key }\n"))
	w.write("src", []byte("x"))
	w.sh("cp", "--sparse=always", image, "work.img")
	w.sh("ln", "work.img", "hard.img")
	inject := []string{"inject", "work.img", "--host", "bastet", "--secrets", "secrets/bastet.yaml", "--manifest", "m.yaml", "--file", "key.pub:/var/y"}
	for _, flag := range []string{"--receipt", "--known-hosts"} {
		for _, victim := range []string{"work.img", "hard.img", "secrets/bastet.yaml", "m.yaml", "src", "key.pub", "age.key"} {
			before := testimage.Snapshot(t, w.path(victim))
			f := w.must(2, "boringboot", append(inject, flag, victim)...)
			if testimage.Snapshot(t, w.path(victim)) != before || !strings.Contains(f.stderr, victim) {
				t.Errorf("%s %s: %s", flag, victim, f.stderr)
			}
		}
		w.must(2, "boringboot", "provision", "bastet", "out.img", "--image", image, flag, "out.img")
		w.must(2, "boringboot", "provision", "bastet", "out.img", "--image", image, flag, filepath.Join(w.dir, "out.img"))
	}
	w.must(2, "boringboot", append(inject, "--receipt", "r", "--known-hosts", "r")...)
	for _, name := range []string{"out.img", "r"} {
		if _, err := os.Stat(w.path(name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	if testimage.Snapshot(t, w.path("work.img")) != testimage.Snapshot(t, image) {
		t.Error("the image was changed")
	}
}

// TestRunsAtTheSameTimeAppendOneLine starts runs for the same host, each with an image of its own, and one known_hosts file.
func TestRunsAtTheSameTimeAppendOneLine(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 8 << 20})
	w := newWorkplace(t)
	const runs, rounds = 8, 2
	others := bytes.Repeat([]byte("other ssh-ed25519 AAAA\n"), 400_000) // which take a while to be read
	for round := range rounds {
		name := fmt.Sprintf("known_hosts%d", round)
		w.write(name, others)
		var all []*exec.Cmd
		for i := range runs {
			cmd := w.command("boringboot", "provision", "bastet", fmt.Sprintf("out%d.img", i), "--image", image, "--force", "--known-hosts", name)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			all = append(all, cmd)
		}
		for _, cmd := range all {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %v", cmd.Args, err)
			}
		}
		if n := strings.Count(string(w.read(name)), "bastet "); n != 1 {
			t.Errorf("round %d: %d lines", round, n)
		}
	}
}

func TestAKnownHostsFileThatCannotBeIsFoundOutBefore(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	if err := firstError(os.Symlink("nowhere/kh", w.path("dangling")), os.Mkdir(w.path("sub"), 0o755)); err != nil {
		t.Fatal(err)
	}
	w.sh("mkfifo", "fifo")
	for _, flag := range []string{"--known-hosts", "--receipt"} {
		for file, says := range map[string]string{"dangling": "nowhere", "sub": "directory", "none/x": "none", "/dev/null": "", "fifo": ""} {
			checkFailure(t, w, failure{want: []string{flag, says}}, "provision", "bastet", "out.img", "--image", image, flag, file)
		}
	}
	if _, err := os.Lstat(w.path("out.img")); err == nil {
		t.Error("the image was made nevertheless")
	}
}

// TestStandardOutputIsNoFile: "-" means standard output to many programs, and would be a file here.
func TestStandardOutputIsNoFile(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	before := testimage.Snapshot(t, image)
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"provision", "bastet", "out.img", "--image", image, "--receipt", "-"}, []string{"--receipt -", "--json"}},
		{[]string{"provision", "bastet", "out.img", "--image", image, "--known-hosts", "-"}, []string{"--known-hosts -", "with the result"}},
		{[]string{"provision", "bastet", "out.img", "--image", image, "--known-hosts", "-", "--dry-run"}, []string{"--known-hosts -"}},
		{[]string{"provision", "bastet", "-", "--image", image}, []string{"DEST -", "./-"}},
		{[]string{"inject", image, "-o", "-", "--file", "key.pub:/x"}, []string{"-o -", "./-"}},
		{[]string{"inject", image, "--file", "key.pub:/x", "--receipt=-"}, []string{"--receipt -"}},
	} {
		checkFailure(t, w, failure{want: tt.want}, tt.args...)
	}
	for _, name := range []string{"-", "out.img"} {
		if _, err := os.Lstat(w.path(name)); err == nil {
			t.Errorf("%q was made", name)
		}
	}
	if testimage.Snapshot(t, image) != before {
		t.Error("the image was changed")
	}
	w.must(0, "boringboot", "provision", "bastet", "./-", "--image", image)
	w.must(0, "verify-image", "./-")
}

func TestAnotherKeyInKnownHostsIsToldOf(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	w := newWorkplace(t)
	w.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.path("old"))
	w.write("known_hosts", []byte("bastet,10.0.0.1 "+strings.Join(strings.Fields(string(w.read("old.pub")))[:2], " ")+"\n"))
	f := w.must(0, "boringboot", "provision", "bastet", "out.img", "--image", image, "--known-hosts", "known_hosts")
	if !strings.Contains(f.stdout, "warning: known_hosts trusts another ed25519 key of bastet") {
		t.Error(f.stdout)
	}
}
