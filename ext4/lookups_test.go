package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"boringboot/internal/testimage"
)

// A transaction that has looked up many names in a directory without an index sees what it changes there afterwards.
func TestLookupsInALinearDirectorySeeItsChanges(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("linear-1k"), StorePaths: -1, Size: 16 << 20, Inodes: 1000, Linear: true})
	testimage.Check(t, path, 0)
	const names = 300
	name := func(i int) string { return fmt.Sprintf("d/a rather long name %d", i) }
	is := func(tx *Tx, i int, want bool) {
		t.Helper()
		_, err := tx.Stat(name(i))
		if want && err != nil || !want && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, should it be there: %v", name(i), err, want)
		}
	}
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
			return err
		}
		for i := range names {
			if err := tx.WriteFile(name(i), bytes.NewReader([]byte{byte(i)}), Attr{Mode: 0o600}); err != nil {
				return err
			}
		}
		return nil
	}, WithoutJournal())
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		for i := range 2 * names {
			is(tx, i, i < names)
		}
		if len(tx.dirs.listed) == 0 {
			t.Error("the names of no directory are remembered")
		}
		for i := range names {
			if err := tx.Chmod(name(i), 0o640); err != nil {
				return err
			}
		}
		for i := range names / 2 {
			if err := tx.Remove(name(i)); err != nil {
				return err
			}
			if err := tx.Symlink("x", name(names+i), Attr{}); err != nil {
				return err
			}
		}
		for i := range 2 * names {
			is(tx, i, i >= names/2 && i < names)
		}
		for i := range names / 2 {
			if target, err := tx.ReadLink(name(names + i)); err != nil || target != "x" {
				t.Errorf("%s: %q, %v", name(names+i), target, err)
			}
		}
		return nil
	}, WithoutJournal())
	for i, b := range openImageNames(t, path) {
		if i < names/2 == b {
			t.Errorf("%s is there: %v", name(i), b)
		}
	}
}

// openImageNames tells of each of the first names whether it is there, as a new FS sees it.
func openImageNames(t *testing.T, path string) map[int]bool {
	t.Helper()
	fsys := openImage(t, path)
	there := map[int]bool{}
	for i := range 300 {
		_, err := fsys.Lstat(fmt.Sprintf("d/a rather long name %d", i))
		there[i] = err == nil
	}
	return there
}
