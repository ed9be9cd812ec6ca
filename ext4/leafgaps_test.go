package ext4

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// This file tests leaves that have room in pieces.

// Half of the short names go, longer ones come: the leaves have room for them, and do not need to be split.
func TestAHashedDirectoryDoesNotGrowWhileItsLeavesHaveRoom(t *testing.T) {
	for _, profile := range []string{"nixos-1k", "nixos-4k", "no-checksums-2k"} {
		t.Run(profile, func(t *testing.T) {
			path := unlinkImage(t, profile, 0)
			testimage.Check(t, path, 0)
			fsys := openImage(t, path)
			n := newNames("d", 1)
			change := func(from, to, step int, fn func(tx *Tx, d, name string) error, length int) int64 {
				t.Helper()
				mustUpdate(t, fsys, func(tx *Tx) error {
					for i := from; i < to; i += step {
						name := fmt.Sprintf("%05d", i)
						name += strings.Repeat("y", length-len(name))
						if err := fn(tx, "d", name); err != nil {
							return err
						}
						n.have[name] = !n.have[name]
						if !n.have[name] {
							delete(n.have, name)
							n.gone = append(n.gone, name)
						}
					}
					return nil
				}, WithoutJournal())
				n.check(t, path)
				info, err := fsys.Stat("d")
				if err != nil {
					t.Fatal(err)
				}
				return info.Size()
			}
			before := change(0, 1500, 1, linkTo, 12)
			change(0, 1500, 2, unlinkOf, 12)
			if after := change(2000, 2040, 1, linkTo, 70); after != before {
				t.Errorf("the directory has %d bytes, %d before half of it went", after, before)
			}
		})
	}
}

// e2fsck frees entries where they are: each is a gap of its own, none of which may be wide enough though all of the leaf is free.
func TestALeafOfFreePiecesIsUsed(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k"), StorePaths: -1, Size: 8 << 20, Inodes: 600,
		Fill: func(dir string) error {
			err := errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o755), os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
			for i := range 300 {
				err = errors.Join(err, os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "d", fmt.Sprintf("entry-%03d", i))))
			}
			return err
		}})
	testimage.Check(t, path, 0)
	freed := 0
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		loc, err := tx.locate("d", true)
		if err != nil {
			return err
		}
		blocks, err := tx.dirBlocks(loc.node)
		if err != nil {
			return err
		}
		for fb := FileBlock(1); fb < blocks; fb++ {
			at, data, _, err := tx.dirBlock(loc.node, fb)
			if err != nil {
				return err
			}
			block, err := tx.over.Edit(at)
			if err != nil {
				return err
			}
			_, err = tx.eachInBlock(loc.node, fb, data, func(d format.Dirent) (bool, error) {
				format.DirBlock(block).SetIno(d.Offset, 0, 0)
				freed++
				return false, nil
			})
			if err != nil {
				return err
			}
		}
		f, err := tx.locate("f", true)
		if err != nil {
			return err
		}
		n, err := tx.editInode(f.node.ino)
		if err != nil {
			return err
		}
		format.ILinksCount.Set(n.Inode, format.ILinksCount.Get(n.Inode)-uint16(freed))
		return nil
	})
	if freed != 300 {
		t.Fatalf("%d entries were freed", freed)
	}
	testimage.Fsck(t, path, 0)
	n := newNames("d", 1)
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		for _, name := range longNames(n, 20) {
			n.have[name] = true
			if err := linkTo(tx, "d", name); err != nil {
				return err
			}
		}
		return nil
	})
	n.check(t, path)
}
