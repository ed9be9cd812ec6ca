package format

// This file is a node of a hashed directory's index. The root is block 0: "." and "..", then 8 bytes of information, then
// entries; another node is one free entry that spans the block, then entries. The first entry's hash is taken by limit and
// count, and with metadata_csum the last 8 bytes hold a checksum (kernel: struct dx_root, dx_node, dx_entry, dx_tail).

import "fmt"

const (
	dxInfo         = 24 // offset of struct dx_root_info in the root
	dxReserved U32 = dxInfo + 0
	DXHashVer  U8  = dxInfo + 4
	dxInfoLen  U8  = dxInfo + 5
	DXLevels   U8  = dxInfo + 6 // levels of nodes below the root
	dxUnused   U8  = dxInfo + 7

	dxRootEntries = dxInfo + 8
	dxNodeEntries = 8
	dxEntrySize   = 8
	dxTailSize    = 8
	minBlock      = 1024       // bytes, the smallest block there is
	dxBlockMask   = 0x0FFFFFFF // the high bits of a block number are reserved

	dxLimit U16 = 0
	dxCount U16 = 2
)

// DXNode is a view of the entries of a root or another node.
type DXNode struct {
	block []byte
	start int // of the entries
	csum  bool
}

// DXRoot checks that block is an index's root and gives its entries.
func DXRoot(block []byte, csum bool) (DXNode, error) {
	if len(block) < minBlock {
		return DXNode{}, fmt.Errorf("a block of %d bytes", len(block))
	}
	b := DirBlock(block)
	dot, err := b.At(0)
	if err != nil {
		return DXNode{}, err
	}
	if dot.RecLen != 12 || string(dot.Name) != "." {
		return DXNode{}, fmt.Errorf("index root does not begin with \".\"")
	}
	dotdot, err := b.At(12)
	if err != nil {
		return DXNode{}, err
	}
	if string(dotdot.Name) != ".." || dotdot.RecLen != len(block)-12 {
		return DXNode{}, fmt.Errorf("index root has no \"..\" that spans the block")
	}
	if dxReserved.Get(block) != 0 || dxInfoLen.Get(block) != 8 || dxUnused.Get(block)&1 != 0 {
		return DXNode{}, fmt.Errorf("index root's information is not of a known kind (length %d, flags %#x)",
			dxInfoLen.Get(block), dxUnused.Get(block))
	}
	n := DXNode{block: block, start: dxRootEntries, csum: csum}
	return n, n.check()
}

// DXInner checks that block is a node below the root and gives its entries.
func DXInner(block []byte, csum bool) (DXNode, error) {
	if len(block) < minBlock {
		return DXNode{}, fmt.Errorf("a block of %d bytes", len(block))
	}
	d, err := DirBlock(block).At(0)
	if err != nil {
		return DXNode{}, err
	}
	if d.Ino != 0 || d.RecLen != len(block) || len(d.Name) != 0 {
		return DXNode{}, fmt.Errorf("index node does not begin with a free entry that spans the block")
	}
	n := DXNode{block: block, start: dxNodeEntries, csum: csum}
	return n, n.check()
}

// InitDXRoot writes the information and an empty list of entries behind "." and "..", which must be there.
func InitDXRoot(block []byte, csum bool, hashVersion uint8) DXNode {
	clear(block[dxInfo:])
	DirBlock(block).SetRecLen(12, len(block)-12)
	DXHashVer.Set(block, hashVersion)
	dxInfoLen.Set(block, 8)
	n := DXNode{block: block, start: dxRootEntries, csum: csum}
	n.initEntries()
	return n
}

// InitDXInner makes block an empty node.
func InitDXInner(block []byte, csum bool) DXNode {
	clear(block)
	DirBlock(block).SetRecLen(0, len(block))
	n := DXNode{block: block, start: dxNodeEntries, csum: csum}
	n.initEntries()
	return n
}

func (n DXNode) capacity() int {
	size := len(n.block) - n.start
	if n.csum {
		size -= dxTailSize
	}
	return size / dxEntrySize
}

func (n DXNode) initEntries() {
	dxLimit.Set(n.block[n.start:], uint16(n.capacity()))
	dxCount.Set(n.block[n.start:], 0)
}

func (n DXNode) check() error {
	if n.Limit() != n.capacity() {
		return fmt.Errorf("index node's limit is %d, not %d", n.Limit(), n.capacity())
	}
	if n.Count() == 0 || n.Count() > n.Limit() {
		return fmt.Errorf("index node has %d entries of %d", n.Count(), n.Limit())
	}
	return nil
}

func (n DXNode) Limit() int { return int(dxLimit.Get(n.block[n.start:])) }
func (n DXNode) Count() int { return int(dxCount.Get(n.block[n.start:])) }
func (n DXNode) Full() bool { return n.Count() >= n.Limit() }

func (n DXNode) at(i int) []byte { return n.block[n.start+i*dxEntrySize:] }

// Hash of entry i; the first entry has none and stands for 0.
func (n DXNode) Hash(i int) uint32 {
	if i == 0 {
		return 0
	}
	return U32(0).Get(n.at(i))
}

func (n DXNode) Block(i int) FileBlock { return FileBlock(U32(4).Get(n.at(i)) & dxBlockMask) }

// Find is the last entry whose hash is not above hash.
func (n DXNode) Find(hash uint32) int {
	lo, hi := 1, n.Count()
	for lo < hi {
		mid := (lo + hi) / 2
		if n.Hash(mid) > hash {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo - 1
}

// Insert puts an entry at position i, which is not 0 unless the node is empty, and there must be room.
func (n DXNode) Insert(i int, hash uint32, block FileBlock) {
	count := n.Count()
	if i < count {
		copy(n.block[n.start+(i+1)*dxEntrySize:n.start+(count+1)*dxEntrySize], n.block[n.start+i*dxEntrySize:])
	}
	if i > 0 {
		U32(0).Set(n.at(i), hash)
	}
	U32(4).Set(n.at(i), uint32(block))
	dxCount.Set(n.block[n.start:], uint16(count+1))
}

// Truncate keeps the first count entries.
func (n DXNode) Truncate(count int) {
	from := max(count*dxEntrySize, int(dxCount)+2) // limit and count stay
	clear(n.block[n.start+from : n.start+n.Count()*dxEntrySize])
	dxCount.Set(n.block[n.start:], uint16(count))
}

// Slack is what no entry has, behind the last one.
func (n DXNode) Slack() []byte {
	return n.block[n.start+n.Count()*dxEntrySize : n.start+n.Limit()*dxEntrySize]
}

// HashVersion is a root's hash function.
func (n DXNode) HashVersion() uint8 { return DXHashVer.Get(n.block) }

// AddLevel counts one more level of nodes below the root.
func (n DXNode) AddLevel() { DXLevels.Set(n.block, DXLevels.Get(n.block)+1) }
