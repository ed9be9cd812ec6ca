package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// i_flags for debugfs, with extents (0x80000).
const (
	flagsImmutable = "0x80010"
	flagsAppend    = "0x80020"
	flagsVerity    = "0x180000"
)

func TestWhatCannotBeRemovedOrRenamed(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 16, 128)
	testimage.Check(t, path, 0)
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		err := writeTree(tx)
		for _, dir := range []string{"frozen", "frozen/sub", "logs", "logs/sub", "above", "above/below"} {
			err = errors.Join(err, tx.Mkdir(dir, Attr{Mode: 0o755}))
		}
		for _, name := range []string{"frozen/file", "logs/file", "above/below/immutable", "immutable", "append-only"} {
			err = errors.Join(err, tx.WriteFile(name, bytes.NewReader([]byte(name)), Attr{Mode: 0o600}))
		}
		return errors.Join(err, tx.Symlink("dir", "to-dir", Attr{}), tx.Link("file", "frozen/linked"), tx.Link("file", "logs/linked"))
	})
	var commands []string
	for name, flags := range map[string]string{"frozen": flagsImmutable, "logs": flagsAppend, "above/below/immutable": flagsImmutable,
		"immutable": flagsImmutable, "append-only": flagsAppend} {
		commands = append(commands, "set_inode_field "+name+" flags "+flags)
	}
	testimage.DebugfsWrite(t, path, 0, commands...)
	before := testimage.Snapshot(t, path)
	remove := func(name string) func(*Tx) error { return func(tx *Tx) error { return tx.Remove(name) } }
	removeAll := func(name string) func(*Tx) error { return func(tx *Tx) error { return tx.RemoveAll(name) } }
	rename := func(old, new string) func(*Tx) error { return func(tx *Tx) error { return tx.Rename(old, new) } }
	link := func(old, new string) func(*Tx) error { return func(tx *Tx) error { return tx.Link(old, new) } }
	write := func(name string) func(*Tx) error {
		return func(tx *Tx) error { return tx.WriteFile(name, bytes.NewReader(nil), Attr{}) }
	}
	for what, c := range map[string]struct {
		do   func(*Tx) error
		want error
	}{
		"the root":                                                   {remove("."), fs.ErrInvalid},
		"the root with everything":                                   {removeAll("."), fs.ErrInvalid},
		"the root, renamed":                                          {rename(".", "new"), fs.ErrInvalid},
		"what replaces the root":                                     {rename("file", "."), fs.ErrInvalid},
		"a directory that is not empty":                              {remove("dir"), ErrNotEmpty},
		"what is not there":                                          {remove("missing"), fs.ErrNotExist},
		"what is not there, in a directory that is not":              {remove("missing/file"), fs.ErrNotExist},
		"what is below a file":                                       {remove("file/x"), ErrNotDir},
		"what is below a file, with everything":                      {removeAll("file/x"), ErrNotDir},
		"a path with a slash at its end":                             {remove("dir/sub/"), fs.ErrInvalid},
		"an immutable file":                                          {remove("immutable"), fs.ErrPermission},
		"an immutable file, renamed":                                 {rename("immutable", "new"), fs.ErrPermission},
		"an immutable file, replaced":                                {rename("file", "immutable"), fs.ErrPermission},
		"an immutable file, linked":                                  {link("immutable", "new"), fs.ErrPermission},
		"an append-only file":                                        {remove("append-only"), fs.ErrPermission},
		"an append-only file, linked":                                {link("append-only", "new"), fs.ErrPermission},
		"a file in an immutable directory":                           {remove("frozen/file"), fs.ErrPermission},
		"a file out of an immutable directory":                       {rename("frozen/file", "new"), fs.ErrPermission},
		"a file into an immutable directory":                         {rename("file", "frozen/new"), fs.ErrPermission},
		"a name in an immutable directory":                           {link("file", "frozen/new"), fs.ErrPermission},
		"a file in an append-only directory":                         {remove("logs/file"), fs.ErrPermission},
		"an append-only directory with everything":                   {removeAll("logs"), fs.ErrPermission},
		"a directory with something immutable deep down":             {removeAll("above"), fs.ErrPermission},
		"one of two names in an immutable directory, written anew":   {write("frozen/linked"), fs.ErrPermission},
		"one of two names in an append-only directory, written anew": {write("logs/linked"), fs.ErrPermission},
		"a directory, into itself":                                   {rename("dir", "dir/sub/dir"), fs.ErrInvalid},
		"a directory, into itself by a symlink":                      {rename("dir", "to-dir/dir"), fs.ErrInvalid},
		"a directory above what replaces it":                         {rename("dir/sub", "dir"), ErrNotEmpty},
		"a directory over a file":                                    {rename("dir", "file"), ErrNotDir},
		"a directory over a symlink to a directory":                  {rename("dir/sub", "to-dir"), ErrNotDir},
		"a file over a directory":                                    {rename("file", "dir/sub"), ErrIsDir},
		"a directory over one that is not empty":                     {rename("dir/sub", "above"), ErrNotEmpty},
		"a name that is too long":                                    {rename("file", strings.Repeat("n", 256)), ErrNameTooLong},
	} {
		err := openImage(t, path).Update(func(tx *Tx) error {
			if err := c.do(tx); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", what, err, c.want)
			}
			return tx.Chmod("file", 0o644) // which it has: what was refused has left the transaction as it was
		})
		if err != nil {
			t.Errorf("%s: the transaction is broken: %v", what, err)
		}
		if testimage.Snapshot(t, path) != before {
			t.Fatalf("%s: the image was changed", what)
		}
	}
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		// An append-only directory takes new names.
		return errors.Join(tx.Link("file", "logs/new"), tx.RemoveAll("missing"), tx.RemoveAll("missing/file"))
	})
}

// What removing and renaming do to everything around: the kernel's tests compare it on random trees, this says it in words.
func TestRemovingAndRenaming(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "linear-1k", "no-checksums-2k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			path := emptyImage(t, profile, 16, 128)
			testimage.Check(t, path, 0)
			empty := kernelTree(t, path)
			free := openImage(t, path).Info()
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				return errors.Join(writeTree(tx), tx.Mkdir("new", Attr{Mode: 0o700}), tx.Link("file", "dir/sub/again"))
			})
			fsys := openImage(t, path)
			mustUpdate(t, fsys, func(tx *Tx) error {
				return errors.Join(
					tx.Rename("dir", "new"),             // replaces an empty directory
					tx.Rename("new/sub", "sub"),         // into another directory
					tx.Rename("file", "sub/again"),      // two names of one file
					tx.Rename("short", "long"),          // replaces
					tx.Remove("new/file"),               //
					tx.Remove("pipe"),                   //
					tx.Rename("sub", "renamed"),         // in one directory
					tx.Rename("lost+found", "new/lost"), // root may
				)
			})
			got := kernelTree(t, path)
			for name, n := range got {
				n.Size, n.Mtime, n.Content = 0, 0, ""
				got[name] = n
			}
			want := map[string]testimage.Node{
				".":             {Type: "dir", Mode: empty["."].Mode, Links: 4},
				"new":           {Type: "dir", Mode: 0o755, Links: 3},
				"new/lost":      {Type: "dir", Mode: empty["lost+found"].Mode, Links: 2},
				"renamed":       {Type: "dir", Mode: 0o755, Links: 2},
				"renamed/again": {Type: "file", Mode: 0o644, Links: 2},
				"file":          {Type: "file", Mode: 0o644, Links: 2},
				"long":          {Type: "symlink", Mode: 0o777, Links: 1},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			mustUpdate(t, fsys, func(tx *Tx) error {
				return errors.Join(tx.RemoveAll("new"), tx.RemoveAll("renamed"), tx.Remove("file"), tx.RemoveAll("long"))
			})
			after := fsys.Info()
			if after.FreeInodes != free.FreeInodes+1 || after.FreeBlocks < free.FreeBlocks {
				t.Errorf("%d inodes and %d blocks are free, before there were %d and %d", after.FreeInodes, after.FreeBlocks, free.FreeInodes, free.FreeBlocks)
			}
		})
	}
}

// A directory that has two names, or lies in one that it does not name as its parent, is no tree.
func TestADamagedTreeIsNotRemoved(t *testing.T) {
	for what, commands := range map[string][]string{
		"a directory with two names": {"ln <%d> dir/sub/other"},
		"a directory within itself":  {"ln <%d> dir/sub/itself"},
	} {
		t.Run(what, func(t *testing.T) {
			path := emptyImage(t, "linear-4k", 16, 64)
			mustUpdate(t, openImage(t, path), writeTree)
			info, err := openImage(t, path).Stat("dir")
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range commands {
				commands[i] = fmt.Sprintf(c, info.Sys().(*Stat).Ino)
			}
			testimage.DebugfsWrite(t, path, 0, commands...)
			before := testimage.Snapshot(t, path)
			err = openImage(t, path).Update(func(tx *Tx) error {
				if err := tx.RemoveAll("dir"); !errors.Is(err, ErrCorrupt) {
					t.Errorf("RemoveAll: %v", err)
				}
				return nil
			})
			if err != nil || testimage.Snapshot(t, path) != before {
				t.Errorf("the image was changed, or %v", err)
			}
		})
	}
}

// A verity file's content is protected, its name is not.
func TestAVerityFileCanBeRemoved(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 16, 64)
	mustUpdate(t, openImage(t, path), writeTree)
	testimage.DebugfsWrite(t, path, 0, "feature verity", "set_inode_field file flags "+flagsVerity)
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		return errors.Join(tx.Rename("file", "dir/sub/file"), tx.Link("dir/sub/file", "file"), tx.Remove("dir/sub/file"), tx.Remove("file"))
	})
	testimage.Fsck(t, path, 0)
}

// Many directories, one below the other and side by side, go in one piece.
func TestALargeTreeIsRemoved(t *testing.T) {
	path := emptyImage(t, "nixos-1k", 64, 12_000)
	testimage.Check(t, path, 0)
	before := openImage(t, path).Info()
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		at := "tree"
		err := tx.Mkdir(at, Attr{Mode: 0o755})
		for i := range 1500 {
			if i < 300 {
				at += "/d"
				err = errors.Join(err, tx.Mkdir(at, Attr{Mode: 0o755}))
			}
			err = errors.Join(err, tx.Mkdir(fmt.Sprintf("tree/side-%d", i), Attr{Mode: 0o755}),
				tx.WriteFile(fmt.Sprintf("tree/side-%d/file", i), bytes.NewReader(pattern(i, 3)), Attr{Mode: 0o600}),
				tx.Link(fmt.Sprintf("tree/side-%d/file", i), fmt.Sprintf("tree/link-%d", i)))
		}
		return err
	}, WithoutJournal())
	mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.RemoveAll("tree") }, WithoutJournal())
	after := openImage(t, path).Info()
	if before.FreeBlocks != after.FreeBlocks || before.FreeInodes != after.FreeInodes {
		t.Errorf("%d blocks and %d inodes are free, before there were %d and %d", after.FreeBlocks, after.FreeInodes, before.FreeBlocks, before.FreeInodes)
	}
}
