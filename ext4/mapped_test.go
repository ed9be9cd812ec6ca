package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// TestDamagedMapsAreRefused damages the map of a file in one way each: whoever would change the file says so, soon, and nothing is
// written.
func TestDamagedMapsAreRefused(t *testing.T) {
	type image struct {
		data []byte
		bs   int
		n    node // of the file, within data
	}
	slot := func(im image, i int) []byte { return im.n.IBlock()[4*i:][:4] }
	put := binary.LittleEndian.PutUint32
	table := func(im image, i int) []byte { // the table that a number in i_block leads to
		b := int(binary.LittleEndian.Uint32(slot(im, i)))
		return im.data[b*im.bs:][:im.bs]
	}
	for _, c := range []struct {
		name   string
		damage func(im image)
	}{
		{"a direct block outside", func(im image) { put(slot(im, 3), 1<<30) }},
		{"a direct block that is the superblock", func(im image) { put(slot(im, 3), 1) }},
		{"a direct block twice", func(im image) { copy(slot(im, 3), slot(im, 2)) }},
		{"a hole that i_blocks counts", func(im image) { put(slot(im, 3), 0) }},
		{"an indirect block outside", func(im image) { put(slot(im, 12), 1<<30) }},
		{"an indirect block that is data, too", func(im image) { copy(slot(im, 12), slot(im, 2)) }},
		{"a double indirect block that is the indirect one", func(im image) { copy(slot(im, 13), slot(im, 12)) }},
		{"an indirect block that leads to itself", func(im image) { copy(table(im, 12), slot(im, 12)) }},
		{"a double indirect block full of itself", func(im image) {
			for i := range im.bs / 4 {
				copy(table(im, 13)[4*i:], slot(im, 13))
			}
		}},
		{"a triple indirect block of double ones that are all the same", func(im image) {
			copy(slot(im, 14), slot(im, 13))
			for i := range im.bs / 4 {
				copy(table(im, 13)[4*i:], slot(im, 13))
			}
		}},
		{"a block in the middle of a table outside", func(im image) { put(table(im, 12)[100:], math.MaxUint32) }},
		{"one that i_blocks does not count", func(im image) { put(slot(im, 14), binary.LittleEndian.Uint32(slot(im, 3))+3000) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dev, ino := fileOfTables(t)
			fsys, err := Open(dev)
			if err != nil {
				t.Fatal(err)
			}
			b, off, err := fsys.view.inodeAt(ino)
			if err != nil {
				t.Fatal(err)
			}
			bs := fsys.view.blockSize
			at := int(b)*bs + off
			c.damage(image{dev.data, bs, node{ino, format.Inode(dev.data[at:][:fsys.view.inodeSize])}})
			before := bytes.Clone(dev.data)
			for name, change := range map[string]func(tx *Tx) error{
				"write":    func(tx *Tx) error { return tx.WriteFile("f", strings.NewReader("new"), Attr{}) },
				"truncate": func(tx *Tx) error { return tx.Truncate("f", 1) },
				"grow":     func(tx *Tx) error { return tx.Truncate("f", 1<<24) },
				"remove":   func(tx *Tx) error { return tx.Remove("f") },
			} {
				fsys, err := Open(dev)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				err = fsys.Update(change)
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: error %v, want %v", name, err, ErrCorrupt)
				}
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("%s: it took %v", name, took)
				}
				if !bytes.Equal(dev.data, before) {
					t.Fatalf("%s: the image was changed", name)
				}
			}
			// A walk meets no block of the image more often than there are numbers in it.
			n, err := fsys.view.inode(ino)
			if err != nil {
				t.Fatal(err)
			}
			visits := 0
			err = fsys.view.walkMap(n, func(format.Extent) error { visits++; return nil }, nil)
			if visits > len(dev.data)/4 {
				t.Errorf("a walk of %d bytes of image met %d runs (%v)", len(dev.data), visits, err)
			}
			// Reading ends as well, however it ends.
			if f, err := fsys.Open("f"); err == nil {
				if _, err := io.Copy(io.Discard, f); err != nil && !errors.Is(err, ErrCorrupt) {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
}

// fileOfTables is an image without checksums in memory, with a file f that has an indirect and a double indirect block.
func fileOfTables(t *testing.T) (*memDevice, Ino) {
	t.Helper()
	path := testimage.Ext4(t, testimage.Options{Profile: profileOf("no-checksums-1k", "^extent"), StorePaths: -1, Size: 16 << 20, Inodes: 64})
	fsys := openImage(t, path)
	mustUpdate(t, fsys, func(tx *Tx) error {
		return tx.WriteFile("f", bytes.NewReader(pattern(600<<10, 1)), Attr{Mode: 0o644})
	})
	testimage.Fsck(t, path, 0)
	info, err := fsys.Stat("f")
	if err != nil {
		t.Fatal(err)
	}
	return loadDevice(t, path), Ino(info.Sys().(*Stat).Ino)
}

func TestADirectoryOfIndirectBlocksHasNoHoles(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{Profile: profileOf("linear-1k", "^extent", "^64bit"), StorePaths: -1, Size: 16 << 20, Inodes: 2000})
	fsys := openImage(t, path)
	mustUpdate(t, fsys, func(tx *Tx) error {
		if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
			return err
		}
		for i := range 800 {
			if err := tx.WriteFile("d/"+strings.Repeat("n", 40)+string(rune('a'+i%26))+strings.Repeat("x", i/26), strings.NewReader(""), Attr{}); err != nil {
				return err
			}
		}
		return nil
	})
	testimage.Fsck(t, path, 0)
	info, err := fsys.Stat("d")
	if err != nil || info.Size() < 15*1024 {
		t.Fatal(info, err)
	}
	// One block of the directory is taken out of its map, i_blocks and all.
	if err := fsys.Update(func(tx *Tx) error {
		n, err := tx.editInode(Ino(info.Sys().(*Stat).Ino))
		if err != nil {
			return err
		}
		err = tx.unmapBlocks(n, 14, 15)
		tx.seal(n)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	err = openImage(t, path).Update(func(tx *Tx) error { return tx.WriteFile("d/new", strings.NewReader(""), Attr{}) })
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v, want %v", err, ErrCorrupt)
	}
}

// Of a damaged tree whose extents share a block nothing is freed: it would be free and in use.
func TestExtentsThatShareBlocksAreRefused(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k"), StorePaths: -1, Size: 16 << 20, Inodes: 64})
	fsys := openImage(t, path)
	mustUpdate(t, fsys, func(tx *Tx) error {
		return tx.WriteFile("f", pieces{at: map[int64][]byte{0: pattern(3000, 1), 10 << 10: pattern(3000, 2)}, size: 13000}, Attr{})
	})
	info, err := fsys.Stat("f")
	if err != nil {
		t.Fatal(err)
	}
	dev := loadDevice(t, path)
	b, off, err := fsys.view.inodeAt(Ino(info.Sys().(*Stat).Ino))
	if err != nil {
		t.Fatal(err)
	}
	root := format.ExtentNode(format.Inode(dev.data[int(b)*1024+off:][:fsys.view.inodeSize]).IBlock())
	if root.Entries() != 2 {
		t.Fatalf("%d extents, want 2", root.Entries())
	}
	first, second := root.Extent(0), root.Extent(1)
	second.Start = first.Start + 1
	root.SetExtent(1, second)
	if fsys, err = Open(dev); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Update(func(tx *Tx) error { return tx.Truncate("f", 0) }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v, want %v", err, ErrCorrupt)
	}
}

// memDevice is an image in memory.
type memDevice struct{ data []byte }

func (d *memDevice) Size() int64 { return int64(len(d.data)) }
func (d *memDevice) Sync() error { return nil }

func (d *memDevice) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(d.data).ReadAt(b, off)
}

func (d *memDevice) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(b)) > d.Size() {
		return 0, io.ErrShortWrite
	}
	return copy(d.data[off:], b), nil
}

func loadDevice(tb testing.TB, path string) *memDevice {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return &memDevice{b}
}
