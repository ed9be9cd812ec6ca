package blocks_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"

	"github.com/google/go-cmp/cmp"
)

func TestAnOverlayChangesCopiesOnly(t *testing.T) {
	device := bytes.Repeat([]byte("0123456789abcdef"), 4*64)
	before := bytes.Clone(device)
	o := blocks.NewOverlay(blocks.NewCache(bytes.NewReader(device), 1024, 4))
	edited, err := o.Edit(1)
	if err != nil {
		t.Fatal(err)
	}
	edited[0] = 'X'
	same, err := o.Edit(2) // changed and changed back
	if err != nil {
		t.Fatal(err)
	}
	same[0] = 'Y'
	same[0] = '0'
	fresh := o.Fresh(3)
	fresh[5] = 'Z'
	o.Fresh(0)
	o.Discard(0)

	got, err := o.Block(1)
	if err != nil || got[0] != 'X' {
		t.Errorf("block 1 of the overlay: %.4q, %v", got, err)
	}
	want := []blocks.Change{{Block: 1, Data: append([]byte("X"), before[1025:2048]...)}, {Block: 3, Data: fresh, Fresh: true}}
	if diff := cmp.Diff(want, o.Changes()); diff != "" {
		t.Errorf("changes:\n%s", diff)
	}
	if !bytes.Equal(device, before) {
		t.Error("the device was changed")
	}
}

func TestBlocksBeyondTheEndAreErrors(t *testing.T) {
	c := blocks.NewCache(bytes.NewReader(make([]byte, 3000)), 1024, 4) // the device is shorter than it should be
	if _, err := c.Block(4); err == nil {
		t.Error("block 4 of 4 was read")
	}
	if _, err := c.Block(1<<64 - 1); err == nil {
		t.Error("the last block that a number can have was read")
	}
	if _, err := c.Block(2); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a block that the device has half of: %v", err)
	}
	if err := c.Read(3, make([]byte, 2048)); err == nil {
		t.Error("two blocks were read from the last one on")
	}
}

// pieces counts the reads of a device.
type pieces struct {
	io.ReaderAt
	n int
}

func (p *pieces) ReadAt(b []byte, off int64) (int, error) {
	p.n++
	return p.ReaderAt.ReadAt(b, off)
}

func TestBlocksThatWereReadAheadAreReadOnce(t *testing.T) {
	device := bytes.Repeat([]byte("0123456789abcdef"), 4*64)
	for i := range 4 {
		device[i*1024] = byte('A' + i)
	}
	p := &pieces{ReaderAt: bytes.NewReader(device[:3500])} // shorter than it should be
	c := blocks.NewCache(p, 1024, 4)
	c.Ahead(0, 3)
	c.Ahead(0, 3)
	for i := range 3 {
		if b, err := c.Block(format.FSBlock(i)); err != nil || !bytes.Equal(b, device[i*1024:][:1024]) {
			t.Errorf("block %d: %.4q, %v", i, b, err)
		}
	}
	if p.n != 1 {
		t.Errorf("%d reads", p.n)
	}
	c.ForgetAll()
	c.Ahead(2, 2)
	if _, err := c.Block(2); err != nil {
		t.Errorf("a block that lies before one that cannot be read: %v", err)
	}
}
