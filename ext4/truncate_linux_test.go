package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/holes"
	"boringboot/internal/testimage"

	"golang.org/x/sys/unix"
)

// fileTurns lets the kernel and this package take turns at the same files, and does to copies of them outside what each does.
type fileTurns struct {
	t     *testing.T
	rand  *rand.Rand
	image string
	ref   string // the directory of the copies
	names []string
	fill  byte
	most  int64 // bytes of a file
}

func (f *fileTurns) name() string { return f.names[f.rand.IntN(len(f.names))] }

// offset is anywhere in a file, more often near its beginning or at the end of a block.
func (f *fileTurns) offset() int64 {
	off := f.rand.Int64N(f.most >> f.rand.IntN(12))
	switch f.rand.IntN(4) {
	case 0:
		return off &^ 4095
	case 1:
		return off&^1023 + 1023
	}
	return off
}

// kernelStep does one thing to a file, the same in both places.
func (f *fileTurns) kernelStep(dir string) error {
	name, k := f.name(), f.rand.IntN(12)
	off, n := f.offset(), 1+f.rand.Int64N(1<<(1+f.rand.IntN(16)))
	f.fill++
	data := bytes.Repeat([]byte{f.fill | 1}, int(n))
	for _, at := range []string{dir, f.ref} {
		file, err := os.OpenFile(filepath.Join(at, name), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		switch {
		case k < 5:
			_, err = file.WriteAt(data, off)
		case k < 7:
			err = file.Truncate(off)
		case at == f.ref && k < 9: // only where blocks are changes
		case k < 8:
			err = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, off, n*4)
		case k < 9:
			err = file.Sync() // what is delayed gets its blocks now
		default:
			err = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n*4)
		}
		if errors.Is(err, unix.EOPNOTSUPP) { // files of indirect blocks cannot have unwritten ones
			err = nil
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("%d on %s: %w", k, name, err)
		}
	}
	return nil
}

// fileSource is a file as a sparse content.
type fileSource struct {
	*os.File
	size int64
}

func (s fileSource) Size() int64 { return s.size }

func (s fileSource) NextData(off int64) (start, end int64, err error) {
	start, end, err = holes.NextData(s.File, off, s.size)
	if err == nil && start >= s.size {
		err = io.EOF
	}
	return start, end, err
}

// ourStep does one thing to a file in a transaction.
func (f *fileTurns) ourStep(tx *Tx) error {
	name := f.name()
	ref := filepath.Join(f.ref, name)
	if f.rand.IntN(4) > 0 {
		size := f.offset()
		if _, err := tx.Stat(name); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return errors.Join(tx.Truncate(name, size), os.Truncate(ref, size))
	}
	// The file is replaced by one that the source's later changes do not reach.
	source, err := os.ReadFile(filepath.Join(f.ref, f.name()))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if f.rand.IntN(2) == 0 {
		return errors.Join(tx.WriteFile(name, bytes.NewReader(source), Attr{Mode: 0o644}), os.WriteFile(ref, source, 0o644))
	}
	copied, err := os.Create(filepath.Join(f.t.TempDir(), "source"))
	if err != nil {
		return err
	}
	f.t.Cleanup(func() { copied.Close() })
	for off := 0; off < len(source); off += 4096 {
		if piece := source[off:min(off+4096, len(source))]; !isZero(piece) {
			if _, err := copied.WriteAt(piece, int64(off)); err != nil {
				return err
			}
		}
	}
	if err := copied.Truncate(int64(len(source))); err != nil {
		return err
	}
	return errors.Join(tx.WriteFile(name, fileSource{copied, int64(len(source))}, Attr{Mode: 0o644}), os.WriteFile(ref, source, 0o644))
}

// compare has the kernel and this package read all files.
func (f *fileTurns) compare() {
	f.t.Helper()
	fsys := openImage(f.t, f.image)
	dir := testimage.Mount(f.t, f.image, 0)
	defer testimage.Unmount(f.t, dir)
	for _, name := range f.names {
		want, wantErr := os.ReadFile(filepath.Join(f.ref, name))
		kernels, kernelsErr := os.ReadFile(filepath.Join(dir, name))
		ours, oursErr := fsys.ReadFile(name)
		if (wantErr == nil) != (kernelsErr == nil) || (wantErr == nil) != (oursErr == nil) {
			f.t.Errorf("%s: %v; the kernel: %v; we: %v", name, wantErr, kernelsErr, oursErr)
			continue
		}
		if !bytes.Equal(want, kernels) {
			f.t.Errorf("%s: the kernel reads %s", name, firstDifference(want, kernels))
		}
		if !bytes.Equal(want, ours) {
			f.t.Errorf("%s: we read %s", name, firstDifference(want, ours))
		}
	}
}

func firstDifference(want, got []byte) string {
	for i := range min(len(want), len(got)) {
		if want[i] != got[i] {
			return fmt.Sprintf("%#x at byte %d, want %#x", got[i], i, want[i])
		}
	}
	return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
}

func TestFilesThatTheKernelAndWeChangeInTurn(t *testing.T) {
	for _, p := range []testimage.Profile{
		testimage.ProfileNamed("nixos-1k"), testimage.ProfileNamed("gdt-checksums-2k"), testimage.ProfileNamed("nixos-4k"),
		oldProfiles[0], oldProfiles[1], oldProfiles[2],
	} {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			f := &fileTurns{t: t, rand: rand.New(rand.NewPCG(seed, 2)), ref: t.TempDir(), most: 8 << 20, image: testimage.Ext4(t,
				testimage.Options{Profile: p, StorePaths: -1, Size: 64 << 20, Inodes: 100, Stale: true})}
			for i := range 6 {
				f.names = append(f.names, fmt.Sprint("f", i))
			}
			for round := range 6 {
				dir := testimage.MountRW(t, f.image, 0)
				for range 60 {
					if err := f.kernelStep(dir); err != nil {
						t.Fatalf("seed %d, round %d: %v", seed, round, err)
					}
				}
				testimage.Unmount(t, dir)
				mustUpdate(t, openImage(t, f.image), func(tx *Tx) error {
					for range 8 {
						if err := f.ourStep(tx); err != nil {
							return err
						}
					}
					return nil
				}, WithoutJournal())
				if err := testimage.FsckErr(f.image, 0, testimage.KernelLeaves...); err != nil {
					t.Error(err)
				}
				f.compare()
				if t.Failed() {
					t.Fatalf("seed %d, round %d", seed, round)
				}
			}
		})
	}
}

// TestTruncateDoesWhatTheKernelDoes cuts and grows the same files in two copies of an image.
func TestTruncateDoesWhatTheKernelDoes(t *testing.T) {
	for _, p := range append([]testimage.Profile{testimage.ProfileNamed("nixos-1k"), testimage.ProfileNamed("pi-gen-4k")}, oldProfiles...) {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			ours := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 64 << 20, Inodes: 400})
			testimage.Check(t, ours, 0)
			dir := testimage.MountRW(t, ours, 0)
			bs := int64(p.BlockSize)
			size := 6 << 20
			// Sizes around the ends of blocks and the boundaries of maps.
			var sizes []int64
			for _, b := range append([]int64{0, 1, 11, 13, 100}, boundaries(p.BlockSize)...) {
				for _, more := range []int64{-1, 0, 1, bs / 2} {
					if s := b*bs + more; s >= 0 && s < 40<<20 {
						sizes = append(sizes, s)
					}
				}
			}
			sizes = append(sizes, int64(size), int64(size)+1, 1<<33+5)
			for i := range sizes {
				writeHere := func(kind string, fn func(f *os.File) error) {
					f, err := os.Create(filepath.Join(dir, fmt.Sprint(kind, i)))
					if err == nil {
						err = errors.Join(fn(f), f.Close())
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				writeHere("full", func(f *os.File) error { // with holes, so that all of them find room
					var err error
					for off := int64(0); err == nil && off < int64(size); off += 64 * bs {
						_, err = f.WriteAt(pattern(int(bs)+7, byte(off>>10)), off)
					}
					return err
				})
				writeHere("reserved", func(f *os.File) error {
					_, err := f.WriteAt(pattern(int(3*bs)+9, 1), 5)
					if err == nil {
						err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 2*bs, 20*bs)
					}
					if errors.Is(err, unix.EOPNOTSUPP) {
						err = nil
					}
					return err
				})
			}
			testimage.Unmount(t, dir)
			kernels := filepath.Join(t.TempDir(), "kernels")
			duplicate(t, ours, kernels)
			dir = testimage.MountRW(t, kernels, 0)
			for i, size := range sizes {
				for _, kind := range []string{"full", "reserved"} {
					if err := os.Truncate(filepath.Join(dir, fmt.Sprint(kind, i)), size); err != nil {
						t.Fatal(err)
					}
				}
			}
			testimage.Unmount(t, dir)
			mustUpdate(t, openImage(t, ours), func(tx *Tx) error {
				for i, size := range sizes {
					for _, kind := range []string{"full", "reserved"} {
						if err := tx.Truncate(fmt.Sprint(kind, i), size); err != nil {
							return err
						}
					}
				}
				return nil
			}, WithoutJournal())
			compareFiles(t, kernels, ours, sizes)
		})
	}
}

// compareFiles compares what two images have of files: sizes, bytes and what they take.
func compareFiles(t *testing.T, kernels, ours string, sizes []int64) {
	t.Helper()
	want, got := testimage.Mount(t, kernels, 0), testimage.Mount(t, ours, 0)
	defer testimage.Unmount(t, want)
	defer testimage.Unmount(t, got)
	for i, size := range sizes {
		for _, kind := range []string{"full", "reserved"} {
			name := fmt.Sprint(kind, i)
			var a, b unix.Stat_t
			if err := errors.Join(unix.Stat(filepath.Join(want, name), &a), unix.Stat(filepath.Join(got, name), &b)); err != nil {
				t.Fatal(err)
			}
			// The kernel leaves nodes of extent trees that could be merged.
			if a.Size != b.Size || b.Blocks > a.Blocks || b.Blocks < a.Blocks && a.Blocks-b.Blocks > 8*int64(a.Blksize/512) {
				t.Errorf("%s cut to %d: %d bytes and %d sectors, the kernel has %d and %d", name, size, b.Size, b.Blocks, a.Size, a.Blocks)
			}
			if size > 64<<20 {
				size = 64 << 20
			}
			for off := int64(0); off < size; off += 1 << 20 {
				n := min(size-off, 1<<20)
				x, y := readPiece(t, filepath.Join(want, name), off, n), readPiece(t, filepath.Join(got, name), off, n)
				if !bytes.Equal(x, y) {
					t.Errorf("%s cut to %d: from %d on %s", name, size, off, firstDifference(x, y))
				}
			}
		}
	}
}

func readPiece(t *testing.T, path string, off, n int64) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

// The kernel makes files of thousands of extents, some of them unwritten; we cut, grow and replace them.
func TestDeepTreesOfTheKernel(t *testing.T) {
	for _, name := range []string{"nixos-1k", "gdt-checksums-1k", "debian-2k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed(name)
			bs := int64(p.BlockSize)
			image := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 48 << 20, Inodes: 100})
			dir := testimage.MountRW(t, image, 0)
			const extents = 30_000 / 2
			count := extents * 1024 / bs
			size := 2 * count * bs
			var cuts []int64
			for i, at := range []int64{0, 4, 5, 84, 337, 1000, 7000, count} {
				cuts = append(cuts, min(at, count)*2*bs+int64(i%2)*bs/3)
			}
			write := func(name string, unwritten bool) {
				f, err := os.Create(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				// Every second block, in an order that splits nodes anywhere.
				for i := range count {
					at := (i * 7919 % count) * 2 * bs
					if unwritten && i%3 > 0 {
						err = unix.Fallocate(int(f.Fd()), 0, at, bs)
					} else {
						_, err = f.WriteAt(pattern(int(bs), byte(i)), at)
					}
					if err == nil && i%5000 == 0 {
						err = f.Sync()
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			write("written", false)
			write("mixed", true)
			testimage.Unmount(t, dir)
			for _, name := range []string{"written", "mixed"} {
				loc, err := openImage(t, image).view.locate(name, true)
				if err != nil || format.ExtentNode(loc.node.IBlock()).Depth() < 2 {
					t.Fatalf("the kernel's tree is not deep (%v)", err)
				}
				dir := testimage.Mount(t, image, 0)
				whole, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				testimage.Unmount(t, dir)
				for i, size := range append(cuts, size) {
					copied := filepath.Join(t.TempDir(), fmt.Sprint(i))
					duplicate(t, image, copied)
					want := append(bytes.Clone(whole[:min(size, int64(len(whole)))]), make([]byte, max(0, size-int64(len(whole))))...)
					mustUpdate(t, openImage(t, copied), func(tx *Tx) error { return tx.Truncate(name, size) }, WithoutJournal())
					if err := testimage.FsckErr(copied, 0, testimage.KernelLeaves...); err != nil {
						t.Errorf("%s cut to %d: %v", name, size, err)
					}
					dir := testimage.Mount(t, copied, 0)
					if got := readPiece(t, filepath.Join(dir, name), 0, size); !bytes.Equal(got, want) {
						t.Errorf("%s cut to %d: %s", name, size, firstDifference(want, got))
					}
					testimage.Unmount(t, dir)
					if err := os.Remove(copied); err != nil {
						t.Error(err)
					}
				}
			}
			free := openImage(t, image).Info().FreeBlocks
			mustUpdate(t, openImage(t, image), func(tx *Tx) error {
				return errors.Join(tx.WriteFile("written", bytes.NewReader(nil), Attr{}), tx.Remove("mixed"))
			}, WithoutJournal())
			testimage.Fsck(t, image, 0)
			if now := openImage(t, image).Info().FreeBlocks; now < free+2*uint64(count) {
				t.Errorf("%d blocks were free, now %d; two files had %d each", free, now, count)
			}
		})
	}
}

func duplicate(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
