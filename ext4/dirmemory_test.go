package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// Room that was freed is used again: a directory that has as many names as before is no longer.
func TestALinearDirectoryUsesTheGapsOfNamesThatAreGone(t *testing.T) {
	path := unlinkImage(t, "linear-1k", 0)
	testimage.Check(t, path, 0)
	name := func(i int) string { return fmt.Sprintf("%05d%s", i, strings.Repeat("x", i%7*30)) }
	fsys := openImage(t, path)
	size := func() int64 {
		info, err := fsys.Stat("d")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	mustUpdate(t, fsys, func(tx *Tx) error {
		for i := range 700 {
			if err := linkTo(tx, "d", name(i)); err != nil {
				return err
			}
		}
		return nil
	}, WithoutJournal())
	before := size()
	mustUpdate(t, fsys, func(tx *Tx) error {
		order := rand.New(rand.NewPCG(1, 2)).Perm(700)
		for _, i := range order { // each gap is of just the size that comes next
			if err := errors.Join(unlinkOf(tx, "d", name(i)), linkTo(tx, "d", name(i+700))); err != nil {
				return err
			}
		}
		return nil
	}, WithoutJournal())
	if after := size(); after != before {
		t.Errorf("700 names take %d bytes after each was replaced by one of its length, %d before", after, before)
	}
}

// An entry that says something else than the inode it leads to, and a directory whose ".." leads elsewhere.
func TestAPathThroughADamagedEntryIsNotFollowed(t *testing.T) {
	for _, entries := range []int{5, 200} {
		for _, c := range []struct {
			name   string
			path   string
			damage func(t *testing.T, v *view, d node, r *recorder)
		}{
			{"a file that its entry calls a directory", "d/entry-004", func(t *testing.T, v *view, d node, r *recorder) {
				r.now[entryAt(t, v, d, "entry-004")+7] = format.FTDir
			}},
			{"a directory that its entry calls a file", "d/sub/new", func(t *testing.T, v *view, d node, r *recorder) {
				r.now[entryAt(t, v, d, "sub")+7] = format.FTRegular
			}},
			{"another parent in dot dot", "d/sub/new", func(t *testing.T, v *view, _ node, r *recorder) {
				loc, err := v.locate("d/sub", true)
				if err != nil {
					t.Fatal(err)
				}
				at, _, _, err := v.dirBlock(loc.node, 0)
				if err != nil {
					t.Fatal(err)
				}
				binary.LittleEndian.PutUint32(r.now[int(at)*v.blockSize+12:], 2)
			}},
		} {
			t.Run(fmt.Sprintf("%d entries, %s", entries, c.name), func(t *testing.T) {
				path, d, v, r := damagedDir(t, entries)
				c.damage(t, v, d, r)
				writeImage(t, path, r.now)
				if testimage.FsckErr(path, 0) == nil {
					t.Fatal("e2fsck has no objection: this is no damage")
				}
				fsys, err := Open(r)
				if err != nil {
					t.Fatal(err)
				}
				err = fsys.Update(func(tx *Tx) error { return tx.WriteFile(c.path, bytes.NewReader([]byte("x")), Attr{Mode: 0o600}) })
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("WriteFile: %v", err)
				}
			})
		}
	}
}

// After tune2fs -O ^dir_index directories keep their indexes, which then are free space to everyone who does not know them. The
// kernel clears the flag of a directory that it changes; e2fsck wants it cleared everywhere.
func TestIndexesWithoutDirIndex(t *testing.T) {
	for _, profile := range []string{"gdt-checksums-1k", "no-checksums-4k"} {
		t.Run(profile, func(t *testing.T) {
			path := unlinkImage(t, profile, 2)
			n := newNames("d", 1)
			change := func(fn func(tx *Tx) error) {
				t.Helper()
				mustUpdate(t, openImage(t, path), func(tx *Tx) error {
					for range 800 {
						if err := fn(tx); err != nil {
							return err
						}
					}
					return nil
				}, WithoutJournal())
			}
			change(n.add)
			if out, err := testimage.Command(t, "tune2fs", "-O", "^dir_index", path).CombinedOutput(); err != nil {
				t.Fatalf("tune2fs: %v\n%s", err, out)
			}
			if testimage.FsckErr(path, 0) == nil {
				t.Fatal("e2fsck has no objection: there is no index left")
			}
			if list, err := openImage(t, path).ReadDir("d"); err != nil || len(list) != 802 {
				t.Errorf("%d names, %v", len(list), err)
			}
			for i := range 2 {
				n.have[fmt.Sprintf("sub%d", i)] = true
			}
			mustUpdate(t, openImage(t, path), n.remove, WithoutJournal()) // clears the one flag that is wrong
			n.check(t, path)
			change(n.add)
			n.check(t, path)
		})
	}
	t.Run("with checksums they are damage", func(t *testing.T) {
		path := unlinkImage(t, "nixos-1k", 0)
		dir := testimage.MountRW(t, path, 0)
		for i := range 400 {
			if err := os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "d", fmt.Sprintf("name-%d", i))); err != nil {
				t.Fatal(err)
			}
		}
		testimage.Unmount(t, dir)
		testimage.DebugfsWrite(t, path, 0, "feature -dir_index")
		err := openImage(t, path).Update(func(tx *Tx) error { return tx.Mkdir("d/new", Attr{}) })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("Mkdir: %v", err)
		}
	})
}
