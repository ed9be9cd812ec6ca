package ext4

import (
	"errors"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// groupCounts is what descriptors and superblock say of inodes.
func groupCounts(t *testing.T, v *view) (counts [][2]uint32) {
	t.Helper()
	for g := range v.groups {
		d, err := v.desc(g)
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, [2]uint32{d.FreeInodes(), d.UsedDirs()})
	}
	return append(counts, [2]uint32{format.SFreeInodesCount.Get(v.sb), 0})
}

func TestFreedInodesAreFreeAndNotUsedAgainAtOnce(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "pi-gen-1k", "gdt-checksums-2k", "no-checksums-1k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: 8, Size: 32 << 20, Inodes: 800, BlocksPerGroup: 4096})
			testimage.Check(t, path, 0)
			fsys := openImage(t, path)
			before := groupCounts(t, fsys.view)
			isDir := func(i int) bool { return i%3 == 0 }
			var made []Ino
			mustUpdate(t, fsys, func(tx *Tx) error {
				for i := range int(format.SFreeInodesCount.Get(tx.sb)) {
					ino, err := tx.allocInode(0, isDir(i))
					if err != nil {
						return err
					}
					made = append(made, ino)
				}
				return nil
			}, WithoutJournal())
			fsys = openImage(t, path)
			mustUpdate(t, fsys, func(tx *Tx) error {
				for i, ino := range made {
					if err := tx.freeInode(ino, isDir(i)); err != nil {
						return err
					}
				}
				if err := tx.freeInode(made[0], true); !errors.Is(err, ErrCorrupt) {
					t.Errorf("freeing inode %d for the second time: %v", made[0], err)
				}
				if err := tx.freeInode(format.RootIno, true); !errors.Is(err, ErrCorrupt) {
					t.Errorf("freeing the root: %v", err)
				}
				if ino, err := tx.allocInode(0, false); !errors.Is(err, ErrNoSpace) {
					t.Errorf("inode %d, %v, where all free inodes were freed just now", ino, err)
				}
				return nil
			}, WithoutJournal())
			fsys = openImage(t, path)
			if diff := cmp.Diff(before, groupCounts(t, fsys.view)); diff != "" {
				t.Errorf("free inodes and directories by group, the superblock last:\n%s", diff)
			}
			mustUpdate(t, fsys, func(tx *Tx) error {
				ino, err := tx.allocInode(0, false)
				if err != nil || ino != made[0] {
					t.Errorf("inode %d, %v, where %d is free again", ino, err, made[0])
				}
				return tx.freeInode(ino, false)
			})
		})
	}
}
