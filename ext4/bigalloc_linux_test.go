package ext4_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"

	"golang.org/x/sys/unix"
)

// bigalloc: a bit of a bitmap is a cluster of 2 blocks and more.

func clusters(profile string, size int, o testimage.Options, changes ...string) testimage.Options {
	o.Profile.Args = append(o.Profile.Args, "-C", strconv.Itoa(size))
	return of(profile, o, append([]string{"bigalloc"}, changes...)...)
}

var bigallocs = []layout{
	{"clusters of 2 blocks of 1 KiB", clusters("nixos-1k", 2<<10, testimage.Options{})},
	{"clusters of 8 blocks of 1 KiB", clusters("nixos-1k", 8<<10, testimage.Options{})},
	{"clusters of 16 blocks of 1 KiB, checksums on descriptors", clusters("gdt-checksums-1k", 16<<10, testimage.Options{})},
	{"clusters of 64 blocks of 1 KiB", clusters("nixos-1k", 64<<10, testimage.Options{Size: 256 << 20, Inodes: 3000})},
	{"clusters of 2 blocks of 4 KiB", clusters("nixos-4k", 8<<10, testimage.Options{})},
	{"clusters of 4 blocks of 4 KiB, no checksums", clusters("no-checksums-4k", 16<<10, testimage.Options{Size: 64 << 20})},
	{"clusters of 8 blocks of 4 KiB", clusters("debian-4k", 32<<10, testimage.Options{Size: 128 << 20})},
	{"clusters of 16 blocks of 4 KiB", clusters("nixos-4k", 64<<10, testimage.Options{Size: 256 << 20, Inodes: 3000})},
	{"clusters of 256 blocks of 4 KiB", clusters("nixos-4k", 1<<20, testimage.Options{Size: 3 << 30, Inodes: 3000})},
	{"many groups of 256 clusters", clusters("nixos-1k", 4<<10, testimage.Options{BlocksPerGroup: 256})},
	{"many groups of 256 clusters without flex_bg", clusters("debian-1k", 8<<10, testimage.Options{BlocksPerGroup: 256}, "^flex_bg", "^resize_inode")},
	{"many groups of 256 clusters, checksums on descriptors, without flex_bg", clusters("gdt-checksums-4k", 8<<10,
		testimage.Options{BlocksPerGroup: 256, Size: 64 << 20, Inodes: 3200}, "^flex_bg", "^resize_inode")},
	{"many groups, tables packed at the beginning", clusters("nixos-1k", 16<<10, testimage.Options{BlocksPerGroup: 256, Extended: "packed_meta_blocks=1"})},
	{"without sparse_super, groups of 256 clusters", clusters("no-checksums-1k", 8<<10, testimage.Options{BlocksPerGroup: 256}, "^sparse_super", "^resize_inode")},
	{"meta_bg, groups of 256 clusters", clusters("nixos-1k", 4<<10, testimage.Options{BlocksPerGroup: 256}, "meta_bg", "^resize_inode")},
	{"quotas count clusters", clusters("debian-1k", 16<<10, testimage.Options{}, "quota", "project")},
	{"attributes in inodes of their own", clusters("nixos-4k", 32<<10, testimage.Options{Size: 96 << 20}, "ea_inode")},
}

func TestClustersOfEverySize(t *testing.T) {
	for _, l := range bigallocs {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			l.o.Fill = oldDirectory
			path := testimage.Ext4(t, l.o)
			testLayout(t, path, l.o.Profile)
		})
	}
}

// islands is data of one byte here and there: most of a cluster is a hole.
type islands struct {
	at   []int64 // ascending, each in another block
	size int64
}

func (c islands) Size() int64 { return c.size }

func (c islands) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), c.size-off))
	clear(p[:n])
	for _, at := range c.at {
		if at >= off && at < off+int64(n) {
			p[at-off] = byte(at>>10) | 1
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c islands) NextData(off int64) (start, end int64, err error) {
	for _, at := range c.at {
		if at >= off {
			return at, at + 1, nil
		}
	}
	return 0, 0, io.EOF
}

// Files with holes within clusters, cut at every block, filled by the kernel and cut and removed again: a cluster is counted
// once and free when nothing of it is left.
func TestClustersThatAreInUseInPart(t *testing.T) {
	for _, l := range []layout{
		{"8 blocks of 1 KiB", clusters("nixos-1k", 8<<10, testimage.Options{})},
		{"16 blocks of 4 KiB", clusters("nixos-4k", 64<<10, testimage.Options{Size: 256 << 20, Inodes: 2000})},
		{"4 blocks of 1 KiB, no checksums", clusters("no-checksums-1k", 4<<10, testimage.Options{})},
	} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, l.o)
			bs := int64(l.o.Profile.BlockSize)
			free := superblock(t, path, "Free blocks")
			rnd := rand.New(rand.NewPCG(5, 6))
			check := func() {
				t.Helper()
				testimage.Fsck(t, path, 0)
				kernelTree(t, path)
				if t.Failed() {
					t.FailNow()
				}
			}
			const files = 40
			name := func(i int) string { return fmt.Sprintf("d/%d", i) }
			step := func(fn func(tx *ext4.Tx) error) {
				t.Helper()
				if err := update(path, updateTime, fn); err != nil {
					t.Fatal(err)
				}
				check()
			}
			step(func(tx *ext4.Tx) error {
				if err := tx.Mkdir("d", ext4.Attr{Mode: 0o755}); err != nil {
					return err
				}
				for i := range files {
					c := islands{size: 70 * bs}
					for b := range int64(70) {
						if rnd.IntN(3) == 0 {
							c.at = append(c.at, b*bs+rnd.Int64N(bs))
						}
					}
					if err := tx.WriteFile(name(i), c, ext4.Attr{Mode: 0o644}); err != nil {
						return err
					}
				}
				return nil
			})
			step(func(tx *ext4.Tx) error {
				for i := range files {
					if err := tx.Truncate(name(i), (int64(30+i)*bs)-rnd.Int64N(bs)); err != nil {
						return err
					}
				}
				return nil
			})
			dir := testimage.MountRW(t, path, 0)
			for i := range files {
				f, err := os.OpenFile(filepath.Join(dir, name(i)), os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				for range 10 {
					if _, err := f.WriteAt([]byte("kernel"), rnd.Int64N(80*bs)); err != nil {
						t.Fatal(err)
					}
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			testimage.Unmount(t, dir)
			check()
			step(func(tx *ext4.Tx) error {
				for i := range files {
					if err := tx.Truncate(name(i), int64(i)*bs+1); err != nil {
						return err
					}
				}
				return nil
			})
			step(func(tx *ext4.Tx) error { return tx.RemoveAll("d") })
			if now := superblock(t, path, "Free blocks"); now != free {
				t.Errorf("%d blocks are free when all is removed again, %d were before", now, free)
			}
		})
	}
}

// A disk of which every second cluster is in use: a file of many extents, one cluster each, and nodes of its tree that take a
// cluster as well; then the last cluster.
func TestFragmentedClusters(t *testing.T) {
	for _, l := range []layout{
		{"4 blocks of 1 KiB", clusters("nixos-1k", 4<<10, testimage.Options{})},
		{"2 blocks of 4 KiB", clusters("debian-4k", 8<<10, testimage.Options{Size: 64 << 20})},
		{"16 blocks of 1 KiB, no checksums, no flex_bg", clusters("no-checksums-1k", 16<<10, testimage.Options{BlocksPerGroup: 1024, Size: 96 << 20}, "^flex_bg", "^resize_inode")},
	} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			testimage.RequireRoot(t)
			path := testimage.Ext4(t, l.o)
			testimage.Check(t, path, 0)
			size := clusterSize(t, l.o)
			dir := testimage.MountRW(t, path, 0)
			fragment(t, dir, size)
			testimage.Unmount(t, dir)
			testimage.Fsck(t, path, 0)

			mustUpdate(t, path, []op{mkdir("d", 0o755), file("d/large", noise(900*size+9), 0o600)}, ext4.WithoutJournal())
			mustHaveDepth(t, path, "/d/large", 1)
			mustUpdate(t, path, entries("d", 0, 300, 60))
			free := superblock(t, path, "Free blocks")
			mustUpdate(t, path, []op{file("d/large", []byte("small"), 0o600)})
			if after := superblock(t, path, "Free blocks"); after < free+899*size/l.o.Profile.BlockSize {
				t.Errorf("%d blocks were free, and %d are after the large file is small", free, after)
			}
			for size := 1 << 20; size > 0; {
				err := update(path, updateTime, func(tx *ext4.Tx) error {
					return tx.WriteFile(fmt.Sprintf("d/%d-bytes-%d", size, superblockFree(t, path)), content(noise(size)), ext4.Attr{Mode: 0o644})
				})
				switch {
				case err == nil:
				case errors.Is(err, ext4.ErrNoSpace):
					size /= 2
				default:
					t.Fatal(err)
				}
			}
			if free := superblockFree(t, path); free != 0 {
				t.Errorf("%d blocks are free, and a file of one byte does not fit", free)
			}
			kernelTree(t, path)
		})
	}
}

func superblockFree(t *testing.T, path string) int { return superblock(t, path, "Free blocks") }

// clusterSize is the argument of mke2fs' -C.
func clusterSize(t *testing.T, o testimage.Options) int {
	t.Helper()
	size, err := strconv.Atoi(o.Profile.Args[len(o.Profile.Args)-1])
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// What the kernel counts as free after a mount of what we wrote is what we counted.
func TestFreeClustersAreCountedAsTheKernelDoes(t *testing.T) {
	testimage.RequireRoot(t)
	for _, l := range append(bigallocs[:4:4], layout{"no bigalloc", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024})}) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, l.o)
			testimage.Check(t, path, 0)
			ops := []op{mkdir("d", 0o755)}
			for i := range 100 {
				ops = append(ops, file(fmt.Sprintf("d/%d", i), noise(i*700), 0o600))
			}
			if err := update(path, updateTime, func(tx *ext4.Tx) error { return run(tx, ops) }); err != nil {
				t.Fatal(err)
			}
			info := openFS(t, path).Info()
			dir := testimage.Mount(t, path, 0)
			defer testimage.Unmount(t, dir)
			var s unix.Statfs_t
			if err := unix.Statfs(dir, &s); err != nil {
				t.Fatal(err)
			}
			if s.Bfree != info.FreeBlocks || s.Ffree != uint64(info.FreeInodes) {
				t.Errorf("the kernel has %d blocks and %d inodes free, Info says %d and %d", s.Bfree, s.Ffree, info.FreeBlocks, info.FreeInodes)
			}
		})
	}
}
