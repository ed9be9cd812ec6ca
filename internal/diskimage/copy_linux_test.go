package diskimage

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"boringboot/internal/holes"
	"boringboot/internal/testimage"
)

func TestCopiesShareBlocksWhereTheFileSystemCan(t *testing.T) {
	testimage.RequireRoot(t)
	testimage.Require(t, "mkfs.xfs", "filefrag")
	dir := t.TempDir()
	sh(t, dir, "truncate -s 320M disk; mkfs.xfs -q -m reflink=1 disk; mkdir mnt; mount -o loop disk mnt")
	t.Cleanup(func() { sh(t, dir, "umount mnt") })
	src, dest := filepath.Join(dir, "mnt", "src.img"), filepath.Join(dir, "mnt", "out.img")
	want := holeyImage()
	writeSparseFile(t, src, want)
	var seen recorder
	makeImage(t, src, dest, &seen)
	sameBytes(t, "the copy", readFile(t, dest), want)
	if s := seen.steps[0]; s.Done != s.Total || s.Total != int64(len(want)) {
		t.Errorf("progress %+v", s)
	}
	if out := sh(t, dir, "filefrag -v mnt/out.img"); !bytes.Contains([]byte(out), []byte("shared")) {
		t.Errorf("no block is shared:\n%s", out)
	}
}

// The ways to copy that do not need a file system's help are tried on their own.
func TestExtentsAreCopiedWithAndWithoutTheKernel(t *testing.T) {
	src, want := sourceFile(t)
	in, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var spans [][2]int64
	for off := int64(0); off < int64(len(want)); {
		start, end, err := holes.NextData(in, off, int64(len(want)))
		if err != nil {
			t.Fatal(err)
		}
		if start < end {
			spans = append(spans, [2]int64{start, end})
		}
		off = end
	}
	if len(spans) < 4 {
		t.Errorf("extents %v: the source has no holes to keep", spans)
	}
	covered := make([]byte, len(want))
	for _, s := range spans {
		copy(covered[s[0]:s[1]], want[s[0]:s[1]])
	}
	sameBytes(t, "the extents", covered, want)

	out, err := os.Create(filepath.Join(t.TempDir(), "kernel"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if n := copyInKernel(out, in, 0, 4*mib); n <= 0 {
		t.Errorf("copy_file_range copied %d bytes: the fallback alone was tested", n)
	}
}

// Whether the kernel copies from one file system to another depends on its version and on both, so the way without it is
// also taken directly.
func TestCopiesAcrossFileSystemsAreRight(t *testing.T) {
	dir := smallDisk(t, 32*mib)
	src, want := filepath.Join(dir, "src.img"), holeyImage()
	if err := os.WriteFile(src, want, 0o600); err != nil { // without holes: zeros are found by reading
		t.Fatal(err)
	}
	in, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	outDir := t.TempDir()
	for _, way := range []struct {
		name string
		copy func(out *os.File) error
	}{
		{"as-it-comes", func(out *os.File) error { return copyFile(t.Context(), out, in, int64(len(want)), silent{}) }},
		{"by-hand", func(out *os.File) error {
			if err := out.Truncate(int64(len(want))); err != nil {
				return err
			}
			return copyByHand(t.Context(), out, in, 0, int64(len(want)), silent{})
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			dest := filepath.Join(outDir, way.name)
			out, err := os.Create(dest)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			if err := way.copy(out); err != nil {
				t.Fatal(err)
			}
			sameBytes(t, "the copy", readFile(t, dest), want)
			if n := allocated(t, dest); way.name == "by-hand" && n > 3*mib {
				t.Errorf("the copy takes %d bytes on the disk, want the zeros left out", n)
			}
		})
	}
}
