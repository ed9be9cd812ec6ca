package ext4

import (
	"errors"
	"fmt"
	"testing"

	"boringboot/internal/testimage"
)

// Nodes below the root in blocks of every size: the root's entries move down as if it were full, which in blocks of 64 KiB takes a
// million names. Leaves and nodes that come later are split among them.
func TestNodesOfAnIndexInBlocksOfEverySize(t *testing.T) {
	for _, size := range []int{1 << 10, 4 << 10, 8 << 10, 32 << 10, 64 << 10} {
		for _, profile := range []string{"nixos-4k", "no-checksums-4k"} {
			for levels := 1; levels <= 2; levels++ {
				t.Run(fmt.Sprintf("%s, blocks of %d, %d levels", profile, size, levels), func(t *testing.T) {
					t.Parallel()
					k := dirKind{o: inBlocks(size, profile), maker: "e2fsck"}
					k.o.Size = max(k.o.Size, 16<<20)
					if levels == 2 {
						k.o.Profile.Name, k.o.Profile.Features = k.o.Profile.Name+" with large_dir", k.o.Profile.Features+",large_dir"
					}
					n := newNames("old", uint64(size))
					path := k.image(t, n)
					unreadable := size == 64<<10 && profile == "nixos-4k" // to e2fsck
					err := openImage(t, path).Update(func(tx *Tx) error {
						loc, err := tx.locate("old", true)
						if err != nil {
							return err
						}
						dir, err := tx.editInode(loc.node.ino)
						if err != nil {
							return err
						}
						for !tx.hashed(dir) || dir.Size() < 5*uint64(size) {
							if err := n.add(tx); err != nil {
								return err
							}
						}
						frames, _, err := tx.probe(dir, "x")
						if err != nil {
							return err
						}
						for ; len(frames) <= levels; frames = append(frames, dxFrame{}) {
							if err := tx.raiseIndex(dir, frames); err != nil {
								return err
							}
						}
						tx.seal(dir)
						return nil
					}, AcceptRisk(), WithTime(writeTime))
					testimage.Fsck(t, path, 0)
					if errors.Is(err, ErrUnsupported) != unreadable || !unreadable && err != nil {
						t.Fatalf("another level: %v", err)
					}
					if unreadable {
						return
					}
					if got := indexLevels(t, path, "old"); got != levels {
						t.Fatalf("%d levels below the root, want %d", got, levels)
					}
					mustUpdate(t, openImage(t, path), func(tx *Tx) error {
						for i := range 4000 {
							step := n.add
							if i%3 == 0 {
								step = n.remove
							}
							if err := step(tx); err != nil {
								return err
							}
						}
						return nil
					}, AcceptRisk())
					n.checkDebugfs(t, path)
					n.checkOurs(t, path)
					if size <= 4<<10 {
						n.check(t, path)
					}
				})
			}
		}
	}
}
