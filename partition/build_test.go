// This file builds tables byte by byte, for what sfdisk does not make: damage, loops, sectors of 4096 bytes.

package partition

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

// image is the bytes of a disk.
type image []byte

func (b image) mbr(sector int64, slot int, boot, kind byte, start, sectors uint32) image {
	e := b[sector*512+446+int64(slot)*16:]
	e[0], e[4] = boot, kind
	binary.LittleEndian.PutUint32(e[8:], start)
	binary.LittleEndian.PutUint32(e[12:], sectors)
	return b.sign(sector)
}

func (b image) sign(sector int64) image {
	b[sector*512+510], b[sector*512+511] = 0x55, 0xaa
	return b
}

// ext puts the superblock of an ext4 of so many KiB at byte off.
func (b image) ext(off int64, label string, kib uint32) image {
	s := b[off+1024 : off+2048]
	binary.LittleEndian.PutUint32(s[0x00:], 128)  // s_inodes_count
	binary.LittleEndian.PutUint32(s[0x04:], kib)  // s_blocks_count_lo, of 1 KiB
	binary.LittleEndian.PutUint32(s[0x20:], 8192) // s_blocks_per_group
	binary.LittleEndian.PutUint32(s[0x28:], 128)  // s_inodes_per_group
	binary.LittleEndian.PutUint16(s[0x38:], 0xef53)
	binary.LittleEndian.PutUint32(s[0x60:], 0x42) // filetype, extents
	copy(s[0x78:], label)
	return b
}

// gpt is a table to be written.
type gpt struct {
	sectorSize int64
	entries    []gptPart
	entrySize  int // 128
	entryCount int // 128
	sectors    int64
}

type gptPart struct {
	first, last uint64
	name        string
}

// write puts the protective MBR and both copies.
func (g gpt) write(b image) image {
	if g.entrySize == 0 {
		g.entrySize = 128
	}
	if g.entryCount == 0 {
		g.entryCount = 128
	}
	if g.sectors == 0 {
		g.sectors = int64(len(b)) / g.sectorSize
	}
	b.mbr(0, 0, 0, 0xee, 1, uint32(g.sectors-1))
	arraySectors := (int64(g.entrySize*g.entryCount) + g.sectorSize - 1) / g.sectorSize
	g.copy(b, 1, g.sectors-1, 2, arraySectors)
	g.copy(b, g.sectors-1, 1, g.sectors-1-arraySectors, arraySectors)
	return b
}

func (g gpt) copy(b image, at, other, array, arraySectors int64) {
	le := binary.LittleEndian
	entries := b[array*g.sectorSize:][:g.entrySize*g.entryCount]
	for i, p := range g.entries {
		e := entries[i*g.entrySize:]
		copy(e, "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4") // Linux file system data
		e[16] = byte(i + 1)
		le.PutUint64(e[32:], p.first)
		le.PutUint64(e[40:], p.last)
		for j, u := range utf16.Encode([]rune(p.name)) {
			le.PutUint16(e[56+2*j:], u)
		}
	}
	h := b[at*g.sectorSize:][:92]
	copy(h, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
	le.PutUint64(h[24:], uint64(at))
	le.PutUint64(h[32:], uint64(other))
	le.PutUint64(h[40:], uint64(2+arraySectors))
	le.PutUint64(h[48:], uint64(g.sectors-2-arraySectors))
	h[56] = 7
	le.PutUint64(h[72:], uint64(array))
	le.PutUint32(h[80:], uint32(g.entryCount))
	le.PutUint32(h[84:], uint32(g.entrySize))
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	reseal(h)
}

// reseal sets a header's checksum right again.
func reseal(h []byte) {
	clear(h[16:20])
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
}
