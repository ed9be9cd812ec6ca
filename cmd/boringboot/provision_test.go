package main_test

// This file is the main job on images of every kind that distributions make, judged by e2fsck, the kernel, debugfs and ssh-keygen.

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

func TestProvisionOnEveryKindOfImage(t *testing.T) {
	for i, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			layouts := []testimage.Layout{testimage.MBR, testimage.GPT, testimage.Logical}
			o := testimage.Options{Profile: p, Layout: layouts[i%len(layouts)]}
			image := testimage.NixOSDisk(t, o)
			source := image
			if formats := []string{"zst", "", "xz", "", "gz", "", "bz2"}; formats[i%len(formats)] != "" {
				source = testimage.Compress(t, image, formats[i%len(formats)])
			}
			w := newWorkplace(t)
			checkProvision(t, w, image, source, o)
		})
	}
}

// checkProvision provisions a copy of source, whose raw form is image, and has everything judged.
func checkProvision(t *testing.T, w *workplace, image, source string, o testimage.Options) {
	if err := os.Mkdir(w.path("out"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := testimage.Snapshot(t, source)
	f := w.must(0, "boringboot", "provision", "bastet", "out/", "--image", source, "--known-hosts", "known_hosts", "--receipt", "receipt.json")
	if after := testimage.Snapshot(t, source); after != before {
		t.Error("the source image was changed")
	}
	w.only("out", "bastet.img")
	dest := w.path("out/bastet.img")
	line := "bastet " + strings.Join(strings.Fields(string(w.public))[:2], " ")
	if got := string(w.read("known_hosts")); got != line+"\n" {
		t.Errorf("known_hosts is %q, want %q", got, line)
	}
	if !strings.Contains(f.stdout, line) {
		t.Errorf("no line for known_hosts in:\n%s", f.stdout)
	}
	info, err := os.Stat(dest)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the image: %v, %v", info.Mode(), err)
	}
	testimage.Fsck(t, dest, o.RootOffset())

	w.must(0, "boringboot", "provision", "bastet", "again.img", "--image", source)
	if testimage.Snapshot(t, w.path("again.img")) != testimage.Snapshot(t, dest) {
		t.Error("the same inputs gave other bytes")
	}
	sum := testimage.Snapshot(t, dest)
	w.must(0, "boringboot", "inject", "out/bastet.img", "--secrets", "secrets/bastet.yaml")
	if testimage.Snapshot(t, dest) != sum {
		t.Error("injecting what is there changed the image")
	}
	w.must(0, "verify-image", "out/bastet.img")
	w.must(0, "verify-image", "out/bastet.img", "--secrets", "secrets/bastet.yaml")

	compareTrees(t, w, image, dest, o)
	if n := compareBackups(t, w, image, dest, o); n == 0 && o.Profile.BlockSize == 1024 {
		t.Error("no group of this image has copies of the superblock")
	}
	for path, mode := range map[string]string{
		"/var/lib/bootstrap": "0700", "/var/lib/bootstrap/ssh_host_ed25519_key": "0600",
		"/var/lib/bootstrap/ssh_host_ed25519_key.pub": "0644", "/var/lib/networkmanager/system-connections.env": "0600",
	} {
		stat := testimage.Debugfs(t, dest, o.RootOffset(), "stat "+path)
		for _, want := range []string{"Mode:  " + mode, "User:     0   Group:     0"} {
			if !strings.Contains(stat, want) {
				t.Errorf("debugfs says of %s, without %q:\n%s", path, want, stat)
			}
		}
	}
}

// compareTrees has the kernel list both images: the new files are right, and nothing else differs.
func compareTrees(t *testing.T, w *workplace, before, after string, o testimage.Options) {
	offset := o.RootOffset()
	old := testimage.Tree(t, testimage.Mount(t, before, offset))
	mounted := testimage.Mount(t, after, offset)
	got := testimage.Tree(t, mounted)

	const key = "var/lib/bootstrap/ssh_host_ed25519_key"
	for path, want := range map[string]string{
		key: string(w.private), key + ".pub": string(w.public),
		"var/lib/networkmanager/system-connections.env": testEnvironment,
	} {
		b, err := os.ReadFile(filepath.Join(mounted, path))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(b)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if err := os.WriteFile(w.path("copied"), []byte(mustRead(t, filepath.Join(mounted, key))), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.sh("ssh-keygen", "-y", "-f", w.path("copied")); got != string(w.public) {
		t.Errorf("ssh-keygen -y says %q, want %q", got, w.public)
	}

	stamp := got["var"].Mtime // that all are alike, and not the clock's, the two runs with the same bytes show
	want := maps.Clone(old)
	root := want["."]
	root.Links, root.Mtime = root.Links+1, stamp
	want["."] = root
	add := func(path, kind string, mode uint32, links uint64) {
		n := got[path]
		want[path] = testimage.Node{Type: kind, Mode: mode, Links: links, Mtime: stamp, Size: n.Size, Content: n.Content}
	}
	add("var", "dir", 0o755, 3)
	add("var/lib", "dir", 0o755, 4)
	add("var/lib/bootstrap", "dir", 0o700, 2)
	add("var/lib/networkmanager", "dir", 0o755, 2)
	add(key, "file", 0o600, 1)
	add(key+".pub", "file", 0o644, 1)
	add("var/lib/networkmanager/system-connections.env", "file", 0o600, 1)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tree as the kernel lists it (-want +got):\n%s", diff)
	}
}

// testEnvironment carries testSSID and testPSK: escaped for NetworkManager's keyfile reader, then quoted for systemd.
var testEnvironment = strings.ReplaceAll(`WIFI_SSID="Kaf\\\\fee \"\$HOME\"\\; #1 \~x\~"
WIFI_PSK="\\sleading \"space\" \$(and) \\\\ ;more"
`, "~", "`")

// backups matches dumpe2fs' line of a group that has copies of superblock and descriptors.
var backups = regexp.MustCompile(`Backup superblock at (\d+), Group descriptors at (\d+)-(\d+)`)

// compareBackups shows that the copies of superblock and descriptors in other groups stay as they were, as the kernel leaves them. It
// returns how many there are.
func compareBackups(t *testing.T, w *workplace, before, after string, o testimage.Options) int {
	t.Helper()
	blockSize := int64(o.Profile.BlockSize)
	a, b := mustRead(t, before), mustRead(t, after)
	found := backups.FindAllStringSubmatch(w.sh("dumpe2fs", fmt.Sprintf("%s?offset=%d", before, o.RootOffset())), -1)
	for _, m := range found {
		first, err1 := strconv.ParseInt(m[1], 10, 64)
		last, err2 := strconv.ParseInt(m[3], 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatal(m)
		}
		from, to := o.RootOffset()+first*blockSize, o.RootOffset()+(last+1)*blockSize
		if a[from:to] != b[from:to] {
			t.Errorf("the copies in blocks %d to %d were changed", first, last)
		}
	}
	return len(found)
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
