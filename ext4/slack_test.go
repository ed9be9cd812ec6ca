package ext4_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// A block that the kernel divided has names behind its last entry that are in
// another block by now. When one of them is removed it goes there, too.
func TestARemovedNameIsNotInTheSlackThatTheKernelLeft(t *testing.T) {
	testimage.RequireRoot(t)
	for _, name := range []string{"nixos-1k", "no-checksums-1k"} {
		for _, opts := range [][]ext4.UpdateOption{nil, {ext4.WithoutJournal()}} {
			t.Run(fmt.Sprintf("%s, %d options", name, len(opts)), func(t *testing.T) {
				path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(name), StorePaths: 8, Size: 32 << 20, Inodes: 2000})
				testimage.Check(t, path, 0)
				const files = 400
				entry := func(i int) string { return fmt.Sprintf("entry-%03d-of-the-directory", i) }
				dir := testimage.MountRW(t, path, 0)
				if err := os.Mkdir(filepath.Join(dir, "many"), 0o700); err != nil {
					t.Fatal(err)
				}
				for i := range files {
					if err := os.WriteFile(filepath.Join(dir, "many", entry(i)), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				testimage.Unmount(t, dir)

				if err := update(path, updateTime, func(tx *ext4.Tx) error {
					for i := range files {
						old, err := "many/"+entry(i), error(nil)
						switch i % 3 {
						case 0:
							err = tx.Remove(old)
						case 1:
							err = tx.Rename(old, fmt.Sprintf("many/%d", i))
						}
						if err != nil {
							return err
						}
					}
					return nil
				}, opts...); err != nil {
					t.Fatal(err)
				}
				image := readAll(t, path)
				for i := range files {
					found, want := bytes.Count(image, []byte(entry(i))), i%3 == 2
					if found > 0 != want {
						t.Errorf("%s: %d times in the image; is it to be there: %v", entry(i), found, want)
					}
				}
				testimage.Check(t, path, 0)
			})
		}
	}
}
