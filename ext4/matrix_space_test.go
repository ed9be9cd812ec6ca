package ext4_test

import (
	"errors"
	"fmt"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Free blocks and inodes: groups that nobody has initialised yet, the last block,
// the last inode, and none.

// A fill that spreads over many groups enters those whose bitmaps and inode
// tables are still garbage.
func TestGroupsThatWereNeverUsed(t *testing.T) {
	for _, name := range []string{"nixos-4k", "pi-gen-4k", "gdt-checksums-4k", "nixos-1k", "gdt-checksums-1k", "no-checksums-2k", "debian-2k"} {
		for _, stale := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stale=%v", name, stale), func(t *testing.T) {
				t.Parallel()
				p := testimage.ProfileNamed(name)
				path := testimage.Ext4(t, testimage.Options{
					Profile: p, StorePaths: 8, Stale: stale,
					Size: 64 << 20, BlocksPerGroup: (4 << 20) / p.BlockSize, Inodes: 4096,
				})
				testimage.Check(t, path, 0)
				free := superblock(t, path, "Free inodes")
				ops := []op{mkdir("d", 0o755), file("d/large", noise(30<<20+5), 0o644)}
				for i := range 40 {
					ops = append(ops, mkdir(fmt.Sprintf("d/dir-%d", i), 0o700))
				}
				for i := range free - 200 - len(ops) {
					ops = append(ops, file(fmt.Sprintf("d/dir-%d/%d", i%40, i), noise(i%3*700), 0o600))
				}
				mustUpdate(t, path, ops)
				// What the kernel makes of the groups that we have not initialised either.
				dir := testimage.MountRW(t, path, 0)
				for i := range 150 {
					writeFile(t, fmt.Sprintf("%s/d/kernel-%d", dir, i), noise(i*100))
				}
				testimage.Unmount(t, dir)
			})
		}
	}
}

func TestTooLittleSpaceIsAnErrorThatChangesNothing(t *testing.T) {
	for _, name := range []string{"nixos-4k", "nixos-1k", "gdt-checksums-2k", "linear-1k"} {
		t.Run(name, func(t *testing.T) {
			p := testimage.ProfileNamed(name)
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 40, Free: 1 << 20})
			testimage.Check(t, path, 0)
			free := superblock(t, path, "Free blocks")
			err := mustRefuse(t, path, func(tx *ext4.Tx) error {
				return run(tx, []op{mkdir("d", 0o755), file("d/too-large", noise(free*p.BlockSize+1), 0o644)})
			}, ext4.ErrNoSpace)
			var noSpace *ext4.NoSpaceError
			if !errors.As(err, &noSpace) {
				t.Fatalf("%v is no *NoSpaceError", err)
			}
			if noSpace.Resource == "" || noSpace.Needed <= noSpace.Free || noSpace.Free > uint64(free) {
				t.Errorf("%+v, with %d blocks free", *noSpace, free)
			}
			mustRefuse(t, path, func(tx *ext4.Tx) error {
				for i := 0; ; i++ {
					if err := tx.WriteFile(fmt.Sprintf("f%d", i), content(noise(10*p.BlockSize)), ext4.Attr{Mode: 0o600}); err != nil {
						return err
					}
				}
			}, ext4.ErrNoSpace)
		})
	}
}

// The image is filled with smaller and smaller files to the last block.
func TestTheLastBlockCanBeUsed(t *testing.T) {
	for _, name := range []string{"nixos-4k", "nixos-1k", "gdt-checksums-1k", "no-checksums-4k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed(name)
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 20, Free: 2 << 20})
			testimage.Check(t, path, 0)
			var all []op
			for i, size := 0, 2<<20; size > 0; {
				o := file(fmt.Sprintf("boot/%d-%d", i, size), noise(size), 0o644)
				i++
				err := update(path, updateTime, func(tx *ext4.Tx) error { return run(tx, []op{o}) })
				switch {
				case err == nil:
					all = append(all, o)
				case errors.Is(err, ext4.ErrNoSpace):
					size /= 2
				default:
					t.Fatal(err)
				}
			}
			if free := superblock(t, path, "Free blocks"); free > 1 {
				t.Errorf("%d blocks are free, and a file of one block does not fit", free)
			}
			testimage.Fsck(t, path, 0)
			readBack(t, path, all)
			kernelTree(t, path)
		})
	}
}

func TestTheLastInodeCanBeUsedAndNoMore(t *testing.T) {
	for _, name := range []string{"nixos-4k", "gdt-checksums-1k", "no-checksums-2k"} {
		for _, stale := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stale=%v", name, stale), func(t *testing.T) {
				t.Parallel()
				p := testimage.ProfileNamed(name)
				path := testimage.Ext4(t, testimage.Options{
					Profile: p, StorePaths: 8, Stale: stale, Size: 32 << 20, Inodes: 1800, BlocksPerGroup: (8 << 20) / p.BlockSize})
				testimage.Check(t, path, 0)
				free := superblock(t, path, "Free inodes")
				ops := append([]op{mkdir("d", 0o755)}, entries("d", 0, free-1, 20)...)
				err := mustRefuse(t, path, func(tx *ext4.Tx) error {
					return run(tx, append(ops, file("d/one-too-many", nil, 0o644)))
				}, ext4.ErrNoSpace)
				var noSpace *ext4.NoSpaceError
				if !errors.As(err, &noSpace) || noSpace.Needed <= noSpace.Free {
					t.Errorf("%v: %+v", err, noSpace)
				}
				mustUpdate(t, path, ops)
				if left := superblock(t, path, "Free inodes"); left != 0 {
					t.Errorf("%d inodes are free", left)
				}
				mustRefuse(t, path, func(tx *ext4.Tx) error {
					return tx.Mkdir("e", ext4.Attr{Mode: 0o755})
				}, ext4.ErrNoSpace)
			})
		}
	}
}

// What its journal cannot hold is written all the same, while there is space for more of a log.
func TestMoreThanTheJournalHoldsIsWritten(t *testing.T) {
	p := testimage.ProfileNamed("no-checksums-1k") // all inode tables are in use, so what is written to them is in the transaction
	path := testimage.Ext4(t, roomy(p, 8000))
	testimage.Check(t, path, 0)
	mustUpdate(t, path, append([]op{mkdir("d", 0o755)}, entries("d", 0, 7000, 30)...))
}

// Descriptors of more than one block, and flex groups beyond the first.
func TestAFileSystemOfManyGroups(t *testing.T) {
	for _, name := range []string{"nixos-4k", "pi-gen-1k", "gdt-checksums-2k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed(name)
			// Small groups, so that there are many.
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8, Inodes: 20_000,
				BlocksPerGroup: 2048, Size: int64(2048*p.BlockSize) * 100})
			testimage.Check(t, path, 0)
			ops := []op{mkdir("d", 0o755), file("d/large", noise(40<<20), 0o600)}
			for i := range 60 {
				ops = append(ops, mkdir(fmt.Sprintf("d/%d", i), 0o755), file(fmt.Sprintf("d/%d/f", i), noise(100_000), 0o600))
			}
			mustUpdate(t, path, append(ops, entries("d", 0, 1500, 30)...), ext4.WithoutJournal())
		})
	}
}
