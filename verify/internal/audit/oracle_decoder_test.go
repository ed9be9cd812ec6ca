package audit_test

// This file reads as much of an undamaged image as it takes to find what can be damaged.

import (
	"encoding/binary"
	"slices"
)

var le, be = binary.LittleEndian, binary.BigEndian

// layout is an image and where its structures are.
type layout struct {
	data                      []byte
	block                     int
	inodeSize, descSize       int
	first, ratio              int // blocks
	perGroup, inodesPerGroup  int // blocks, inodes
	groups                    int
	firstIno                  int
	compat, incompat, ro      uint32
	seed                      uint32
	journal, orphans          int // inodes; 0: none
	quotas                    []int
	mmp                       int // block; 0: none
	firstMeta                 int
	backups                   [2]int
	summed, gdtSummed, bits64 bool
}

const superAt = 1024

func layoutOf(data []byte) *layout {
	sb := data[superAt:][:1024]
	u16 := func(at int) int { return int(le.Uint16(sb[at:])) }
	u32 := func(at int) int { return int(le.Uint32(sb[at:])) }
	l := &layout{data: data, block: 1024 << u32(0x18), first: u32(0x14), perGroup: u32(0x20), inodesPerGroup: u32(0x28),
		inodeSize: 128, descSize: 32, firstIno: 11, ratio: 1, firstMeta: 1 << 30}
	if u32(0x4C) > 0 {
		l.firstIno, l.inodeSize = u32(0x54), u16(0x58)
		l.compat, l.incompat, l.ro = le.Uint32(sb[0x5C:]), le.Uint32(sb[0x60:]), le.Uint32(sb[0x64:])
	}
	l.summed, l.gdtSummed, l.bits64 = l.ro&0x400 != 0, l.ro&0x10 != 0, l.incompat&0x80 != 0
	if l.bits64 {
		l.descSize = u16(0xFE)
	}
	if l.ro&0x200 != 0 {
		l.ratio = 1 << (u32(0x1C) - u32(0x18))
	}
	l.groups = (u32(4) - l.first + l.perGroup - 1) / l.perGroup
	if l.compat&4 != 0 {
		l.journal = u32(0xE0)
	}
	if l.compat&0x1000 != 0 {
		l.orphans = u32(0x280)
	}
	if l.ro&0x100 != 0 {
		for _, at := range []int{0x240, 0x244, 0x26C} {
			if ino := u32(at); ino != 0 {
				l.quotas = append(l.quotas, ino)
			}
		}
	}
	if l.incompat&0x100 != 0 {
		l.mmp = u32(0x168)
	}
	if l.incompat&0x10 != 0 {
		l.firstMeta = u32(0x104)
	}
	l.backups = [2]int{u32(0x24C), u32(0x250)}
	l.seed = crc(^uint32(0), sb[0x68:0x78])
	if l.incompat&0x2000 != 0 {
		l.seed = le.Uint32(sb[0x270:])
	}
	return l
}

func (l *layout) at(block int) []byte { return l.data[block*l.block:][:l.block] }

// hasSuper says whether a group begins with a copy of the superblock.
func (l *layout) hasSuper(g int) bool {
	switch {
	case g == 0:
		return true
	case l.compat&0x200 != 0:
		return g == l.backups[0] || g == l.backups[1]
	case l.ro&1 == 0 || g == 1:
		return true
	}
	for _, p := range []int{3, 5, 7} {
		n := g
		for n%p == 0 {
			n /= p
		}
		if n == 1 {
			return true
		}
	}
	return false
}

// descriptor is the offset of a group's descriptor.
func (l *layout) descriptor(g int) int {
	perBlock := l.block / l.descSize
	n := g / perBlock
	block := 1024/l.block + 1 + n
	if n >= l.firstMeta {
		g0 := n * perBlock
		block = l.first + g0*l.perGroup
		if l.hasSuper(g0) {
			block++
		}
		if g0 == 0 && l.first == 0 && l.block == 1024 {
			block++
		}
	}
	return block*l.block + g%perBlock*l.descSize
}

// place is one of the three blocks that a descriptor points to: 0 block bitmap, 4 inode bitmap, 8 inode table.
func (l *layout) place(g, field int) int { return int(le.Uint32(l.data[l.descriptor(g)+field:])) }

func (l *layout) descFlags(g int) uint16 { return le.Uint16(l.data[l.descriptor(g)+0x12:]) }

func (l *layout) inodeAt(ino int) int {
	g, n := (ino-1)/l.inodesPerGroup, (ino-1)%l.inodesPerGroup
	return l.place(g, 8)*l.block + n*l.inodeSize
}

// inodes are those in use, and all reserved ones.
func (l *layout) inodes() []int {
	var list []int
	for g := range l.groups {
		if (l.summed || l.gdtSummed) && l.descFlags(g)&1 != 0 {
			continue
		}
		bitmap := l.at(l.place(g, 4))
		for n := range l.inodesPerGroup {
			if bitmap[n/8]>>(n%8)&1 != 0 {
				list = append(list, g*l.inodesPerGroup+n+1)
			}
		}
	}
	return list
}

// node is a block of an inode's map.
type node struct {
	block, level int // level 0: its entries point to data
}

// fileBlock is a block of data.
type fileBlock struct{ logical, block int }

// mapOf follows an inode's map. The nodes' levels are those above the data.
func (l *layout) mapOf(ino int) (nodes []node, data []fileBlock) {
	in := l.data[l.inodeAt(ino):]
	mode, flags := le.Uint16(in), le.Uint32(in[0x20:])
	switch {
	case flags&0x10000000 != 0: // inline
	case flags&0x80000 != 0:
		var walk func(b []byte)
		walk = func(b []byte) {
			n, depth := int(le.Uint16(b[2:])), int(le.Uint16(b[6:]))
			for i := range n {
				e := b[12+12*i:]
				if depth > 0 {
					child := int(le.Uint32(e[4:]))
					nodes = append(nodes, node{child, depth - 1})
					walk(l.at(child))
					continue
				}
				length := int(le.Uint16(e[4:]))
				if length > 32768 {
					length -= 32768
				}
				for k := range length {
					data = append(data, fileBlock{int(le.Uint32(e)) + k, int(le.Uint32(e[8:])) + k})
				}
			}
		}
		walk(in[0x28:])
	case mode>>12 == 0xA && le.Uint32(in[4:]) < 60, mode>>12 != 4 && mode>>12 != 8 && mode>>12 != 0xA && mode != 0: // target, device
	default:
		logical, per := 0, l.block/4
		var walk func(p, level int)
		walk = func(p, level int) {
			span := 1
			for range level {
				span *= per
			}
			if p == 0 {
				logical += span
				return
			}
			if level == 0 {
				data = append(data, fileBlock{logical, p})
				logical++
				return
			}
			nodes = append(nodes, node{p, level - 1})
			for i := range per {
				walk(int(le.Uint32(l.at(p)[4*i:])), level-1)
			}
		}
		for i := range 15 {
			walk(int(le.Uint32(in[0x28+4*i:])), max(0, i-11))
		}
	}
	return nodes, data
}

// inodeSeed begins the checksums of what belongs to an inode.
func (l *layout) inodeSeed(ino int) uint32 {
	in := l.data[l.inodeAt(ino):]
	return crc(crc(l.seed, le.AppendUint32(nil, uint32(ino))), in[0x64:0x68])
}

// entries are the offsets of a directory block's entries; what they must not run into is end.
func entriesOf(b []byte, from, end int) []int {
	var list []int
	for at := from; at+8 <= end; {
		list = append(list, at)
		size := recLen(b, at)
		if size < 8 {
			break
		}
		at += size
	}
	return list
}

func recLen(b []byte, at int) int {
	n := int(le.Uint16(b[at+4:]))
	if n == 65535 || n == 0 {
		return 65536
	}
	return n&0xFFFC | n&3<<16
}

// indexBlocks says which blocks of a directory's file hold an index, and for each where its entries begin.
func (l *layout) indexBlocks(ino int) map[int]int {
	in := l.data[l.inodeAt(ino):]
	if le.Uint32(in[0x20:])&0x1000 == 0 {
		return nil
	}
	_, data := l.mapOf(ino)
	block := func(logical int) []byte {
		i := slices.IndexFunc(data, func(b fileBlock) bool { return b.logical == logical })
		return l.at(data[i].block)
	}
	root := block(0)
	index := map[int]int{0: 0x20}
	var walk func(b []byte, from, levels int)
	walk = func(b []byte, from, levels int) {
		if levels == 0 {
			return
		}
		for i := range int(le.Uint16(b[from+2:])) {
			child := int(le.Uint32(b[from+8*i+4:]) & 0xFFFFFFF)
			index[child] = 8
			walk(block(child), 8, levels-1)
		}
	}
	walk(root, 0x20, int(root[0x1E]))
	return index
}
