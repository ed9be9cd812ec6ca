package ext4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Single bytes flipped all over the metadata: what is under a checksum is
// found, and what is not makes neither panic nor hang nor half an update.

// memory is an image in memory as an ext4.Device.
type memory struct {
	b     []byte
	wrote bool
}

func (m *memory) Size() int64 { return int64(len(m.b)) }
func (m *memory) Sync() error { return nil }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.wrote = true
	if off < 0 || off+int64(len(p)) > int64(len(m.b)) {
		return 0, io.ErrShortWrite
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) update(fn func(tx *ext4.Tx) error) error {
	fsys, err := ext4.Open(m)
	if err != nil {
		return err
	}
	return fsys.Update(fn, ext4.WithTime(updateTime), ext4.AcceptRisk())
}

func readAll(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestEveryByteOfACheckedSuperblockCounts(t *testing.T) {
	clean := readAll(t, testimage.Ext4(t, testimage.Options{StorePaths: 8}))
	for i := range 1024 {
		m := &memory{b: bytes.Clone(clean)}
		m.b[superblockAt+i] ^= 1 << (i % 8)
		if _, err := ext4.Open(m); !isOneOf(err, either) && !errors.Is(err, ext4.ErrNeedsRecovery) {
			t.Errorf("byte %#x flipped: %v", i, err)
		}
	}
}

func TestEveryByteOfACheckedDescriptorCounts(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "gdt-checksums-1k"} {
		t.Run(profile, func(t *testing.T) {
			p := testimage.ProfileNamed(profile)
			clean := readAll(t, testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8}))
			size := 32
			if p.BlockSize == 4096 {
				size = 64
			}
			for i := range size {
				m := &memory{b: bytes.Clone(clean)}
				m.b[max(p.BlockSize, 2048)+i] ^= 1 << (i % 8)
				if _, err := ext4.Open(m); !errors.Is(err, ext4.ErrCorrupt) {
					t.Errorf("byte %#x flipped: %v", i, err)
				}
			}
		})
	}
}

// Anywhere in the first blocks, or in a directory or inode on the way: the
// update fails and nothing is written, or it succeeds and the image is no worse
// than the flip made it.
func TestFlippedBytesNeverLeaveHalfAnUpdate(t *testing.T) {
	rounds := 600
	if testing.Short() {
		rounds = 60
	}
	for _, profile := range []string{"nixos-4k", "no-checksums-1k", "gdt-checksums-2k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed(profile)
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 30, Free: 4 << 20})
			clean := readAll(t, path)
			targets := metadata(t, path, clean, p.BlockSize)
			rnd := rand.New(rand.NewPCG(4, 5))
			refused := 0
			for range rounds {
				at := targets[rnd.IntN(len(targets))]
				bit := byte(1 << rnd.IntN(8))
				m := &memory{b: bytes.Clone(clean)}
				m.b[at] ^= bit
				err := m.survive(t, fmt.Sprintf("byte %#x, bit %#x", at, bit))
				if err == nil {
					continue
				}
				refused++
				m.b[at] ^= bit
				if m.wrote || !bytes.Equal(m.b, clean) {
					t.Errorf("byte %#x, bit %#x: %v, and the image was changed", at, bit, err)
				}
			}
			t.Logf("%d of %d refused", refused, rounds)
			if refused == 0 {
				t.Error("no damage was noticed")
			}
		})
	}
}

// survive runs an update and turns a panic into a failed test.
func (m *memory) survive(t *testing.T, what string) (err error) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: panic: %v", what, r)
			err = errors.New("panic")
		}
	}()
	return m.update(func(tx *ext4.Tx) error {
		if err := run(tx, []op{mkdir("var", 0o755), file("var/f", noise(9000), 0o600), symlink("x", "boot/l")}); err != nil {
			return err
		}
		return run(tx, entries("nix/store", 0, 20, 90))
	})
}

// metadata are the offsets of bytes that an update of / and /nix/store looks at:
// superblock, descriptors, bitmaps, the inode table's start, directories.
func metadata(t *testing.T, path string, image []byte, blockSize int) []int64 {
	t.Helper()
	s := &spoilt{path: path, b: image, blockSize: blockSize}
	var offsets []int64
	add := func(start int64, n int) {
		for i := range int64(n) {
			offsets = append(offsets, start+i)
		}
	}
	add(superblockAt, 1024)
	add(int64(max(blockSize, 2048)), 64)
	for _, at := range []int{0, 4} {
		add(int64(binary.LittleEndian.Uint32(s.descriptor()[at:]))*int64(blockSize), 400)
	}
	add(int64(binary.LittleEndian.Uint32(s.descriptor()[8:]))*int64(blockSize), 256*20)
	for _, dir := range []string{"/", "/nix", "/nix/store", "/boot"} {
		add(int64(s.blocks(t, dir)[0])*int64(blockSize), blockSize)
	}
	return offsets
}

// What is left of a tree on a damaged image can be listed without a panic.
func TestReadingDamagedImagesNeverPanics(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	p := testimage.ProfileNamed("no-checksums-1k")
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 10, Free: 1 << 20})
	clean := readAll(t, path)
	targets := metadata(t, path, clean, p.BlockSize)
	rnd := rand.New(rand.NewPCG(6, 7))
	for range rounds {
		m := &memory{b: bytes.Clone(clean)}
		var at []int64
		for range 3 {
			at = append(at, targets[rnd.IntN(len(targets))])
			m.b[at[len(at)-1]] = byte(rnd.Uint32())
		}
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("bytes %#x: panic: %v", at, r)
				}
			}()
			fsys, err := ext4.Open(m)
			if err != nil {
				return
			}
			// The walk's errors are the damage's; its end is what counts.
			_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
				if err == nil && d.Type() == 0 && filepath.Base(name) != "kernel" {
					_, _ = fsys.ReadFile(name)
				}
				return nil
			})
		}()
	}
}
