package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// Sizes change in the transaction that wrote the file, too: nothing of what was cut off is written.
func TestAFileIsCutWhereItWasWritten(t *testing.T) {
	for _, p := range []testimage.Profile{testimage.ProfileNamed("nixos-1k"), oldProfiles[0]} {
		t.Run(p.Name, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 16 << 20, Inodes: 64})
			testimage.Check(t, path, 0)
			secret := []byte(strings.Repeat("TOP-SECRET-TAIL ", 5000))
			var content []byte
			files := map[string]Content{}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				for i, size := range []int64{0, 1, 511, 1023, 1024, 1025, 12 << 10, 20<<10 + 7, 80_000 - 1} {
					content = bytes.ReplaceAll(secret, []byte("SECRET"), []byte("PUBLIC"))
					copy(content[size:], secret[size:])
					name := fmt.Sprint("f", i)
					err := errors.Join(tx.WriteFile(name, bytes.NewReader(content), Attr{Mode: 0o600}), tx.Truncate(name, size))
					if i%2 == 0 {
						err = errors.Join(err, tx.Truncate(name, 100_000))
						content = append(bytes.Clone(content[:size]), make([]byte, 100_000-size)...)
					}
					if err != nil {
						return err
					}
					if i%2 == 1 {
						content = content[:size]
					}
					files[name] = bytes.NewReader(content)
					if got, err := tx.ReadFile(name); err != nil || !bytes.Equal(got, content) {
						return fmt.Errorf("%s is read back as %d bytes, want %d (%v)", name, len(got), len(content), err)
					}
				}
				return nil
			})
			if n := countInFile(t, path, "TOP-SECRET-TAIL"); n > 0 {
				t.Errorf("what was cut off is in the image %d times", n)
			}
			compareContents(t, path, files)
		})
	}
}

func TestTruncateLeavesNoTrace(t *testing.T) {
	for _, p := range []testimage.Profile{testimage.ProfileNamed("nixos-4k"), oldProfiles[1]} {
		t.Run(p.Name, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 16 << 20, Inodes: 64})
			testimage.Check(t, path, 0)
			content := []byte(strings.Repeat("TOP-SECRET-TAIL ", 5000))
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				return tx.WriteFile("f", bytes.NewReader(content), Attr{Mode: 0o600})
			})
			mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.Truncate("f", 20_000) })
			mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.Truncate("f", 3) })
			if n := countInFile(t, path, "TOP-SECRET-TAIL"); n > 0 {
				t.Errorf("what was cut off is in the image %d times", n)
			}
		})
	}
}

// What somebody left behind the end of a file in its last block does not come to light when the file grows.
func TestAFileGrowsByZeros(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 16 << 20})
	testimage.Check(t, path, 0)
	fsys := openImage(t, path)
	mustUpdate(t, fsys, func(tx *Tx) error { return tx.WriteFile("f", strings.NewReader("content"), Attr{Mode: 0o600}) })
	loc, err := fsys.view.locate("f", true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := fsys.view.lookup(loc.node, 0)
	if err != nil {
		t.Fatal(err)
	}
	testimage.WriteAt(t, path, int64(r.start)*4096+7, []byte("garbage"))
	mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.Truncate("f", 10_000) })
	compareContents(t, path, map[string]Content{"f": pieces{size: 10_000, at: map[int64][]byte{0: []byte("content")}}})
}

func TestTruncateRefuses(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 16 << 20, Fill: func(dir string) error {
		return errors.Join(os.Mkdir(filepath.Join(dir, "d"), 0o755), os.Symlink("/nowhere", filepath.Join(dir, "dangling")), os.Symlink("f", filepath.Join(dir, "link")),
			os.WriteFile(filepath.Join(dir, "f"), []byte("four"), 0o644), os.WriteFile(filepath.Join(dir, "immutable"), []byte("four"), 0o644),
			os.WriteFile(filepath.Join(dir, "append"), []byte("four"), 0o644))
	}})
	testimage.DebugfsWrite(t, path, 0, "sif /immutable flags 0x80010", "sif /append flags 0x80020", "mknod pipe p")
	testimage.Check(t, path, 0)
	before := testimage.Snapshot(t, path)
	for _, c := range []struct {
		name string
		size int64
		want error
	}{
		{"d", 0, ErrIsDir},
		{".", 0, ErrIsDir},
		{"dangling", 0, fs.ErrNotExist},
		{"missing", 0, fs.ErrNotExist},
		{"f/f", 0, ErrNotDir},
		{"f", -1, fs.ErrInvalid},
		{"f", math.MaxInt64, ErrTooLarge},
		{"f", (1<<32-1)*4096 + 1, ErrTooLarge},
		{"immutable", 1, fs.ErrPermission},
		{"append", 1, fs.ErrPermission},
		{"pipe", 1, ErrUnsupported},
		{"f", 4, nil}, // as it is
		{"link", 4, nil},
	} {
		err := openImage(t, path).Update(func(tx *Tx) error {
			if err := tx.Truncate(c.name, c.size); !errors.Is(err, c.want) {
				t.Errorf("Truncate(%q, %d): %v, want %v", c.name, c.size, err, c.want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
}

// A file of the largest size, with data at both ends, and one byte more.
func TestTheLargestFiles(t *testing.T) {
	for _, c := range []struct {
		profile testimage.Profile
		size    int64
	}{
		{testimage.ProfileNamed("nixos-4k"), (1<<32 - 1) << 12},
		{testimage.ProfileNamed("nixos-1k"), (1<<32 - 1) << 10},
		{profileOf("nixos-4k", "^huge_file", "^large_file"), 1<<41 - 4096},
		{profileOf("nixos-1k", "^extent", "^64bit", "^large_file"), (12 + 256 + 256*256 + 256*256*256) << 10},
		{profileOf("nixos-4k", "^extent", "^64bit"), (12 + 1024 + 1024*1024 + 1024*1024*1024) << 12},
		{profileOf("nixos-4k", "^extent", "^64bit", "^huge_file"), 2_196_873_666_560}, // ext4_max_bitmap_size
	} {
		t.Run(c.profile.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: c.profile, StorePaths: -1, Size: 16 << 20, Inodes: 64})
			testimage.Check(t, path, 0)
			p := pieces{size: c.size, at: map[int64][]byte{0: pattern(3000, 1), c.size - 3000: pattern(3000, 2)}}
			files := map[string]Content{"largest": p, "grown": pieces{size: c.size}}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				larger := p
				larger.size++
				if err := tx.WriteFile("larger", larger, Attr{}); !errors.Is(err, ErrTooLarge) {
					t.Errorf("one byte more: %v, want %v", err, ErrTooLarge)
				}
				err := errors.Join(tx.WriteFile("largest", p, Attr{Mode: 0o644}), tx.WriteFile("grown", pieces{}, Attr{Mode: 0o644}), tx.Truncate("grown", c.size))
				if err := tx.Truncate("grown", c.size+1); !errors.Is(err, ErrTooLarge) {
					t.Errorf("grown by one byte more: %v, want %v", err, ErrTooLarge)
				}
				return err
			})
			testimage.Fsck(t, path, 0)
			compareContents(t, path, files)
			if features := strings.Join(openImage(t, path).Info().Features, ","); !strings.Contains(features, "large_file") {
				t.Errorf("features %s: large_file is missing", features)
			}
			// The kernel draws the same line.
			dir := testimage.MountRW(t, path, 0)
			if err := os.Truncate(filepath.Join(dir, "grown"), c.size+1); err == nil {
				t.Error("the kernel makes it larger by one byte more")
			}
			testimage.Unmount(t, dir)
		})
	}
}

// badSource is a content that answers NextData as it likes.
type badSource struct {
	pieces
	next func(off int64) (int64, int64, error)
}

func (s badSource) NextData(off int64) (int64, int64, error) { return s.next(off) }

func TestSourcesThatContradictThemselvesAreRefused(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 16 << 20})
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		next func(off int64) (int64, int64, error)
		want error // nil: any
	}{
		"an error":                    {func(int64) (int64, int64, error) { return 0, 0, broken }, broken},
		"data that ends at its start": {func(off int64) (int64, int64, error) { return off + 1, off + 1, nil }, nil},
		"data before what was asked":  {func(off int64) (int64, int64, error) { return off - 5, off, nil }, nil},
		"data everywhere, in a file that is larger than the image": {func(off int64) (int64, int64, error) { return off, off + 1<<20, nil }, ErrNoSpace},
		"single bytes everywhere":                                  {func(off int64) (int64, int64, error) { return off + 8192, off + 8193, nil }, ErrNoSpace},
	} {
		t.Run(name, func(t *testing.T) {
			err := openImage(t, path).Update(func(tx *Tx) error {
				return tx.WriteFile("f", badSource{pieces{size: 1 << 43}, c.next}, Attr{})
			})
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	testimage.Fsck(t, path, 0)
}

// Extents that follow each other are not made one that is too long: its length would say that it is unwritten, or, to some readers,
// written.
func TestLongExtentsStayApart(t *testing.T) {
	for _, unwritten := range []bool{true, false} {
		for _, c := range []struct {
			length uint32
			want   bool
		}{{1<<14 - 1, true}, {1 << 14, false}} {
			a := format.Extent{Block: 0, Len: 1 << 14, Start: 1000, Unwritten: unwritten}
			b := format.Extent{Block: 1 << 14, Len: c.length, Start: 1000 + 1<<14, Unwritten: unwritten}
			if _, ok := join(a, b); ok != c.want {
				t.Errorf("unwritten %v: %d and %d blocks are joined: %v, want %v", unwritten, a.Len, b.Len, ok, c.want)
			}
		}
	}
}

func TestLongRunsAreSeveralExtents(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 512 << 20})
	enough := errors.New("enough")
	err := openImage(t, path).Update(func(tx *Tx) error {
		if err := tx.WriteFile("f", pieces{}, Attr{}); err != nil {
			return err
		}
		loc, err := tx.locate("f", true)
		if err != nil {
			return err
		}
		n, err := tx.editInode(loc.node.ino)
		if err != nil {
			return err
		}
		lengths := func() (list []uint32) {
			err = errors.Join(err, tx.walkMap(n, func(e format.Extent) error {
				list = append(list, e.Len)
				return nil
			}, nil))
			return list
		}
		// Appended, gone on with, and put before.
		err = errors.Join(tx.mapBlocks(n, format.Extent{Block: 1 << 20, Len: 40_000, Start: 50_000}),
			tx.mapBlocks(n, format.Extent{Block: 1<<20 + 40_000, Len: 30_000, Start: 90_000}),
			tx.mapBlocks(n, format.Extent{Block: 7, Len: 1 << 15, Start: 5_000}))
		if diff := cmp.Diff([]uint32{32767, 1, 32767, 32767, 4466}, lengths()); diff != "" {
			t.Errorf("lengths of extents (-want +got):\n%s", diff)
		}
		return errors.Join(err, enough)
	})
	if !errors.Is(err, enough) || strings.Contains(err.Error(), "corrupt") {
		t.Error(err)
	}
	testimage.Fsck(t, path, 0)
}

// A large file goes through a buffer of a fixed size.
func TestALargeFileTakesLittleMemory(t *testing.T) {
	const size = 256 << 20
	path := filepath.Join(t.TempDir(), "image")
	testimage.Require(t, "mke2fs")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size+size/4)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	testimage.Check(t, path, 0)
	fsys := openImage(t, path)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustUpdate(t, fsys, func(tx *Tx) error {
		return tx.WriteFile("large", cut{numbered{4096}, size}, Attr{Mode: 0o644})
	})
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
		t.Errorf("%d MiB were allocated", grown>>20)
	}
	f, err := fsys.Open("large")
	if err != nil {
		t.Fatal(err)
	}
	var lengths []uint32
	if err := fsys.view.walkMap(f.(*openFile).node, func(e format.Extent) error {
		lengths = append(lengths, e.Len)
		return nil
	}, nil); err != nil || len(lengths) > 8 || slices.Max(lengths) > longestExtent {
		t.Errorf("extents of %v blocks (%v), want few, and none of more than %d", lengths, err, longestExtent)
	}
	got, want := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < size; off += 31 << 20 {
		if _, err := f.(io.ReaderAt).ReadAt(got, off); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		numbered{4096}.ReadAt(want, off)
		if !bytes.Equal(got, want) {
			t.Fatalf("wrong bytes at %d", off)
		}
	}
}
