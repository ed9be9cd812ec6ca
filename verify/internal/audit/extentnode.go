package audit

// This file reads the nodes of extent trees: in i_block, and in blocks of their own.

import "encoding/binary"

const (
	extentMagic      = 0xF30A
	extentHeaderSize = 12
	extentEntrySize  = 12      // of extents and of index entries
	extentInitMax    = 1 << 15 // ee_len beyond it means unwritten
	iblockSize       = 60
	extentLevels     = 5  // EXT4_MAX_EXTENT_DEPTH: what the kernel makes
	maxExtentDepth   = 16 // how deep a tree is followed at all
)

// extentNode is the bytes of a node: i_block or a whole block.
type extentNode []byte

func (n extentNode) entries() int { return int(binary.LittleEndian.Uint16(n[2:])) }
func (n extentNode) max() int     { return int(binary.LittleEndian.Uint16(n[4:])) }
func (n extentNode) depth() int   { return int(binary.LittleEndian.Uint16(n[6:])) }

// headerOK says whether the header can be one: the magic, as many entries as there is place for, and room for a tail at most.
func (n extentNode) headerOK() bool {
	room := (len(n) - extentHeaderSize) / extentEntrySize
	return binary.LittleEndian.Uint16(n) == extentMagic && n.entries() <= n.max() && n.max() <= room && n.max() >= room-2
}

// checksum computes what the tail of a block, behind the last possible entry, has to say. The header was found possible.
func (n extentNode) checksum(seed uint32) (sum uint32, tail []byte) {
	end := extentHeaderSize + n.max()*extentEntrySize
	return crc32c(seed, n[:end]), n[end:]
}

// checksumOK compares et_checksum.
func (n extentNode) checksumOK(s *super, in *inode) bool {
	if !s.metadataCsum {
		return true
	}
	sum, tail := n.checksum(s.inodeSeed(in.ino, in.Generation))
	return len(tail) >= 4 && binary.LittleEndian.Uint32(tail) == sum
}

func (n extentNode) entry(i int) []byte {
	return n[extentHeaderSize+i*extentEntrySize:][:extentEntrySize]
}

// first returns the first logical block of entry i, of either kind.
func (n extentNode) first(i int) uint64 { return uint64(binary.LittleEndian.Uint32(n.entry(i))) }

// extent returns entry i of a leaf.
func (n extentNode) extent(i int) run {
	e := n.entry(i)
	r := run{
		logical:  uint64(binary.LittleEndian.Uint32(e)),
		length:   uint64(binary.LittleEndian.Uint16(e[4:])),
		physical: wide(binary.LittleEndian.Uint32(e[8:]), uint32(binary.LittleEndian.Uint16(e[6:]))),
	}
	if r.length > extentInitMax {
		r.length -= extentInitMax
		r.unwritten = true
	}
	return r
}

// child returns the block that entry i of an index node points to.
func (n extentNode) child(i int) uint64 {
	e := n.entry(i)
	return wide(binary.LittleEndian.Uint32(e[4:]), uint32(binary.LittleEndian.Uint16(e[8:])))
}
