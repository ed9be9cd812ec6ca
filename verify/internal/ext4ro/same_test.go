package ext4ro

// This file tests what two states of a structure may differ in.

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// An inode that was freed keeps nothing that it had not had, whoever freed it.
func TestAFreedInodeHidesNothing(t *testing.T) {
	for _, size := range []int{128, 136, 256} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) { freedInode(t, size) })
	}
}

func freedInode(t *testing.T, size int) {
	was := make([]byte, size)
	for i := range was {
		was[i] = byte(i*37 + 11)
	}
	binary.LittleEndian.PutUint16(was[0x1A:], 1)           // i_links_count
	binary.LittleEndian.PutUint32(was[0x20:], FlagExtents) // i_flags
	cleared := make([]byte, size)
	binary.LittleEndian.PutUint32(cleared[0x14:], 1700000000) // i_dtime
	kept := bytes.Clone(was)
	binary.LittleEndian.PutUint16(kept[0x1A:], 0)
	binary.LittleEndian.PutUint32(kept[0x14:], 1700000000)
	for _, freed := range [][]byte{cleared, kept} {
		if !GoneFrom(was, freed) {
			t.Error("what was freed is not taken for that")
		}
		for at := range freed {
			is := bytes.Clone(freed)
			is[at] ^= 0xFF // neither zero nor what was there
			if is[at] == was[at] || is[at] == 0 {
				is[at] ^= 0x0F
			}
			written := 0x08 <= at && at < 0x18 || 0x7C <= at && at < 0x7E || 0x82 <= at && at < 0x90
			if GoneFrom(was, is) != written {
				t.Errorf("byte %#x: %v", at, !written)
			}
		}
	}
	empty := bytes.Clone(cleared)
	copy(empty[0x28:], []byte{0x0A, 0xF3, 0, 0, 4, 0, 0, 0})
	if !GoneFrom(was, empty) {
		t.Error("an empty tree of extents is not taken for one")
	}
	empty[0x2A] = 1 // an extent
	if GoneFrom(was, empty) {
		t.Error("a tree with an extent is taken for an empty one")
	}
	if GoneFrom(was, was) {
		t.Error("an inode with a link is taken for a freed one")
	}
}
