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

// This file tests indexes of three levels, which with 1 KiB blocks and names of 255 bytes need some 25,000 names.

// withLargeDir is a profile with the large_dir feature.
func withLargeDir(name string) testimage.Profile {
	p := testimage.ProfileNamed(name)
	p.Name, p.Features = p.Name+" with large_dir", p.Features+",large_dir"
	return p
}

func largeDirImage(t *testing.T, profile string) string {
	return testimage.Ext4(t, testimage.Options{Profile: withLargeDir(profile), StorePaths: -1, Size: 80 << 20, Inodes: 500,
		Fill: func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o755), os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
		}})
}

// indexLevels is how many levels of nodes a directory's index has below its root, 0 without an index.
func indexLevels(t *testing.T, path, dir string) int {
	t.Helper()
	v := openImage(t, path).view
	loc, err := v.locate(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	_, root, index, err := v.dirBlock(loc.node, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !index {
		return 0
	}
	return int(format.DXLevels.Get(root))
}

// longNames are as long as names can be.
func longNames(n *names, count int) []string {
	list := make([]string, count)
	for i := range list {
		n.next++
		list[i] = fmt.Sprintf("%06d%s", n.next, strings.Repeat("n", 249))
	}
	return list
}

func TestAnIndexOfThreeLevels(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 40,000 names")
	}
	const count = 40_000
	for _, byKernel := range []bool{false, true} {
		for _, profile := range map[bool][]string{false: {"nixos-1k", "no-checksums-1k"}, true: {"debian-1k"}}[byKernel] {
			t.Run(fmt.Sprintf("%s, the first %d names by the kernel: %v", profile, count, byKernel), func(t *testing.T) {
				t.Parallel()
				path := largeDirImage(t, profile)
				n := newNames("d", 1)
				add := func(list []string, kernel bool) {
					t.Helper()
					if kernel {
						dir := testimage.MountRW(t, path, 0)
						for _, name := range list {
							if err := os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "d", name)); err != nil {
								t.Fatal(err)
							}
						}
						testimage.Unmount(t, dir)
					} else {
						mustUpdate(t, openImage(t, path), func(tx *Tx) error {
							for _, name := range list {
								if err := linkTo(tx, "d", name); err != nil {
									return err
								}
							}
							return nil
						}, WithoutJournal())
					}
					for _, name := range list {
						n.have[name] = true
					}
				}
				remove := func(list []string, kernel bool) {
					t.Helper()
					if kernel {
						dir := testimage.MountRW(t, path, 0)
						for _, name := range list {
							if err := os.Remove(filepath.Join(dir, "d", name)); err != nil {
								t.Fatal(err)
							}
						}
						testimage.Unmount(t, dir)
					} else {
						mustUpdate(t, openImage(t, path), func(tx *Tx) error {
							for _, name := range list {
								if err := unlinkOf(tx, "d", name); err != nil {
									return err
								}
							}
							return nil
						}, WithoutJournal())
					}
					for _, name := range list {
						delete(n.have, name)
						n.gone = append(n.gone, name)
					}
				}
				first := longNames(n, count)
				add(first, byKernel)
				n.check(t, path)
				if levels := indexLevels(t, path, "d"); levels != 2 {
					t.Fatalf("%d levels below the root, want 2", levels)
				}
				add(longNames(n, 3000), !byKernel)
				n.rand.Shuffle(len(first), func(i, j int) { first[i], first[j] = first[j], first[i] })
				remove(first[:15_000], !byKernel)
				n.check(t, path)
				remove(first[15_000:20_000], byKernel)
				add(longNames(n, 6000), byKernel)
				n.check(t, path)
			})
		}
	}
}

// Without large_dir the third level is refused, and the kernel takes one that is there for damage.
func TestThreeLevelsNeedLargeDir(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 40,000 names")
	}
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), StorePaths: -1, Size: 80 << 20, Inodes: 500,
		Fill: func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o755), os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
		}})
	testimage.Check(t, path, 0)
	n := newNames("d", 1)
	fsys := openImage(t, path)
	err := fsys.Update(func(tx *Tx) error {
		for _, name := range longNames(n, 40_000) {
			if err := linkTo(tx, "d", name); err != nil {
				return err
			}
		}
		return nil
	}, WithoutJournal())
	if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "directory index") {
		t.Errorf("40,000 names of 255 bytes in an index of two levels: %v", err)
	}
}
