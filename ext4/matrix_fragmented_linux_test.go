package ext4_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"boringboot/internal/testimage"

	"golang.org/x/sys/unix"
)

// Free space in single blocks: files of thousands of extents, whose trees grow
// by two levels.

// fragment takes all free space of a mounted file system and gives every second
// block of it back.
func fragment(t *testing.T, dir string, blockSize int) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "boot/ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for chunk := int64(4 << 20); chunk >= int64(blockSize); {
		if err := unix.Fallocate(int(f.Fd()), 0, size, chunk); err != nil {
			chunk /= 2
			continue
		}
		size += chunk
	}
	for at := int64(0); at < size; at += 2 * int64(blockSize) {
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, int64(blockSize)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFragmentedSpace(t *testing.T) {
	for _, name := range []string{"nixos-4k", "nixos-1k", "gdt-checksums-1k", "no-checksums-2k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed(name)
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8, Free: 24 << 20, Inodes: 2500})
			testimage.Check(t, path, 0)
			dir := testimage.MountRW(t, path, 0)
			fragment(t, dir, p.BlockSize)
			testimage.Unmount(t, dir)
			testimage.Fsck(t, path, 0)

			ops := append([]op{mkdir("d", 0o755), file("d/large", noise(2000*p.BlockSize+9), 0o600)}, entries("d", 0, 700, 60)...)
			mustUpdate(t, path, ops)
			mustHaveDepth(t, path, "/d/large", 2)

			free := superblock(t, path, "Free blocks")
			mustUpdate(t, path, []op{file("d/large", []byte("small"), 0o600)})
			if after := superblock(t, path, "Free blocks"); after < free+2000 {
				t.Errorf("%d blocks were free, and %d are after the large file is small", free, after)
			}
			mustUpdate(t, path, []op{file("d/large", noise(5<<20), 0o600), file("d/another", noise(1<<20), 0o600)})
		})
	}
}

// levelOfDepth is how debugfs begins the lines of an extent tree: " 0/ 2".
var levelOfDepth = regexp.MustCompile(`(?m)^ *0/ *(\d+) `)

// mustHaveDepth makes sure that the test tests what it says.
func mustHaveDepth(t *testing.T, path, name string, least int) {
	t.Helper()
	out := testimage.Debugfs(t, path, 0, "extents "+name)
	m := levelOfDepth.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("debugfs shows no extents of %s:\n%.300s", name, out)
	}
	if depth, err := strconv.Atoi(m[1]); err != nil || depth < least {
		t.Errorf("%s is %d levels deep, not %d (%v)", name, depth, least, err)
	}
}
