package ext4

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// Five names of 250 bytes that have the same legacy hash, 0x86f0c90e, found by trying 2^27 endings. A block of 1 KiB has room
// for three, so that the hash goes on in the next leaf.
var collisions = func() (names []string) {
	for _, end := range []string{"eqsknd", "grluha", "lruoib", "3rrbfa", "texcdc"} {
		names = append(names, strings.Repeat("c", 244)+end)
	}
	return names
}()

func TestNamesOfOneHashGoOnInTheNextLeaf(t *testing.T) {
	for others := range 3 {
		t.Run(fmt.Sprintf("%d other names between them", 40*others), func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), StorePaths: -1, Size: 8 << 20, Inodes: 1000, HashAlg: "legacy"})
			testimage.Check(t, path, 0)
			want := map[string]testimage.Node{}
			write := func(tx *Tx, name string) error {
				want["d/"+name] = fileNode([]byte(name), 0o644, 0, 0)
				return tx.WriteFile("d/"+name, bytes.NewReader([]byte(name)), Attr{Mode: 0o644})
			}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
					return err
				}
				for i, name := range collisions {
					if err := write(tx, name); err != nil {
						return err
					}
					for j := range 40 * others {
						if err := write(tx, fmt.Sprintf("%d-%d-%s", i, j, strings.Repeat("o", j*3))); err != nil {
							return err
						}
					}
				}
				for _, name := range collisions { // each is found again, in whichever leaf it is
					if b, err := tx.ReadFile("d/" + name); err != nil || string(b) != name {
						return fmt.Errorf("%q: %q, %v", name, b, err)
					}
				}
				return nil
			})
			got := kernelTree(t, path)
			for name := range got {
				if !strings.HasPrefix(name, "d/") {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what was written (-) and what the kernel reads (+) differ:\n%.3000s", diff)
			}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				for _, name := range collisions {
					if err := tx.WriteFile("d/"+name, bytes.NewReader([]byte("replaced")), Attr{Mode: 0o600}); err != nil {
						return err
					}
				}
				return nil
			})
			replaced := kernelTree(t, path)
			for _, name := range collisions {
				if diff := cmp.Diff(fileNode([]byte("replaced"), 0o600, 0, 0), replaced["d/"+name]); diff != "" {
					t.Errorf("replaced:\n%s", diff)
				}
			}
		})
	}
}
