// The image that is checked in is sound, is what the demo promises, and is what make.sh makes.

package sdimage

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// rootOffset is where the README puts the root, in bytes.
const rootOffset = 38 << 20

func unpack(t *testing.T, compressed []byte) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(compressed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// disk writes an unpacked image to a file.
func disk(t *testing.T, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func output(t *testing.T, tool string, args ...string) string {
	t.Helper()
	testimage.Require(t, tool)
	cmd := exec.Command(tool, args...)
	if _, err := exec.LookPath(tool); err != nil {
		cmd = exec.Command(filepath.Join("/usr/sbin", tool), args...)
	}
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestTheImageIsSound(t *testing.T) {
	raw := unpack(t, Compressed)
	if got, limit := len(Compressed), 300<<10; got > limit {
		t.Errorf("the image has %d bytes, more than %d", got, limit)
	}
	path := disk(t, raw)
	testimage.Fsck(t, path, rootOffset)

	table := output(t, "sfdisk", "-d", path)
	for _, want := range []string{
		"label: dos", "label-id: 0x2178694e",
		`start= +16384, size= +61440, type=b\n`,
		`start= +77824, size= +` + strconv.Itoa((len(raw)-rootOffset)/512) + `, type=83, bootable\n`,
	} {
		if !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("sfdisk finds no %q in\n%s", want, table)
		}
	}

	firmware := output(t, "mdir", "-b", "-i", path+"@@8M", "::")
	if diff := cmp.Diff("::/config.txt\n::/u-boot.bin\n", firmware); diff != "" {
		t.Errorf("firmware partition (-want +got):\n%s", diff)
	}
}

func TestTheRootIsLikeThatOfANixOSImage(t *testing.T) {
	path := disk(t, unpack(t, Compressed))
	root := testimage.Debugfs(t, path, rootOffset, "ls -p /")
	var names []string
	for line := range strings.Lines(root) { // /inode/mode/uid/gid/name/size/
		if f := strings.Split(line, "/"); len(f) > 5 {
			names = append(names, f[5])
		}
	}
	if diff := cmp.Diff([]string{".", "..", "lost+found", "boot", "nix", "nix-path-registration"}, names); diff != "" {
		t.Errorf("the root directory (-want +got):\n%s", diff)
	}
	if n := strings.Count(testimage.Debugfs(t, path, rootOffset, "ls -p /nix/store"), "\n"); n < 190 {
		t.Errorf("/nix/store has %d lines, want 190 or more", n)
	}

	super := testimage.Debugfs(t, path, rootOffset, "show_super_stats -h")
	field := func(name string) string {
		m := regexp.MustCompile(`(?m)^` + name + `: +(.*)$`).FindStringSubmatch(super)
		if m == nil {
			t.Fatalf("debugfs shows no %s", name)
		}
		return m[1]
	}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(field(name), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if diff := cmp.Diff("NIXOS_SD", field("Filesystem volume name")); diff != "" {
		t.Errorf("label (-want +got):\n%s", diff)
	}
	features := strings.Fields(field("Filesystem features"))
	want := []string{
		"has_journal", "ext_attr", "resize_inode", "dir_index", "orphan_file", "filetype", "extent", "64bit", "flex_bg",
		"metadata_csum_seed", "sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum",
	}
	if diff := cmp.Diff(want, features); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	if free := number("Free blocks") * number("Block size"); free < 15<<20 || free > 18<<20 {
		t.Errorf("%d bytes are free, want some 16 MiB", free)
	}
}

func TestTheImageIsWhatItsRecipeMakes(t *testing.T) {
	testimage.Require(t, "mke2fs", "debugfs", "resize2fs", "dumpe2fs", "e2fsck", "sfdisk", "mkfs.vfat", "fsck.vfat", "mcopy", "zstd")
	// The recipe as it is embedded, for that is what others get.
	dir := t.TempDir()
	if err := os.CopyFS(dir, Recipe); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, Name)
	output(t, "sh", filepath.Join(dir, "make.sh"), made)
	compressed, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	got, want := unpack(t, compressed), unpack(t, Compressed)
	if bytes.Equal(got, want) {
		return
	}
	if version := output(t, "mke2fs", "-V"); strings.Contains(version, "mke2fs 1.47.0 ") {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		t.Fatalf("make.sh makes other bytes (%d, checked in are %d) from offset %d on; run it and commit the image", len(got), len(want), i)
	}
	// Another version lays the file system out otherwise, but the tree in it must be the same.
	testimage.RequireRoot(t)
	trees := [2]map[string]testimage.Node{}
	for i, raw := range [][]byte{want, got} {
		path := disk(t, raw)
		testimage.Fsck(t, path, rootOffset)
		trees[i] = testimage.Tree(t, testimage.Mount(t, path, rootOffset))
	}
	if diff := cmp.Diff(trees[0], trees[1]); diff != "" {
		t.Errorf("make.sh makes another tree; run it and commit the image (-checked in +made):\n%s", diff)
	}
}

func TestTheRecipeLeavesNothingBehind(t *testing.T) {
	for _, tc := range []struct{ name, out string }{
		{"when it succeeds", "OUT/x.img.zst"},
		{"when its output cannot be written", "OUT/missing/x.img.zst"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testimage.Require(t, "mke2fs", "debugfs", "resize2fs", "dumpe2fs", "e2fsck", "sfdisk", "mkfs.vfat", "fsck.vfat", "mcopy", "zstd")
			out, tmp := t.TempDir(), t.TempDir()
			cmd := exec.Command("./make.sh", strings.ReplaceAll(tc.out, "OUT", out))
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			said, err := cmd.CombinedOutput()
			if wantErr := strings.Contains(tc.out, "missing"); (err != nil) != wantErr {
				t.Errorf("got the error %v, want one: %v\n%s", err, wantErr, said)
			}
			if err := fs.WalkDir(os.DirFS(tmp), ".", func(path string, _ fs.DirEntry, err error) error {
				if path != "." {
					t.Errorf("%s is left", path)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
}
