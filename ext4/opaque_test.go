package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// This file tests that what is encrypted, casefolded or protected by verity stays as it is, and that all beside it is written.

func opaqueImage(t *testing.T, extended string, add ...string) string {
	t.Helper()
	p := testimage.ProfileNamed("nixos-4k")
	p.Features += "," + strings.Join(add, ",")
	return testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 32 << 20, Inodes: 2000, Extended: extended})
}

// refusals runs each operation in an update of its own, which must fail and leave the image as it was.
func refusals(t *testing.T, path string, kind error, ops map[string]func(tx *Tx) error) {
	t.Helper()
	before := testimage.Snapshot(t, path)
	for name, op := range ops {
		fsys := openImage(t, path)
		if err := fsys.Update(op, WithTime(writeTime)); !errors.Is(err, kind) {
			t.Errorf("%s: %v, want %v", name, err, kind)
		}
		if testimage.Snapshot(t, path) != before {
			t.Fatalf("%s: the image was changed", name)
		}
	}
}

func some() Content { return bytes.NewReader([]byte("some")) }

func TestWhatIsEncryptedStaysAsItIs(t *testing.T) {
	path := opaqueImage(t, "", "encrypt", "stable_inodes")
	testimage.Check(t, path, 0)
	dir := testimage.MountWith(t, path, 0, "test_dummy_encryption")
	err := os.Mkdir(filepath.Join(dir, "secret"), 0o755)
	for i := range 300 { // the directory gets an index, and names that are not text
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "secret", fmt.Sprintf("%d-a name that is hidden", i)), []byte("hidden"), 0o600))
	}
	err = errors.Join(err, os.Mkdir(filepath.Join(dir, "secret/below"), 0o755), os.Symlink("hidden", filepath.Join(dir, "secret/link")),
		os.Symlink("hidden", filepath.Join(dir, "link")), os.WriteFile(filepath.Join(dir, "file"), []byte("hidden"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	testimage.Unmount(t, dir)
	testimage.Fsck(t, path, 0)
	if flags := testimage.Debugfs(t, path, 0, "stat /secret"); !strings.Contains(flags, "Flags: 0x81800") {
		t.Fatalf("the directory is not encrypted and indexed:\n%s", flags)
	}
	refusals(t, path, ErrUnsupported, map[string]func(tx *Tx) error{
		"a file in it":      func(tx *Tx) error { return tx.WriteFile("secret/new", some(), Attr{}) },
		"a directory in it": func(tx *Tx) error { return tx.Mkdir("secret/new", Attr{}) },
		"a symlink in it":   func(tx *Tx) error { return tx.Symlink("x", "secret/new", Attr{}) },
		"a pipe in it":      func(tx *Tx) error { return tx.Mknod("secret/new", fs.ModeNamedPipe, 0, Attr{}) },
		"a link in it": func(tx *Tx) error {
			return errors.Join(tx.WriteFile("new", some(), Attr{}), tx.Link("new", "secret/new"))
		},
		"its mode":                    func(tx *Tx) error { return tx.Chmod("secret", 0o700) },
		"its name":                    func(tx *Tx) error { return tx.Rename("secret", "other") },
		"all of it removed":           func(tx *Tx) error { return tx.RemoveAll("secret") },
		"an attribute of it":          func(tx *Tx) error { return tx.SetXattr("secret", "user.x", []byte("x")) },
		"a file, replaced":            func(tx *Tx) error { return tx.WriteFile("file", some(), Attr{}) },
		"a file, cut":                 func(tx *Tx) error { return tx.Truncate("file", 1) },
		"a file, removed":             func(tx *Tx) error { return tx.Remove("file") },
		"a file's owner":              func(tx *Tx) error { return tx.Chown("file", 1, 1) },
		"a file's second name":        func(tx *Tx) error { return tx.Link("file", "second") },
		"what a symlink leads to":     func(tx *Tx) error { return tx.WriteFile("link", some(), Attr{}) },
		"a file replaced by a rename": func(tx *Tx) error { return errors.Join(tx.WriteFile("new", some(), Attr{}), tx.Rename("new", "file")) },
	})
	fsys := openImage(t, path)
	for name, read := range map[string]func() error{
		"a file":      func() error { _, err := fsys.ReadFile("file"); return err },
		"a symlink":   func() error { _, err := fsys.ReadLink("link"); return err },
		"a directory": func() error { _, err := fsys.ReadDir("secret"); return err },
		"a name":      func() error { _, err := fsys.Stat("secret/new"); return err },
	} {
		if err := read(); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s, read: %v", name, err)
		}
	}
	if info, err := fsys.Stat("secret"); err != nil || !info.IsDir() {
		t.Errorf("what is not encrypted: %v, %v", info, err)
	}
	if err := updateFile(path); err != nil {
		t.Fatal(err)
	}
	dir = testimage.MountWith(t, path, 0, "test_dummy_encryption")
	for name, want := range map[string]string{"dir/file": "content", "file": "hidden", "secret/299-a name that is hidden": "hidden"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("the kernel, which has the key, reads %q of %s, %v", b, name, err)
		}
	}
	testimage.Unmount(t, dir)
}

func TestCasefoldedDirectoriesStayAsTheyAre(t *testing.T) {
	path := opaqueImage(t, "encoding=utf8", "casefold")
	testimage.Check(t, path, 0)
	testimage.DebugfsWrite(t, path, 0, "mkdir /fold", "sif /fold flags 0x40080000", "mkdir /fold/Below", "mkdir /plain")
	testimage.Fsck(t, path, 0)
	encoding := testimage.Debugfs(t, path, 0, "stats -h")
	refusals(t, path, ErrUnsupported, map[string]func(tx *Tx) error{
		"a file in it":                func(tx *Tx) error { return tx.WriteFile("fold/new", some(), Attr{}) },
		"a directory in it":           func(tx *Tx) error { return tx.Mkdir("fold/below", Attr{}) },
		"a name taken out of it":      func(tx *Tx) error { return tx.Remove("fold/Below") },
		"a name moved out of it":      func(tx *Tx) error { return tx.Rename("fold/Below", "plain/below") },
		"a name moved into it":        func(tx *Tx) error { return tx.Rename("plain", "fold/plain") },
		"all of it removed":           func(tx *Tx) error { return tx.RemoveAll("fold") },
		"a name in other letters":     func(tx *Tx) error { return tx.Chmod("fold/below", 0o700) },
		"a directory through another": func(tx *Tx) error { return tx.MkdirAll("fold/below/more", Attr{}) },
	})
	fsys := openImage(t, path)
	list, err := fsys.ReadDir("fold")
	if err != nil || len(list) != 1 || list[0].Name() != "Below" {
		t.Errorf("its names: %v, %v", list, err)
	}
	if _, err := fsys.Stat("fold/Below"); err != nil {
		t.Error(err)
	}
	if err := updateFile(path); err != nil {
		t.Fatal(err)
	}
	err = openImage(t, path).Update(func(tx *Tx) error {
		return errors.Join(tx.WriteFile("fold/Below/../../plain/f", some(), Attr{}))
	}, WithTime(writeTime))
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a path that is none: %v", err)
	}
	for line := range strings.Lines(encoding) {
		if strings.HasPrefix(line, "Character encoding") && !strings.Contains(testimage.Debugfs(t, path, 0, "stats -h"), line) {
			t.Errorf("%q was changed", line)
		}
	}
	if !strings.Contains(encoding, "Character encoding") {
		t.Error("the image has no encoding")
	}
}

func TestFilesWithVerityStayAsTheyAre(t *testing.T) {
	path := opaqueImage(t, "", "verity")
	testimage.Check(t, path, 0)
	err := openImage(t, path).Update(func(tx *Tx) error {
		return errors.Join(tx.WriteFile("file", bytes.NewReader(bytes.Repeat([]byte("v"), 9000)), Attr{Mode: 0o644}), tx.WriteFile("other", some(), Attr{}))
	}, WithTime(writeTime))
	if err != nil {
		t.Fatal(err)
	}
	testimage.DebugfsWrite(t, path, 0, "sif /file size 5000", "sif /file flags 0x180000") // what verity has to say follows the file's end
	testimage.Fsck(t, path, 0)
	refusals(t, path, fs.ErrPermission, map[string]func(tx *Tx) error{
		"replaced": func(tx *Tx) error { return tx.WriteFile("file", some(), Attr{}) },
		"cut":      func(tx *Tx) error { return tx.Truncate("file", 1) },
		"its mode": func(tx *Tx) error { return tx.Chmod("file", 0o600) },
	})
	if b, err := openImage(t, path).ReadFile("file"); err != nil || len(b) != 5000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := updateFile(path); err != nil {
		t.Fatal(err)
	}
	// Its names are not its bytes.
	err = openImage(t, path).Update(func(tx *Tx) error {
		return errors.Join(tx.Link("file", "second"), tx.Rename("file", "third"), tx.Remove("second"))
	}, WithTime(writeTime))
	if err != nil {
		t.Fatal(err)
	}
	testimage.Fsck(t, path, 0)
	err = openImage(t, path).Update(func(tx *Tx) error { return tx.Remove("third") }, WithTime(writeTime))
	if err != nil {
		t.Fatal(err)
	}
}

// A flag of a feature that the file system does not have is damage.
func TestFlagsOfFeaturesThatAreOffAreDamage(t *testing.T) {
	path := opaqueImage(t, "")
	if err := updateFile(path); err != nil {
		t.Fatal(err)
	}
	for name, flag := range map[string]string{"encrypt": "0x80800", "casefold": "0x40080000", "verity": "0x180000", "ea_inode": "0x280000",
		"inline_data": "0x10000000", "imagic": "0x82000"} {
		t.Run(name, func(t *testing.T) {
			for _, file := range []string{"/dir/file", "/dir"} {
				image := filepath.Join(t.TempDir(), "image")
				writeImage(t, image, imageOf(t, path))
				testimage.DebugfsWrite(t, image, 0, "sif "+file+" flags "+flag)
				err := openImage(t, image).Update(func(tx *Tx) error { return tx.WriteFile("dir/file", some(), Attr{}) }, WithTime(writeTime))
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: %v", file, err)
				}
			}
		})
	}
}
