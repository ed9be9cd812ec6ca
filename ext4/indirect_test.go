package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// pieces is a sparse content: bytes by where they are.
type pieces struct {
	size int64
	at   map[int64][]byte
}

func (p pieces) Size() int64 { return p.size }

func (p pieces) offsets() []int64 {
	var list []int64
	for off := range p.at {
		list = append(list, off)
	}
	slices.Sort(list)
	return list
}

func (p pieces) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), p.size-off))
	clear(b[:n])
	for at, piece := range p.at {
		if at < off+int64(n) && at+int64(len(piece)) > off {
			skip := max(off-at, 0)
			copy(b[at+skip-off:n], piece[skip:])
		}
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p pieces) NextData(off int64) (start, end int64, err error) {
	for _, at := range p.offsets() {
		if end := at + int64(len(p.at[at])); end > off {
			return at, end, nil
		}
	}
	return 0, 0, io.EOF
}

// sameAs compares a file with what it should hold, in its pieces and around them.
func (p pieces) sameAs(tb testing.TB, name string, f io.ReaderAt) {
	tb.Helper()
	check := func(off, n int64) {
		off = max(off, 0)
		if n = min(n, p.size-off); n <= 0 {
			return
		}
		want, got := make([]byte, n), make([]byte, n)
		if _, err := p.ReadAt(want, off); err != nil {
			tb.Fatal(err)
		}
		if _, err := f.ReadAt(got, off); err != nil && err != io.EOF {
			tb.Errorf("%s: read %d bytes at %d: %v", name, n, off, err)
		} else if !bytes.Equal(want, got) {
			tb.Errorf("%s: wrong bytes at %d", name, off)
		}
	}
	check(0, 5000)
	check(p.size-5000, 5000)
	for at, piece := range p.at {
		check(at-5000, int64(len(piece))+10_000)
	}
}

// profileOf is a profile with features taken out ("^extent") or added.
func profileOf(name string, change ...string) testimage.Profile {
	p := testimage.ProfileNamed(name)
	list := strings.Split(p.Features, ",")
	for _, c := range change {
		p.Name += " " + c
		if feature, out := strings.CutPrefix(c, "^"); out {
			list = slices.DeleteFunc(list, func(f string) bool { return f == feature })
		} else {
			list = append(list, c)
		}
	}
	p.Features = strings.Join(list, ",")
	return p
}

var oldProfiles = []testimage.Profile{
	profileOf("nixos-1k", "^extent", "^64bit"),
	profileOf("no-checksums-1k", "^extent", "^flex_bg"),
	profileOf("gdt-checksums-2k", "^extent"),
	profileOf("nixos-4k", "^extent", "^64bit", "^huge_file"),
	profileOf("linear-4k", "^extent", "^64bit", "^has_journal", "^orphan_file"),
}

// boundaries are the first file blocks of each table of a map, in blocks of that size.
func boundaries(blockSize int) []int64 {
	per := int64(blockSize / 4)
	return []int64{12, 12 + per, 12 + per + per, 12 + per + per*per, 12 + per + per*per + per, 12 + per + 2*per*per, 12 + per + per*per + per*per*per}
}

// boundaryFiles are files with data just before, at and across each boundary of a map, whole or sparse.
func boundaryFiles(blockSize int) map[string]Content {
	bs := int64(blockSize)
	files := map[string]Content{}
	for i, b := range boundaries(blockSize) {
		if b*bs < 1<<20 {
			for _, size := range []int64{b*bs - 1, b * bs, b*bs + 1, (b + 1) * bs} {
				files[fmt.Sprintf("whole-%d", size)] = bytes.NewReader(pattern(int(size), byte(i)))
			}
		}
		last := i == len(boundaries(blockSize))-1 // no block has the number b
		p := pieces{at: map[int64][]byte{(b - 1) * bs: pattern(blockSize, byte(i))}, size: b * bs}
		files[fmt.Sprintf("before-%d", b)] = p
		if last {
			continue
		}
		files[fmt.Sprintf("at-%d", b)] = pieces{at: map[int64][]byte{b * bs: pattern(1, byte(i))}, size: b*bs + 1}
		files[fmt.Sprintf("across-%d", b)] = pieces{at: map[int64][]byte{(b-3)*bs + 5: pattern(6*blockSize, byte(i))}, size: (b + 100) * bs}
		files[fmt.Sprintf("hole-%d", b)] = pieces{size: b * bs}
	}
	return files
}

func TestFilesAtTheBoundariesOfMaps(t *testing.T) {
	profiles := append([]testimage.Profile{testimage.ProfileNamed("nixos-4k"), testimage.ProfileNamed("gdt-checksums-1k")}, oldProfiles...)
	for _, p := range profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 64 << 20, Inodes: 400, Stale: true})
			testimage.Check(t, path, 0)
			files := boundaryFiles(p.BlockSize)
			fsys := openImage(t, path)
			tx := newTx(fsys.view, fsys.cache, writeTime)
			for name, c := range files { // 4 KiB blocks: the last boundary is beyond what i_blocks can count without huge_file
				if uint64(c.Size()) > tx.maxBytes(strings.Contains(p.Features, ",extent")) {
					delete(files, name)
				}
			}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				for name, c := range files {
					if err := tx.WriteFile(name, c, Attr{Mode: 0o644}); err != nil {
						return err
					}
				}
				return nil
			})
			testimage.Fsck(t, path, 0)
			compareContents(t, path, files)
			free := openImage(t, path).Info().FreeBlocks
			// Every second one is emptied, one is cut in its middle, and the kernel finds that right, too.
			names := slices.Sorted(maps.Keys(files))
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				for i, name := range names {
					size := files[name].Size()
					switch i % 3 {
					case 0:
						files[name] = pieces{}
						if err := tx.WriteFile(name, files[name], Attr{Mode: 0o644}); err != nil {
							return err
						}
					case 1:
						files[name] = cut{files[name], size / 2}
						if err := tx.Truncate(name, size/2); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if now := openImage(t, path).Info().FreeBlocks; now <= free {
				t.Errorf("%d blocks were free, now %d", free, now)
			}
			testimage.Fsck(t, path, 0)
			compareContents(t, path, files)
			dir := testimage.MountRW(t, path, 0)
			for _, name := range names {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Error(err)
				}
			}
			testimage.Unmount(t, dir)
		})
	}
}

// cut is the beginning of a content.
type cut struct {
	Content
	size int64
}

func (c cut) Size() int64 { return c.size }

func (c cut) ReadAt(b []byte, off int64) (int, error) {
	return io.NewSectionReader(c.Content, 0, c.size).ReadAt(b, off)
}

// compareContents has the kernel and this package read files.
func compareContents(t *testing.T, path string, files map[string]Content) {
	t.Helper()
	fsys := openImage(t, path)
	dir := testimage.Mount(t, path, 0)
	defer testimage.Unmount(t, dir)
	for name, want := range files {
		kernels, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		ours, err := fsys.Open(name)
		if err != nil {
			t.Error(err)
			continue
		}
		for who, f := range map[string]interface {
			io.ReaderAt
			Stat() (os.FileInfo, error)
		}{"the kernel": kernels, "we": ours.(*openFile)} {
			info, err := f.Stat()
			if err != nil || info.Size() != want.Size() {
				t.Errorf("%s: %s: %v, want %d bytes (%v)", who, name, info, want.Size(), err)
				continue
			}
			compareBytes(t, who+": "+name, want, f)
		}
		kernels.Close()
	}
}

// compareBytes compares a file with a content where the content has data, and some bytes around.
func compareBytes(tb testing.TB, name string, want Content, f io.ReaderAt) {
	tb.Helper()
	size := want.Size()
	if c, ok := want.(cut); ok {
		want = c.Content
	}
	if p, ok := want.(pieces); ok {
		p.size = min(p.size, size)
		p.sameAs(tb, name, f)
		return
	}
	a, b := make([]byte, size), make([]byte, size)
	if _, err := want.ReadAt(a, 0); err != nil && err != io.EOF {
		tb.Fatal(err)
	}
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		tb.Errorf("%s: %v", name, err)
	} else if !bytes.Equal(a, b) {
		tb.Errorf("%s: wrong bytes", name)
	}
}

func TestDirectoriesAndSymlinksOfIndirectBlocks(t *testing.T) {
	for _, p := range oldProfiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 40, Size: 64 << 20, Inodes: 6000})
			testimage.Check(t, path, 0)
			want := kernelTree(t, path)
			name := func(i int) string { return fmt.Sprintf("d/%s-%d", strings.Repeat("n", i*i%200), i) }
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
					return err
				}
				for i := range 2500 { // into the double indirect block, in blocks of 1 KiB
					err := tx.WriteFile(name(i), bytes.NewReader([]byte(name(i))), Attr{Mode: 0o644})
					if i%50 == 0 {
						err = errors.Join(err, tx.Symlink(strings.Repeat("t", 1+i%130), name(i)+"-link", Attr{}))
					}
					if err != nil {
						return err
					}
				}
				return tx.WriteFile("nix-path-registration", bytes.NewReader(pattern(100_000, 3)), Attr{Mode: 0o600})
			})
			stamp := writeTime.UnixNano()
			for i := range 2500 {
				want[name(i)] = fileNode([]byte(name(i)), 0o644, 0, 0)
				if i%50 == 0 {
					n := 1 + i%130
					want[name(i)+"-link"] = testimage.Node{Type: "symlink", Mode: 0o777, Size: int64(n), Links: 1, Mtime: stamp, Content: strings.Repeat("t", n)}
				}
			}
			want["nix-path-registration"] = fileNode(pattern(100_000, 3), 0o600, 0, 0)
			got := kernelTree(t, path)
			want["d"] = testimage.Node{Type: "dir", Mode: 0o755, Links: 2, Size: got["d"].Size, Mtime: stamp}
			root := want["."]
			root.Links, root.Mtime = root.Links+1, stamp
			want["."] = root
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what was written (-) and what the kernel reads (+) differ:\n%.2000s", diff)
			}
			if size := got["d"].Size / int64(p.BlockSize); size < 13 {
				t.Errorf("the directory has %d blocks only", size)
			}
		})
	}
}

// What a file needs is known before anything is written: its blocks with data and the tables that lead to them.
func TestTheTablesOfAMapAreCounted(t *testing.T) {
	for _, p := range oldProfiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 64 << 20, Inodes: 400})
			testimage.Check(t, path, 0)
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				for name, c := range boundaryFiles(p.BlockSize) {
					if uint64(c.Size()) > tx.maxBytes(false) {
						continue
					}
					if err := tx.WriteFile(name, c, Attr{}); err != nil {
						return err
					}
					data, count, err := dataRanges(c, c.Size(), p.BlockSize, math.MaxUint64)
					if err != nil {
						return err
					}
					info, err := tx.Stat(name)
					if err != nil {
						return err
					}
					want := (count + tx.indirectBlocks(data)) * uint64(p.BlockSize/512)
					if got := info.Sys().(*Stat).Blocks; got != want {
						t.Errorf("%s has %d sectors, %d were foreseen", name, got, want)
					}
				}
				return nil
			})
			// A file that fits without its tables and not with them is refused, and the update goes on.
			fsys := openImage(t, path)
			mustUpdate(t, fsys, func(tx *Tx) error {
				free := int64(tx.freeBlocks())
				err := tx.WriteFile("full", cut{numbered{int64(p.BlockSize)}, free * int64(p.BlockSize)}, Attr{})
				if !errors.Is(err, ErrNoSpace) {
					t.Errorf("a file of %d blocks: %v, want %v", free, err, ErrNoSpace)
				}
				fits := free
				for ; uint64(fits)+tx.indirectBlocks([]blockRange{{0, uint64(fits)}}) > uint64(free); fits-- {
				}
				return tx.WriteFile("full", cut{numbered{int64(p.BlockSize)}, fits * int64(p.BlockSize)}, Attr{})
			})
			if free := fsys.Info().FreeBlocks; free > 1 {
				t.Errorf("%d blocks are free, the file was to take all but perhaps one", free)
			}
		})
	}
}

// An ext3 file system that tune2fs has given extents: files of both kinds, side by side.
func TestOldFilesWhereNewOnesHaveExtents(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{Profile: profileOf("no-checksums-1k", "^extent"), StorePaths: -1, Size: 32 << 20, Inodes: 400, Fill: func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "replaced"), pattern(400_000, 1), 0o644),
			os.WriteFile(filepath.Join(dir, "cut"), pattern(400_000, 2), 0o644), os.WriteFile(filepath.Join(dir, "kept"), pattern(400_000, 3), 0o644),
			os.Mkdir(filepath.Join(dir, "d"), 0o755))
	}})
	if out, err := testimage.Command(t, "tune2fs", "-O", "extent", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	testimage.Check(t, path, 0)
	files := map[string]Content{"kept": bytes.NewReader(pattern(400_000, 3)), "cut": bytes.NewReader(pattern(300_001, 2)), "replaced": bytes.NewReader(pattern(500_000, 4))}
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		for i := range 300 { // the directory's own map stays what it is
			name := fmt.Sprintf("d/%s-%d", strings.Repeat("n", 100), i)
			files[name] = bytes.NewReader([]byte(name))
			if err := tx.WriteFile(name, files[name], Attr{Mode: 0o644}); err != nil {
				return err
			}
		}
		return errors.Join(tx.Truncate("cut", 300_001), tx.WriteFile("replaced", files["replaced"], Attr{Mode: 0o644}))
	})
	testimage.Fsck(t, path, 0)
	compareContents(t, path, files)
	fsys := openImage(t, path)
	for name, want := range map[string]bool{"kept": false, "cut": false, "d": false, "replaced": true, fmt.Sprintf("d/%s-0", strings.Repeat("n", 100)): true} {
		info, err := fsys.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*Stat).Flags&format.InodeExtents != 0; got != want {
			t.Errorf("%s has extents: %v, want %v", name, got, want)
		}
	}
}
