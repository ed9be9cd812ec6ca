package format

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// In blocks of 64 KiB a length of 65536 is stored as 65535, and 0 is read as the same (ext4_rec_len_to_disk and its inverse).
func TestLengthsOf64KiB(t *testing.T) {
	block := make([]byte, 1<<16)
	InitDXInner(block, true).Insert(0, 0, 7)
	want := []byte{0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0xFE, 0x1F, 1, 0, 7, 0, 0, 0} // limit (65536-8-8)/8
	if diff := cmp.Diff(want, block[:16]); diff != "" {
		t.Errorf("an index node:\n%s", diff)
	}
	for _, stored := range []uint16{0xFFFF, 0} {
		deRecLen.Set(block, stored)
		if x, err := DXInner(block, true); err != nil || x.Block(0) != 7 {
			t.Errorf("an index node with rec_len %#x: %v", stored, err)
		}
	}
	leaf := DirBlock(make([]byte, 1<<16))
	leaf.SetRecLen(0, 1<<16)
	leaf.Put(0, 1<<16, 12, FTRegular, "only")
	if d, err := leaf.At(0); err != nil || d.RecLen != 1<<16 || string(d.Name) != "only" {
		t.Errorf("an entry that spans the block: %+v, %v", d, err)
	}
	leaf.SetRecLen(0, 12)
	leaf.Put(12, 1<<16-12, 13, FTRegular, "next")
	leaf.Remove(0, 12)
	if d, err := leaf.At(0); err != nil || d.RecLen != 1<<16 || deRecLen.Get(leaf) != 0xFFFF {
		t.Errorf("an entry that spans the block again: %+v, %v", d, err)
	}
	root := make([]byte, 1<<16)
	DirBlock(root).Put(0, 12, 11, FTDir, ".")
	DirBlock(root).Put(12, 1<<16-12, 2, FTDir, "..")
	InitDXRoot(root, true, HashHalfMD4).Insert(0, 0, 1)
	if x, err := DXRoot(root, true); err != nil || x.Limit() != (1<<16-32-8)/8 {
		t.Errorf("an index root: limit %d, %v", x.Limit(), err)
	}
}
