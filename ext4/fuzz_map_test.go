package ext4

import (
	"bytes"
	"errors"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// FuzzMap puts any bytes into a file's i_block and into the blocks of its map. Reading, cutting and removing end, do not panic, and an
// error is one of the kinds and leaves the image as it was.
func FuzzMap(f *testing.F) {
	type image struct {
		data   []byte
		ino    Ino
		at     int   // of the inode
		tables []int // where blocks of its map are
	}
	var images []image
	for _, p := range []testimage.Profile{
		profileOf("no-checksums-1k", "^has_journal", "^resize_inode"), profileOf("no-checksums-1k", "^has_journal", "^resize_inode", "^extent"),
	} {
		path := testimage.Ext4(f, testimage.Options{Profile: p, StorePaths: -1, Size: 1 << 20, Inodes: 32})
		fsys := openImage(f, path)
		content := pieces{at: map[int64][]byte{}}
		for i := range int64(300) { // two nodes below the root, or the first two of three tables
			content.at[i*2048] = []byte{1}
			content.size = i*2048 + 1
		}
		mustUpdate(f, fsys, func(tx *Tx) error { return tx.WriteFile("f", content, Attr{Mode: 0o644}) }, AcceptRisk())
		loc, err := fsys.view.locate("f", true)
		if err != nil {
			f.Fatal(err)
		}
		im := image{ino: loc.node.ino, data: loadDevice(f, path).data}
		b, off, err := fsys.view.inodeAt(im.ino)
		if err != nil {
			f.Fatal(err)
		}
		im.at = int(b)*1024 + off
		if err := fsys.view.walkMap(loc.node, func(format.Extent) error { return nil }, func(b FSBlock) error {
			im.tables = append(im.tables, int(b)*1024)
			return nil
		}); err != nil || len(im.tables) < 2 {
			f.Fatal(im.tables, err)
		}
		images = append(images, im)
	}
	f.Add(uint8(0), uint8(0), []byte{0}, uint64(0), uint32(0))
	f.Add(uint8(1), uint8(0), []byte{12, 0, 0, 0}, uint64(5000), uint32(13))
	f.Add(uint8(2), uint8(40), bytes.Repeat([]byte{0xFF}, 60), uint64(1<<33), uint32(1<<31))
	f.Fuzz(func(t *testing.T, which, at uint8, patch []byte, size uint64, fb uint32) {
		im := images[int(which)%len(images)]
		data := bytes.Clone(im.data)
		place := data[im.at:][:256]
		place = format.Inode(place).IBlock()
		if k := int(which) / len(images) % (len(im.tables) + 1); k > 0 {
			place = data[im.tables[k-1]:][:1024]
		}
		copy(place[int(at)%len(place):], patch)
		dev := &memDevice{data}
		fsys, err := Open(dev)
		if err != nil {
			return
		}
		n, err := fsys.view.rawInode(im.ino)
		if err != nil {
			t.Fatal(err)
		}
		known := func(err error) {
			t.Helper()
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrNoSpace) {
				t.Errorf("error %v is of no kind", err)
			}
		}
		last := uint64(0)
		known(fsys.view.walkMap(n, func(e format.Extent) error {
			if uint64(e.Block) < last || e.Len == 0 || !fsys.view.validRange(e.Start, uint64(e.Len)) {
				t.Errorf("extent %+v behind file block %d", e, last)
			}
			last = uint64(e.Block) + uint64(e.Len)
			return nil
		}, nil))
		r, err := fsys.view.lookup(n, FileBlock(fb))
		if known(err); err == nil && (r.block != FileBlock(fb) || r.count == 0) {
			t.Errorf("file block %d is in the run %+v", fb, r)
		}
		for _, change := range []func(tx *Tx) error{
			func(tx *Tx) error { return tx.Truncate("f", int64(size>>1)) },
			func(tx *Tx) error { return tx.WriteFile("f", bytes.NewReader([]byte("new")), Attr{}) },
			func(tx *Tx) error { return tx.Remove("f") },
			func(tx *Tx) error { // without the look at the map that the others have before
				n, err := tx.editInode(im.ino)
				if err != nil {
					return err
				}
				return tx.truncate(n, size%(1<<20))
			},
		} {
			before := bytes.Clone(data)
			fsys, err := Open(dev)
			if err != nil {
				t.Fatal(err)
			}
			err = fsys.Update(change, AcceptRisk())
			if known(err); err != nil && !bytes.Equal(before, data) {
				t.Errorf("the image was changed in spite of %v", err)
			}
			copy(data, before)
		}
	})
}
