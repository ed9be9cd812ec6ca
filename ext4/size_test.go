package ext4

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// counting counts the bytes that are read from a device.
type counting struct {
	fileDevice
	read *int64
}

func (c counting) ReadAt(p []byte, off int64) (int, error) {
	*c.read += int64(len(p))
	return c.fileDevice.ReadAt(p, off)
}

func sparseImage(tb testing.TB, size string) string {
	tb.Helper()
	testimage.Require(tb, "mke2fs")
	path := filepath.Join(tb.TempDir(), "image")
	out, err := testimage.Command(tb, "mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-O", testimage.NixOS().Features, path, size).CombinedOutput()
	if err != nil {
		tb.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return path
}

func TestThreeFilesInto2TiBReadLessThanOneMiB(t *testing.T) {
	var read int64
	fsys, err := Open(counting{openDevice(t, sparseImage(t, "2T")), &read})
	if err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, fsys, injection)
	if read >= 1<<20 {
		t.Errorf("%d bytes were read", read)
	}
	t.Logf("%d bytes were read", read)
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
	testimage.Require(t, "mke2fs")
	path := filepath.Join(t.TempDir(), "image")
	out, err := testimage.Command(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "65536", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-O",
		testimage.NixOS().Features, path, "256G").CombinedOutput()
	if err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	if out := testimage.Debugfs(t, path, 0, "stat <12>"); !strings.Contains(out, "Size: 33554432") {
		t.Fatalf("the orphan file is another:\n%s", out)
	}
	if err := updateFile(path); err != nil {
		t.Error(err)
	}
	testimage.Fsck(t, path, 0)
}
