package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"boringboot/internal/testimage"

	"golang.org/x/sys/unix"
)

// writeTree makes a file of each kind.
func writeTree(tx *Tx) error {
	a := Attr{Mode: 0o644}
	return errors.Join(
		tx.Mkdir("dir", Attr{Mode: 0o755}),
		tx.Mkdir("dir/sub", Attr{Mode: 0o755}),
		tx.WriteFile("file", bytes.NewReader([]byte("content")), a),
		tx.WriteFile("dir/file", bytes.NewReader(pattern(5000, 1)), a),
		tx.Symlink("file", "short", a),
		tx.Symlink(string(bytes.Repeat([]byte("x"), 100)), "long", a),
		tx.Mknod("pipe", fs.ModeNamedPipe, 0, a),
	)
}

func TestAFileHasSeveralNames(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 16, 64)
	testimage.Check(t, path, 0)
	mustUpdate(t, openImage(t, path), writeTree)
	names := map[string]string{"dir/again": "file", "dir/sub/pipe": "pipe", "short2": "short", "long2": "long", "third": "dir/file"}
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		for name, old := range names {
			if err := tx.Link(old, name); err != nil {
				return err
			}
		}
		return tx.Link("dir/again", "fourth")
	})
	names["fourth"] = "file"
	testimage.Fsck(t, path, 0)
	dir := testimage.Mount(t, path, 0)
	for name, old := range names {
		var a, b unix.Stat_t
		if err := errors.Join(unix.Lstat(filepath.Join(dir, name), &a), unix.Lstat(filepath.Join(dir, old), &b)); err != nil {
			t.Fatal(err)
		}
		want := uint64(2)
		if old == "file" {
			want = 3
		}
		if a != b || uint64(a.Nlink) != want || a.Ctim.Nano() != writeTime.UnixNano() {
			t.Errorf("%s and %s: %+v and %+v", name, old, a, b)
		}
	}
}

func TestWhatGetsNoFurtherName(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 16, 64)
	testimage.Check(t, path, 0)
	mustUpdate(t, openImage(t, path), writeTree)
	before := testimage.Snapshot(t, path)
	for _, c := range []struct {
		old, new string
		want     error
	}{
		{"dir", "again", fs.ErrPermission},
		{".", "again", fs.ErrPermission},
		{"missing", "again", fs.ErrNotExist},
		{"file", "short", fs.ErrExist},
		{"file", "file", fs.ErrExist},
		{"file", "dir", fs.ErrExist},
		{"file", "missing/again", fs.ErrNotExist},
		{"file", "pipe/again", ErrNotDir},
		{"file/x", "again", ErrNotDir},
		{"file", "../again", fs.ErrInvalid},
		{"", "again", fs.ErrInvalid},
		{"file", string(bytes.Repeat([]byte("n"), 256)), ErrNameTooLong},
	} {
		err := openImage(t, path).Update(func(tx *Tx) error {
			err := tx.Link(c.old, c.new)
			var linkErr *os.LinkError
			if !errors.Is(err, c.want) || !errors.As(err, &linkErr) || linkErr.Old != c.old || linkErr.New != c.new {
				t.Errorf("Link(%q, %q): %v, want %v", c.old, c.new, err, c.want)
			}
			// An operation that was refused leaves the transaction as it was.
			return tx.Chmod("file", 0o644)
		})
		if err != nil {
			t.Errorf("Link(%q, %q): the transaction is broken: %v", c.old, c.new, err)
		}
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
}

func TestAFileHas65000NamesAtMost(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 32, 64)
	testimage.Check(t, path, 0)
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		if err := tx.WriteFile("file", bytes.NewReader([]byte("content")), Attr{Mode: 0o600}); err != nil {
			return err
		}
		for i := 1; i < linkMax; i++ {
			if err := tx.Link("file", fmt.Sprintf("name-%d", i)); err != nil {
				return err
			}
		}
		if err := tx.Link("file", "one-more"); !errors.Is(err, ErrTooManyLinks) {
			t.Errorf("the 65,001st name: %v", err)
		}
		return nil
	}, WithoutJournal())
	dir := testimage.MountRW(t, path, 0)
	if err := os.Link(filepath.Join(dir, "file"), filepath.Join(dir, "one-more")); !errors.Is(err, unix.EMLINK) {
		t.Errorf("the kernel's 65,001st name: %v", err)
	}
}
