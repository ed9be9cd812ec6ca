package ext4

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// Names of one hash in two leaves that are below different nodes of the index: the hash goes on in the next node, which has the
// lowest bit set in the node above.
func TestNamesOfOneHashGoOnInTheNextNode(t *testing.T) {
	for _, profile := range []string{"nixos-1k", "no-checksums-1k"} {
		t.Run(profile, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: -1, Size: 8 << 20, Inodes: 600, HashAlg: "legacy"})
			testimage.Check(t, path, 0)
			n := newNames("d", 1)
			add := func(tx *Tx, names []string) error {
				for _, name := range names {
					n.have[name] = true
					if err := linkTo(tx, "d", name); err != nil {
						return err
					}
				}
				return nil
			}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				if err := tx.WriteFile("f", zeros(0), Attr{Mode: 0o644}); err != nil {
					return err
				}
				if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
					return err
				}
				if err := add(tx, collisions); err != nil {
					return err
				}
				return parted(t, tx, "d")
			})
			if levels := indexLevels(t, path, "d"); levels != 1 {
				t.Fatalf("%d levels", levels)
			}
			n.check(t, path)
			n.checkOurs(t, path)
			// Others around them, then one of the chain at a time goes and comes back, by us and by the kernel.
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				var others []string
				for i := range 60 {
					others = append(others, fmt.Sprintf("%d-%0200d", i, i))
				}
				return add(tx, others)
			})
			for _, name := range collisions {
				mustUpdate(t, openImage(t, path), func(tx *Tx) error { return unlinkOf(tx, "d", name) })
				delete(n.have, name)
				n.gone = []string{name}
				n.check(t, path)
				n.checkOurs(t, path)
				mustUpdate(t, openImage(t, path), func(tx *Tx) error { return add(tx, []string{name}) })
				n.gone = nil
			}
			n.check(t, path)
			dir := testimage.MountRW(t, path, 0)
			for _, name := range collisions[1:] {
				if err := os.Remove(filepath.Join(dir, "d", name)); err != nil {
					t.Error(err)
				}
				delete(n.have, name)
			}
			testimage.Unmount(t, dir)
			n.check(t, path)
			n.checkOurs(t, path)
		})
	}
}

// parted gives a directory's index a level, and its first leaf a node of its own.
func parted(t *testing.T, tx *Tx, name string) error {
	loc, err := tx.locate(name, true)
	if err != nil {
		return err
	}
	dir, err := tx.editInode(loc.node.ino)
	if err != nil {
		return err
	}
	frames, _, err := tx.probe(dir, "x")
	if err != nil {
		return err
	}
	if count := frames[0].node.Count(); len(frames) != 1 || count < 2 || frames[0].node.Hash(1)&1 == 0 {
		t.Fatalf("%d leaves, %d levels", count, len(frames))
	}
	if err := tx.raiseIndex(dir, frames); err != nil {
		return err
	}
	if frames, _, err = tx.probe(dir, "x"); err != nil {
		return err
	}
	root, err := tx.editFrame(dir, frames[0])
	if err != nil {
		return err
	}
	first, err := tx.editFrame(dir, frames[1])
	if err != nil {
		return err
	}
	fb, block, err := tx.appendRawBlock(dir)
	if err != nil {
		return err
	}
	second := format.InitDXInner(block, tx.metadataCsum)
	for i := 1; i < first.Count(); i++ {
		second.Insert(i-1, first.Hash(i), first.Block(i))
	}
	root.Insert(1, first.Hash(1), fb)
	first.Truncate(1)
	for _, x := range []format.DXNode{root, first, second} {
		tx.sealIndex(dir, x)
	}
	tx.seal(dir)
	return nil
}
