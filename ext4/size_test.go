package ext4

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// counting counts the bytes that are read from a device, and in how many pieces.
type counting struct {
	fileDevice
	read, pieces *int64
}

func (c counting) ReadAt(p []byte, off int64) (int, error) {
	*c.read += int64(len(p))
	*c.pieces++
	return c.fileDevice.ReadAt(p, off)
}

// sparseImage makes an empty file system with further arguments of mke2fs.
func sparseImage(tb testing.TB, size string, args ...string) string {
	tb.Helper()
	testimage.Require(tb, "mke2fs")
	path := filepath.Join(tb.TempDir(), "image")
	args = append([]string{"-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-O", testimage.NixOS().Features}, append(args, path, size)...)
	out, err := testimage.Command(tb, "mke2fs", args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return path
}

func TestThreeFilesInto2TiBReadLessThanOneMiB(t *testing.T) {
	if c := injectionCost(t, "2T"); c.read >= 1<<20 {
		t.Errorf("%d bytes were read", c.read)
	}
}

// cost is what an injection takes that does not depend on the machine.
type cost struct{ read, pieces, allocated, allocations int64 }

func injectionCost(t *testing.T, size string, args ...string) cost {
	t.Helper()
	var c cost
	dev := counting{openDevice(t, sparseImage(t, size, args...)), &c.read, &c.pieces}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fsys, err := Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, fsys, injection)
	runtime.ReadMemStats(&after)
	c.allocated, c.allocations = int64(after.TotalAlloc-before.TotalAlloc), int64(after.Mallocs-before.Mallocs)
	t.Logf("%s: %d bytes in %d pieces were read, %d bytes in %d pieces allocated", size, c.read, c.pieces, c.allocated, c.allocations)
	return c
}

// A larger file system costs no more reads; what it allocates more is the descriptors that are read ahead.
func TestThreeFilesCostTheSameInAnySize(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	injectionCost(t, "256M") // what is done once in a process
	small := injectionCost(t, "256M", "-b", "4096")
	for _, size := range []string{"8G", "2T"} {
		large := injectionCost(t, size, "-b", "4096")
		most := cost{small.read, small.pieces, small.allocated + 2*descAhead, small.allocations + 20}
		if large.read > most.read || large.pieces > most.pieces {
			t.Errorf("%s: %d bytes in %d pieces were read, more than %d in %d", size, large.read, large.pieces, most.read, most.pieces)
		}
		if large.allocated > most.allocated || large.allocations > most.allocations {
			t.Errorf("%s: %d bytes in %d pieces were allocated, more than %d in %d", size, large.allocated, large.allocations, most.allocated, most.allocations)
		}
	}
}

// Beyond the groups that Open looks at, a damaged descriptor is found before it is used.
func TestADescriptorThatOpenDidNotSeeIsVerifiedWhenItIsUsed(t *testing.T) {
	path := sparseImage(t, "1T")
	fsys := openImage(t, path)
	g := Group(eagerGroups + 100)
	b, off := fsys.view.descAt(g)
	testimage.FlipByte(t, path, int64(b)*int64(fsys.view.blockSize)+int64(off)+2)
	fsys = openImage(t, path)
	if _, err := fsys.view.desc(g + 1); err != nil {
		t.Errorf("group %d: %v", g+1, err)
	}
	if _, err := fsys.view.inode(Ino(uint64(g)*uint64(fsys.view.inodesPerGroup)) + 1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("an inode of group %d was read through its damaged descriptor: %v", g, err)
	}
}

// In blocks of 64 KiB the orphan file has 32 MiB, which kernels before 6.19 refuse.
func TestTheLargestOrphanFile(t *testing.T) {
	path := sparseImage(t, "256G", "-b", "65536")
	if out := testimage.Debugfs(t, path, 0, "stat <12>"); !strings.Contains(out, "Size: 33554432") {
		t.Fatalf("the orphan file is another:\n%s", out)
	}
	if err := updateFile(path); err != nil {
		t.Error(err)
	}
	testimage.Fsck(t, path, 0)
}

// Of an orphan file of 2 MiB that should be empty the beginning is looked at, and the last block: whatever moves the map shows there.
func TestALargeOrphanFileIsLookedAtOnBothEnds(t *testing.T) {
	path := sparseImage(t, "8G")
	v := openImage(t, path).view
	n, err := v.inode(Ino(format.SOrphanFileInum.Get(v.sb)))
	if err != nil {
		t.Fatal(err)
	}
	blocks := FileBlock(n.Size() / uint64(v.blockSize))
	if blocks != format.MaxOrphanFileBlocks {
		t.Fatalf("the orphan file has %d blocks", blocks)
	}
	for _, fb := range []FileBlock{0, FileBlock(orphanSample/v.blockSize) - 1, blocks - 1} {
		r, err := v.lookup(n, fb)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(r.start+1)*int64(v.blockSize) - 1 // of its checksum
		testimage.FlipByte(t, path, at)
		if _, err := Open(openDevice(t, path)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("block %d is damaged: %v", fb, err)
		}
		testimage.FlipByte(t, path, at)
	}
	openImage(t, path)
}
