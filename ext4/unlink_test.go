package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// This file tests that names go: names of a file that keeps others, so that nothing but the directory and a count changes.

// linkTo gives the file "f" another name in directory d.
func linkTo(tx *Tx, d, name string) error {
	return renamed(tx, d, name, func(dir, f node) error {
		if err := tx.vetDir(dir, name); err != nil {
			return err
		}
		format.ILinksCount.Set(f.Inode, format.ILinksCount.Get(f.Inode)+1)
		return tx.link(dir, name, f)
	})
}

// unlinkOf takes such a name away again.
func unlinkOf(tx *Tx, d, name string) error {
	return renamed(tx, d, name, func(dir, f node) error {
		format.ILinksCount.Set(f.Inode, format.ILinksCount.Get(f.Inode)-1)
		return tx.unlink(dir, name)
	})
}

func renamed(tx *Tx, d, name string, fn func(dir, f node) error) error {
	dir, err := tx.locate(d, true)
	if err != nil {
		return err
	}
	loc, err := tx.locate("f", true)
	if err != nil {
		return err
	}
	f, err := tx.editInode(loc.node.ino)
	if err != nil {
		return err
	}
	if err := fn(dir.node, f); err != nil {
		return fmt.Errorf("%s/%s: %w", d, name, err)
	}
	tx.seal(f)
	return nil
}

// names are what a directory should have, as the names of the file "f".
type names struct {
	dir  string
	rand *rand.Rand
	have map[string]bool
	gone []string
	next int

	given []string // by fresh
}

func newNames(dir string, seed uint64) *names {
	return &names{dir: dir, rand: rand.New(rand.NewPCG(seed, 1)), have: map[string]bool{}}
}

// fresh is a name that was never there: a mark that can be searched for, and padding that gives it any length.
func (n *names) fresh() string {
	n.next++
	name := fmt.Sprintf("mark%05d.", n.next)
	length := []int{10, 20, 60, 255}[n.rand.IntN(4)]
	name += strings.Repeat([]string{"x", "é", "名"}[n.rand.IntN(3)], 255)[:n.rand.IntN(max(1, length-len(name)+1))]
	n.given = append(n.given, name)
	return name
}

// any is one of the names that fresh gave, and that are there.
func (n *names) any() string {
	for {
		i, last := n.rand.IntN(len(n.given)), len(n.given)-1
		if name := n.given[i]; n.have[name] {
			return name
		}
		n.given[i] = n.given[last]
		n.given = n.given[:last]
	}
}

func (n *names) add(tx *Tx) error {
	name := n.fresh()
	n.have[name] = true
	return linkTo(tx, n.dir, name)
}

func (n *names) remove(tx *Tx) error {
	name := n.any()
	delete(n.have, name)
	n.gone = append(n.gone, name)
	return unlinkOf(tx, n.dir, name)
}

// check: the kernel lists what should be there, finds each name by its path, and none that is gone.
func (n *names) check(t *testing.T, path string) {
	t.Helper()
	testimage.Fsck(t, path, 0)
	root := testimage.Mount(t, path, 0)
	defer testimage.Unmount(t, root)
	dir := filepath.Join(root, n.dir)
	for name := range n.have {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Errorf("the kernel looks up %q: %v", name, err)
		}
	}
	for _, name := range n.gone {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the kernel looks up %q, which is gone: %v", name, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !n.have[e.Name()] {
			t.Errorf("the kernel lists %q", e.Name())
		}
	}
	if len(entries) != len(n.have) {
		t.Errorf("the kernel lists %d names, want %d", len(entries), len(n.have))
	}
}

func unlinkImage(t *testing.T, profile string, subdirs int) string {
	return testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: -1, Size: 24 << 20, Inodes: 1000,
		Fill: func(dir string) error {
			err := errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o755), os.WriteFile(filepath.Join(dir, "f"), nil, 0o644))
			for i := range subdirs {
				err = errors.Join(err, os.Mkdir(filepath.Join(dir, "d", fmt.Sprintf("sub%d", i)), 0o755))
			}
			return err
		}})
}

func TestRemovedNamesAreGone(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "nixos-1k", "gdt-checksums-2k", "no-checksums-1k", "linear-1k", "linear-4k"} {
		for _, count := range []int{3, 12, 100, 1500} {
			t.Run(fmt.Sprintf("%d names on %s", count, profile), func(t *testing.T) {
				t.Parallel()
				path := unlinkImage(t, profile, 0)
				n := newNames("d", uint64(count))
				rounds := func(steps int, fn func(tx *Tx) error) {
					t.Helper()
					mustUpdate(t, openImage(t, path), func(tx *Tx) error {
						for range steps {
							if err := fn(tx); err != nil {
								return err
							}
						}
						return nil
					}, WithoutJournal())
					n.check(t, path)
				}
				rounds(count, n.add)
				rounds(count/2+1, n.remove)
				rounds(count, func(tx *Tx) error {
					if len(n.have) > 0 && n.rand.IntN(3) == 0 {
						return n.remove(tx)
					}
					return n.add(tx)
				})
				rounds(len(n.have), n.remove)
				image, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if i := bytes.Index(image, []byte("mark")); i >= 0 {
					t.Errorf("the image has a removed name, %q, at byte %d", image[i:][:20], i)
				}
				mustUpdate(t, openImage(t, path), func(tx *Tx) error {
					loc, err := tx.locate("d", true)
					if err != nil {
						return err
					}
					if empty, err := tx.isEmptyDir(loc.node); !empty || err != nil {
						t.Errorf("empty: %v, %v", empty, err)
					}
					return nil
				})
			})
		}
	}
}

// What the kernel makes of directories that had names removed, and what we make of the kernel's.
func TestNamesComeAndGoInTurnsWithTheKernel(t *testing.T) {
	for _, profile := range []string{"nixos-1k", "nixos-4k", "gdt-checksums-1k", "no-checksums-2k", "linear-1k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			path := unlinkImage(t, profile, 0)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			n := newNames("d", seed)
			for range 4 {
				steps := func(add, remove func() error) error {
					for range 400 {
						step := add
						if len(n.have) > 0 && n.rand.IntN(5) < 2 {
							step = remove
						}
						if err := step(); err != nil {
							return err
						}
					}
					return nil
				}
				mustUpdate(t, openImage(t, path), func(tx *Tx) error {
					return steps(func() error { return n.add(tx) }, func() error { return n.remove(tx) })
				}, WithoutJournal())
				n.check(t, path)
				dir := testimage.MountRW(t, path, 0)
				err := steps(func() error {
					name := n.fresh()
					n.have[name] = true
					return os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "d", name))
				}, func() error {
					name := n.any()
					delete(n.have, name)
					n.gone = append(n.gone, name)
					return os.Remove(filepath.Join(dir, "d", name))
				})
				testimage.Unmount(t, dir)
				if err != nil {
					t.Fatal(err)
				}
				n.check(t, path)
			}
		})
	}
}

// A linear directory and a hashed one are given another parent, and each other's subdirectory.
func TestDotDotAndLinkCountsFollow(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "nixos-1k", "no-checksums-1k"} {
		for _, count := range []int{0, 300} {
			t.Run(fmt.Sprintf("%d names on %s", count, profile), func(t *testing.T) {
				t.Parallel()
				path := unlinkImage(t, profile, 3)
				testimage.Check(t, path, 0)
				mustUpdate(t, openImage(t, path), func(tx *Tx) error {
					for i := range count {
						if err := linkTo(tx, "d/sub1", fmt.Sprintf("name-%d", i)); err != nil {
							return err
						}
					}
					from, err := tx.locate("d", true)
					if err != nil {
						return err
					}
					moved, err := tx.locate("d/sub1", true)
					if err != nil {
						return err
					}
					to, err := tx.locate("d/sub2", true)
					if err != nil {
						return err
					}
					if tx.hashed(moved.node) != (count > 0) {
						t.Error("not hashed as it should be")
					}
					return errors.Join(tx.link(to.node, "moved", moved.node), tx.addSubdir(to.node, 1), tx.setParent(moved.node, to.node.ino),
						tx.unlink(from.node, "sub1"), tx.addSubdir(from.node, -1))
				})
				tree := kernelTree(t, path)
				if tree["d"].Links != 4 || tree["d/sub2"].Links != 3 || tree["d/sub2/moved"].Type != "dir" {
					t.Errorf("the kernel reads %v, %v, %v", tree["d"], tree["d/sub2"], tree["d/sub2/moved"])
				}
			})
		}
	}
}

func TestALeafThatIsDamagedIsNotTakenFrom(t *testing.T) {
	for _, entries := range []int{5, 200} {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			_, d, v, r := damagedDir(t, entries)
			r.now[entryAt(t, v, d, "entry-004")+9] = '/'
			fsys, err := Open(r)
			if err != nil {
				t.Fatal(err)
			}
			err = fsys.Update(func(tx *Tx) error {
				loc, err := tx.locate("d", true)
				if err != nil {
					return err
				}
				for i := range entries { // the damaged one is in the leaf of some of them
					if i == 4 {
						continue
					}
					if err := tx.unlink(loc.node, fmt.Sprintf("entry-%03d", i)); err != nil {
						return err
					}
				}
				return nil
			})
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("unlink beside a damaged entry: %v", err)
			}
		})
	}
}
