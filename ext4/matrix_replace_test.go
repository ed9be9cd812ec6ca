package ext4_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Replacing what is there, and taking turns with the kernel.

func content(b []byte) ext4.Content { return bytes.NewReader(b) }

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReplacingAFile(t *testing.T) {
	sizes := []int{0, 1, 60, 1024, 5000, 100_000, 3<<20 + 1}
	for _, name := range []string{"nixos-4k", "nixos-1k", "gdt-checksums-2k", "no-checksums-1k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(name), StorePaths: 8, Inodes: 1200})
			testimage.Check(t, path, 0)
			var first, second, both []op
			for _, from := range sizes {
				for _, to := range sizes {
					name := fmt.Sprintf("boot/from-%d-to-%d", from, to)
					if from+to > 4<<20 {
						continue
					}
					first = append(first, file(name, noise(from), 0o600).owned(7, 8))
					second = append(second, file(name, noise(to + 1)[1:], 0o644).owned(9, 10))
					both = append(both, file(name+"-at-once", noise(from/10), 0o600), file(name+"-at-once", noise(to/10), 0o644))
				}
			}
			// Three megabytes many times over do not fit at once: the replaced
			// blocks must come back.
			for start := 0; start < len(first); start += 4 {
				end := min(start+4, len(first))
				mustUpdate(t, path, first[start:end])
				mustUpdate(t, path, second[start:end])
				var empty []op
				for _, o := range second[start:end] {
					empty = append(empty, file(o.name, nil, 0o644))
				}
				mustUpdate(t, path, empty)
			}
			mustUpdate(t, path, both)
		})
	}
}

// A file that mke2fs or the kernel made, fragmented or not, gives its blocks back.
func TestReplacingFilesThatWereThere(t *testing.T) {
	for _, name := range []string{"nixos-4k", "pi-gen-1k", "gdt-checksums-2k", "no-checksums-4k"} {
		t.Run(name, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(name), StorePaths: 8})
			testimage.Check(t, path, 0)
			dir := testimage.MountRW(t, path, 0)
			fragmented(t, filepath.Join(dir, "boot/fragmented"))
			sparse(t, filepath.Join(dir, "boot/sparse"))
			testimage.Unmount(t, dir)
			free := superblock(t, path, "Free blocks")
			mustUpdate(t, path, []op{
				file("boot/nixos/kernel", noise(10), 0o600),
				file("nix-path-registration", noise(50_000), 0o600),
				file("boot/fragmented", noise(1), 0o600),
				file("boot/sparse", noise(1), 0o600),
			})
			if after := superblock(t, path, "Free blocks"); after < free+200 {
				t.Errorf("%d blocks were free, now %d", free, after)
			}
		})
	}
}

// fragmented makes a file whose extents fill more than the inode: every second
// block is a hole.
func fragmented(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range int64(1000) {
		if _, err := f.WriteAt([]byte{byte(i), 1}, i*8192); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func sparse(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("end"), 50<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReplacingOneNameOfALinkedFile(t *testing.T) {
	for _, name := range []string{"nixos-4k", "gdt-checksums-1k"} {
		t.Run(name, func(t *testing.T) {
			o := testimage.Options{Profile: testimage.ProfileNamed(name), StorePaths: 8}
			o.Fill = func(root string) error {
				if err := os.WriteFile(root+"/one", noise(30_000), 0o640); err != nil {
					return err
				}
				return os.Link(root+"/one", root+"/boot/two")
			}
			path := testimage.Ext4(t, o)
			testimage.Check(t, path, 0)
			before := kernelTree(t, path)
			ops := []op{file("one", []byte("new"), 0o600)}
			if err := update(path, updateTime, func(tx *ext4.Tx) error { return run(tx, ops) }); err != nil {
				t.Fatal(err)
			}
			want := predict(before, ops, updateTime)
			two := want["boot/two"]
			if two.Links != 2 {
				t.Fatalf("the image has %d links, not 2", two.Links)
			}
			two.Links = 1
			want["boot/two"] = two
			compareTrees(t, want, kernelTree(t, path))
			testimage.Fsck(t, path, 0)
			mustUpdate(t, path, []op{file("boot/two", []byte("also new"), 0o600)})
		})
	}
}

// Chmod, Chown and Chtimes touch nothing else: not content, not xattrs.
func TestChangingAttributesKeepsTheRest(t *testing.T) {
	for _, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8})
			testimage.Check(t, path, 0)
			want := kernelTree(t, path)
			at := time.Unix(1_234_567_890, 42)
			names := []string{"nix-path-registration", "boot", "boot/nixos/kernel", "nix/store"}
			err := update(path, updateTime, func(tx *ext4.Tx) error {
				for _, name := range names {
					if err := tx.Chmod(name, fs.ModeSetgid|0o751); err != nil {
						return err
					}
					if err := tx.Chown(name, 70_000, 80_000); err != nil {
						return err
					}
					if err := tx.Chtimes(name, at, at); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				node := want[name]
				node.Mode, node.UID, node.GID, node.Mtime = 0o2751, 70_000, 80_000, at.UnixNano()
				want[name] = node
			}
			compareTrees(t, want, kernelTree(t, path))
		})
	}
}

// The kernel and we take turns at one image; each finds the other's work right.
func TestTakingTurnsWithTheKernel(t *testing.T) {
	for _, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 40, Inodes: 6000})
			testimage.Check(t, path, 0)
			mustUpdate(t, path, append(bootstrap(p.BlockSize), append([]op{mkdir("turns", 0o755)}, entries("turns", 0, 300, 70)...)...))

			dir := testimage.MountRW(t, path, 0)
			kernelsTurn(t, dir)
			testimage.Unmount(t, dir)
			testimage.Fsck(t, path, 0)

			mustUpdate(t, path, append(entries("turns", 600, 900, 70), append(levels("turns", 5),
				file("var/sizes/61", noise(99), 0o644), file("turns/by-the-kernel-3", noise(7000), 0o600))...))

			dir = testimage.MountRW(t, path, 0)
			before := testimage.Tree(t, dir)
			if err := os.RemoveAll(filepath.Join(dir, "turns")); err != nil {
				t.Error(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "var")); err != nil {
				t.Error(err)
			}
			after := testimage.Tree(t, dir)
			maps.DeleteFunc(before, func(name string, _ testimage.Node) bool {
				return isBelow(name, "turns") || isBelow(name, "var") || name == "."
			})
			delete(after, ".")
			link := before["boot/link"]
			link.Links = 1 // its other name was below turns
			before["boot/link"] = link
			compareTrees(t, before, after)
		})
	}
}

func isBelow(name, dir string) bool {
	return name == dir || len(name) > len(dir) && name[:len(dir)+1] == dir+"/"
}

// kernelsTurn adds, grows, shrinks, renames, links and removes.
func kernelsTurn(t *testing.T, dir string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		writeFile(t, fmt.Sprintf("%s/turns/by-the-kernel-%d", dir, i), noise(i*50))
	}
	for i, o := range entries("turns", 0, 300, 70) {
		if i%2 == 0 {
			check(os.Remove(filepath.Join(dir, o.name)))
		}
	}
	check(os.Truncate(filepath.Join(dir, "var/sizes/3145735"), 5000))
	f, err := os.OpenFile(filepath.Join(dir, "var/sizes/1"), os.O_APPEND|os.O_WRONLY, 0)
	check(err)
	_, err = f.Write(noise(200_000))
	check(err)
	check(f.Close())
	check(os.Rename(filepath.Join(dir, "var/lib/bootstrap"), filepath.Join(dir, "turns/bootstrap")))
	check(os.Link(filepath.Join(dir, "turns/bootstrap/ssh_host_ed25519_key"), filepath.Join(dir, "boot/link")))
	check(os.Mkdir(filepath.Join(dir, "var/lib/bootstrap"), 0o700))
	check(os.Remove(filepath.Join(dir, "var/names/a")))
}
