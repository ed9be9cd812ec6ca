package ext4_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Directories as they grow: from one block to an index, from an index to a
// second level, with every hash that there is.

// entries are n files in a directory, their names padded to a length. Every
// 16th has content, every 64th is a symlink, so that all types of entry occur.
func entries(dir string, from, to, length int) []op {
	var ops []op
	for i := from; i < to; i++ {
		name := fmt.Sprintf("%d-", i)
		name = dir + "/" + name + strings.Repeat("x", max(0, length-len(name)))
		switch {
		case i%64 == 63:
			ops = append(ops, symlink("target", name))
		case i%16 == 15:
			ops = append(ops, file(name, []byte(name), 0o644))
		default:
			ops = append(ops, file(name, nil, 0o600))
		}
	}
	return ops
}

// roomy has enough inodes for n more files, and blocks for their directory.
func roomy(p testimage.Profile, n int) testimage.Options {
	return testimage.Options{Profile: p, StorePaths: 8, Inodes: n + 1500}
}

func TestANewDirectoryTakesAnyNumberOfNames(t *testing.T) {
	tests := []struct {
		profile string
		count   int
		length  int
	}{
		{"nixos-4k", 1, 10},
		{"nixos-4k", 200, 10},  // one block
		{"nixos-4k", 203, 12},  // one block of 20-byte entries, full
		{"nixos-4k", 204, 12},  // and one more
		{"nixos-4k", 3000, 30}, // an index
		{"nixos-1k", 49, 12},
		{"nixos-1k", 50, 12},
		{"nixos-1k", 3000, 200}, // an index of two levels
		{"nixos-1k", 1200, 255},
		{"nixos-2k", 3000, 250},
		{"pi-gen-4k", 3000, 8},
		{"pi-gen-1k", 3000, 100},
		{"gdt-checksums-4k", 3000, 20},
		{"gdt-checksums-1k", 3000, 200},
		{"no-checksums-4k", 204, 12},
		{"no-checksums-1k", 3000, 200},
		{"debian-2k", 3000, 40},
		{"linear-4k", 600, 30},
		{"linear-1k", 600, 200},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d names of %d bytes on %s", test.count, test.length, test.profile), func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed(test.profile)
			path := testimage.Ext4(t, roomy(p, test.count))
			testimage.Check(t, path, 0)
			// Thousands of long names are more than a small journal holds.
			mustUpdate(t, path, append([]op{mkdir("d", 0o755)}, entries("d", 0, test.count, test.length)...), ext4.WithoutJournal())
			mustBeIndexed(t, path, "d", !fitsOneBlock(p, test.count, test.length) && !strings.HasPrefix(p.Name, "linear"))
		})
	}
}

// fitsOneBlock says whether a block holds that many entries of 8 bytes and a
// name, in multiples of 4, beside "." and ".." and the checksum's tail.
func fitsOneBlock(p testimage.Profile, count, length int) bool {
	room := p.BlockSize - 12 - 12
	if strings.Contains(p.Features, "metadata_csum") {
		room -= 12
	}
	return count*((8+length+3)/4*4) <= room
}

// mustBeIndexed checks that a directory has the index that its size calls for:
// a long one without it would be right, and slow.
func mustBeIndexed(t *testing.T, path, dir string, want bool) {
	t.Helper()
	const indexFlag = "0x1000" // EXT4_INDEX_FL
	out := testimage.Debugfs(t, path, 0, "stat /"+dir)
	_, flags, _ := strings.Cut(out, "Flags: 0x")
	var bits uint32
	if _, err := fmt.Sscanf(flags, "%x", &bits); err != nil {
		t.Fatalf("flags in %q: %v", out, err)
	}
	if got := bits&0x1000 != 0; got != want {
		t.Errorf("/%s: flag %s is %v, want %v", dir, indexFlag, got, want)
	}
}

// One name at a time passes every boundary: the last entry of a block, the
// first of the next, the conversion to an index, the split of a leaf.
func TestADirectoryGrowsOneNameAtATime(t *testing.T) {
	for _, name := range []string{"nixos-1k", "gdt-checksums-1k", "no-checksums-1k", "linear-1k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, roomy(testimage.ProfileNamed(name), 40))
			mustUpdate(t, path, []op{mkdir("d", 0o755)})
			all := entries("d", 0, 40, 120)
			for _, o := range all {
				if err := update(path, updateTime, func(tx *ext4.Tx) error { return run(tx, []op{o}) }); err != nil {
					t.Fatal(err)
				}
				testimage.Fsck(t, path, 0)
				if t.Failed() {
					t.Fatalf("after %s", o.name)
				}
			}
			readBack(t, path, all)
			if tree := kernelTree(t, path); len(tree) < 40 {
				t.Errorf("the kernel sees %d paths", len(tree))
			}
		})
	}
}

// fill makes a directory with names on the machine that makes the image.
func fill(dir string, count, length int) func(root string) error {
	return func(root string) error {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
		for _, o := range entries(dir, 0, count, length) {
			if err := os.WriteFile(filepath.Join(root, o.name), o.content, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestADirectoryThatIsThereGrows(t *testing.T) {
	const had, more = 400, 500
	for _, name := range []string{"nixos-4k", "nixos-1k", "pi-gen-2k", "gdt-checksums-4k", "no-checksums-1k", "linear-2k"} {
		for _, length := range []int{16, 180} {
			o := roomy(testimage.ProfileNamed(name), had+more)
			t.Run(fmt.Sprintf("indexed by e2fsck, %d-byte names, %s", length, name), func(t *testing.T) {
				t.Parallel()
				o := o
				o.Fill = fill("d", had, length)
				path := testimage.Ext4(t, o)
				testimage.Check(t, path, 0)
				mustUpdate(t, path, entries("d", had, had+more, length))
			})
			t.Run(fmt.Sprintf("linear and long, %d-byte names, %s", length, name), func(t *testing.T) {
				t.Parallel()
				o := o
				o.Fill, o.Linear = fill("d", had, length), true
				path := testimage.Ext4(t, o)
				testimage.Check(t, path, 0)
				mustUpdate(t, path, entries("d", had, had+more, length))
			})
			t.Run(fmt.Sprintf("made by the kernel, %d-byte names, %s", length, name), func(t *testing.T) {
				t.Parallel()
				path := testimage.Ext4(t, o)
				testimage.Check(t, path, 0)
				dir := testimage.MountRW(t, path, 0)
				if err := fill("d", had, length)(dir); err != nil {
					t.Fatal(err)
				}
				// Holes in leaves, for the writer to fill.
				for i, o := range entries("d", 0, had, length) {
					if i%3 == 0 {
						if err := os.Remove(filepath.Join(dir, o.name)); err != nil {
							t.Fatal(err)
						}
					}
				}
				testimage.Unmount(t, dir)
				mustUpdate(t, path, entries("d", had, had+more, length))
			})
		}
	}
}

// The hash decides where a name goes; names with high bits tell signed from
// unsigned.
func TestEveryDirectoryHash(t *testing.T) {
	for _, alg := range []string{"legacy", "half_md4", "tea"} {
		for _, unsigned := range []bool{false, true} {
			for _, name := range []string{"nixos-4k", "no-checksums-1k"} {
				t.Run(fmt.Sprintf("%s unsigned=%v on %s", alg, unsigned, name), func(t *testing.T) {
					t.Parallel()
					o := roomy(testimage.ProfileNamed(name), 1600)
					o.HashAlg, o.UnsignedHash = alg, unsigned
					o.Fill = fill("old", 300, 60)
					path := testimage.Ext4(t, o)
					testimage.Check(t, path, 0)
					ops := []op{mkdir("new", 0o755)}
					for i := range 300 {
						for _, dir := range []string{"new", "old"} {
							ops = append(ops, file(fmt.Sprintf("%s/%d-größe-名-%s", dir, i, strings.Repeat("é", i%90)), nil, 0o644))
						}
					}
					mustUpdate(t, path, append(ops, entries("new", 0, 300, 33)...))
				})
			}
		}
	}
}

// An index of two levels that is full is no reason to write anything.
func TestADirectoryIndexCanBeFull(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 25000 names")
	}
	p := testimage.ProfileNamed("gdt-checksums-1k")
	const names = 25_000 // more than two levels of 1 KiB blocks hold with 255-byte names
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8, Inodes: names + 1000, Size: 64 << 20})
	testimage.Check(t, path, 0)
	made := 0
	fillUp := func(tx *ext4.Tx) error {
		for i := range names {
			// The name comes last, so that its hash is the only thing that spreads it.
			if err := tx.Symlink("t", fmt.Sprintf("boot/%s%06d", strings.Repeat("n", 249), i), ext4.Attr{Mode: 0o777}); err != nil {
				made = i
				return err
			}
		}
		return nil
	}
	mustRefuse(t, path, fillUp, ext4.ErrNoSpace)
	if t.Failed() {
		return
	}
	t.Logf("full after %d names", made)
	if err := update(path, updateTime, func(tx *ext4.Tx) error {
		for i := range made {
			if err := tx.Symlink("t", fmt.Sprintf("boot/%s%06d", strings.Repeat("n", 249), i), ext4.Attr{Mode: 0o777}); err != nil {
				return err
			}
		}
		return nil
	}, ext4.WithoutJournal()); err != nil {
		t.Fatalf("the %d names before the one that did not fit: %v", made, err)
	}
}

func TestSubdirectoriesCountAsLinks(t *testing.T) {
	path := testimage.Ext4(t, roomy(testimage.NixOS(), 700))
	testimage.Check(t, path, 0)
	ops := []op{mkdir("d", 0o755)}
	for i := range 300 {
		ops = append(ops, mkdir(fmt.Sprintf("d/sub-%d", i), 0o755), file(fmt.Sprintf("d/sub-%d/f", i), nil, 0o644))
	}
	mustUpdate(t, path, ops)
}
