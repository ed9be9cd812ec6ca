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

// Beside a node's entries there is nothing but zeros, or what was there.
func TestANodeHidesNothingBesideItsEntries(t *testing.T) {
	const size, room, tail = 1024, 84, 4
	node := func(depth uint16) []byte {
		b := make([]byte, size)
		for at, v := range map[int]uint16{0: extentMagic, 2: 2, 4: room, 6: depth} { // eh_magic, eh_entries, eh_max, eh_depth
			binary.LittleEndian.PutUint16(b[at:], v)
		}
		for at := 12; at < 36; at++ {
			b[at] = 7
		}
		clear(b[22:24]) // ei_unused
		clear(b[34:36])
		return b
	}
	for _, depth := range []uint16{0, 1} {
		for at := 8; at < size; at++ {
			is := node(depth)
			is[at] ^= 0x5A
			hidden := at < 12 || at >= 36 && (at < 12*(1+room) || at >= 12*(1+room)+tail) || depth > 0 && (at == 22 || at == 23 || at == 34 || at == 35)
			if tidyNode(is, nil, tail) == hidden {
				t.Errorf("depth %d, byte %d: hidden is %v", depth, at, !hidden)
			}
			if !tidyNode(is, is, tail) {
				t.Errorf("depth %d, byte %d was there", depth, at)
			}
		}
	}
}

// Pointers to what is behind the end are none, whatever the level.
func TestPointersBehindTheEndAreSeen(t *testing.T) {
	const perBlock = 256
	for _, c := range []struct{ blocks, used uint64 }{{0, 0}, {1, 1}, {12, 12}, {13, 13}, {12 + perBlock, 13}, {13 + perBlock, 14}, {12 + perBlock + perBlock*perBlock, 14}, {13 + perBlock + perBlock*perBlock, 15}} {
		for i := range uint64(15) {
			b := make([]byte, 60)
			b[4*i+1] = 9
			if tidyPointers(b, nil, c.blocks, perBlock) != (i < c.used) {
				t.Errorf("%d blocks, pointer %d", c.blocks, i)
			}
			if !tidyPointers(b, b, c.blocks, perBlock) {
				t.Errorf("%d blocks, pointer %d was there", c.blocks, i)
			}
		}
	}
}

// Attributes have nothing between them, and a name that is there twice is another.
func TestAttributesHideNothing(t *testing.T) {
	area := make([]byte, 124)
	copy(area, "\x01\x01\x40\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00x\x00\x00\x00") // user.x, 5 bytes at 0x40
	copy(area[0x40:], "value")
	if !tidyAttributes(area, 0) {
		t.Error("plain attributes are not tidy")
	}
	for _, at := range []int{17, 19, 24, 0x3F, 0x45, 0x48, 123} {
		is := bytes.Clone(area)
		is[at] = 1
		if tidyAttributes(is, 0) {
			t.Errorf("a byte at %#x is not seen", at)
		}
	}
	twice := bytes.Clone(area)
	copy(twice[20:], area[:20])
	all := attributes{}
	if err := all.add(twice, 0, false); err != nil || len(all) != 2 {
		t.Errorf("%v, error %v", all, err)
	}
}
