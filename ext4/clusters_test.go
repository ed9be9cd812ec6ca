package ext4

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"boringboot/internal/testimage"
)

// Blocks are mapped in any order, between others of the same cluster too, and given up in any order.
func TestBlocksOfAClusterInAnyOrder(t *testing.T) {
	for _, c := range []struct {
		name     string
		features string
		block    int
		args     []string
	}{
		{"8 blocks of 1 KiB", testimage.ProfileNamed("nixos-1k").Features + ",bigalloc", 1024, []string{"-C", "8192"}},
		{"2 blocks of 4 KiB", testimage.ProfileNamed("debian-4k").Features + ",bigalloc", 4096, []string{"-C", "8192"}},
		{"no clusters", testimage.ProfileNamed("nixos-1k").Features, 1024, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := testimage.Profile{Features: c.features, BlockSize: c.block, Args: c.args}
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 48 << 20, Inodes: 200})
			testimage.Check(t, path, 0)
			rnd := rand.New(rand.NewPCG(1, 2))
			const blocks = 300
			free := openImage(t, path).Info().FreeBlocks
			mapped := [blocks]bool{}
			for round := range 12 {
				fsys := openImage(t, path)
				mustUpdate(t, fsys, func(tx *Tx) error {
					if round == 0 {
						if err := tx.WriteFile("f", bytes.NewReader(nil), Attr{Mode: 0o600}); err != nil {
							return err
						}
					}
					loc, err := tx.locate("f", true)
					if err != nil {
						return err
					}
					n, err := tx.editInode(loc.node.ino)
					if err != nil {
						return err
					}
					n.SetSize(uint64(blocks * c.block))
					for range 12 {
						at := rnd.IntN(blocks - 30)
						if round%2 == 1 { // gives up
							end := at + 1 + rnd.IntN(30)
							if err := tx.unmapBlocks(n, uint64(at), uint64(end)); err != nil {
								return err
							}
							clear(mapped[at:end])
							continue
						}
						count := 0
						for count < 1+rnd.IntN(30) && !mapped[at+count] {
							mapped[at+count] = true
							count++
						}
						if count == 0 {
							continue
						}
						err := tx.appendBlocks(n, FileBlock(at), uint32(count), func(r run) {
							for i := range r.count {
								tx.over.Fresh(r.start + FSBlock(i))[0] = 1
							}
						})
						if err != nil {
							return err
						}
					}
					tx.seal(n)
					return tx.checkMapped(n)
				})
				testimage.Fsck(t, path, 0)
				b, err := openImage(t, path).ReadFile("f")
				if err != nil {
					t.Fatal(err)
				}
				for i, is := range mapped {
					if got := b[i*c.block] == 1; got != is {
						t.Fatalf("round %d: block %d is mapped: %v, want %v", round, i, got, is)
					}
				}
			}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.Remove("f") })
			if got := openImage(t, path).Info().FreeBlocks; got != free {
				t.Errorf("%d blocks are free, %d were before", got, free)
			}
		})
	}
}
