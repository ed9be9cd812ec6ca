package audit_test

// This file makes checksums right again after damage, so that what e2fsck finds is the damage itself.

import (
	"bytes"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc goes on with a raw CRC-32C, as ext4 has it: neither inverted before nor after.
func crc(seed uint32, b []byte) uint32 { return ^crc32.Update(^seed, castagnoli, b) }

// crc16 is the checksum of descriptors without metadata_csum.
func crc16(sum uint16, b []byte) uint16 {
	for _, x := range b {
		sum ^= uint16(x)
		for range 8 {
			if sum&1 != 0 {
				sum = sum>>1 ^ 0xA001
			} else {
				sum >>= 1
			}
		}
	}
	return sum
}

// canvas is an image that damage is done to, and what it takes to undo it.
type canvas struct {
	*layout
	undo []patch
}

type patch struct {
	at  int
	old []byte
}

func (c *canvas) write(at int, b []byte) {
	if bytes.Equal(c.data[at:][:len(b)], b) {
		return
	}
	c.undo = append(c.undo, patch{at, bytes.Clone(c.data[at:][:len(b)])})
	copy(c.data[at:], b)
}

func (c *canvas) write16(at int, v uint16) { c.write(at, le.AppendUint16(nil, v)) }
func (c *canvas) write32(at int, v uint32) { c.write(at, le.AppendUint32(nil, v)) }

// seal makes one checksum right, or several that depend on each other.
type seal func(c *canvas)

func sealSuper(at int) seal {
	return func(c *canvas) {
		if c.summed {
			c.write32(at+1020, crc(^uint32(0), c.data[at:at+1020]))
		}
	}
}

func sealDescriptor(g int) seal {
	return func(c *canvas) {
		at := c.descriptor(g)
		number := le.AppendUint32(nil, uint32(g))
		d := bytes.Clone(c.data[at:][:c.descSize])
		switch {
		case c.summed:
			d[0x1E], d[0x1F] = 0, 0
			c.write16(at+0x1E, uint16(crc(crc(c.seed, number), d)))
		case c.gdtSummed:
			sum := crc16(crc16(0xFFFF, c.data[superAt+0x68:][:16]), number)
			sum = crc16(sum, d[:0x1E])
			if c.descSize > 32 {
				sum = crc16(sum, d[0x20:])
			}
			c.write16(at+0x1E, sum)
		}
	}
}

// sealBitmap takes 0x18 for the block bitmap, 0x1A for the inode bitmap.
func sealBitmap(g, field int) seal {
	return func(c *canvas) {
		if !c.summed {
			return
		}
		size, place := c.perGroup/c.ratio/8, 0
		if field == 0x1A {
			size, place = c.inodesPerGroup/8, 4
		}
		sum := crc(c.seed, c.at(c.place(g, place))[:size])
		at := c.descriptor(g)
		c.write16(at+field, uint16(sum))
		if c.descSize >= 64 {
			c.write16(at+field+0x20, uint16(sum>>16))
		}
		sealDescriptor(g)(c)
	}
}

func sealInode(ino int) seal {
	return func(c *canvas) {
		if !c.summed {
			return
		}
		at := c.inodeAt(ino)
		in := bytes.Clone(c.data[at:][:c.inodeSize])
		in[0x7C], in[0x7D] = 0, 0
		high := c.inodeSize > 128 && le.Uint16(in[0x80:]) >= 4
		if high {
			in[0x82], in[0x83] = 0, 0
		}
		sum := crc(c.inodeSeed(ino), in)
		c.write16(at+0x7C, uint16(sum))
		if high {
			c.write16(at+0x82, uint16(sum>>16))
		}
	}
}

func sealExtents(ino, block int) seal {
	return func(c *canvas) {
		size := 12 + 12*int(le.Uint16(c.at(block)[4:]))
		if c.summed && size+4 <= c.block {
			c.write32(block*c.block+size, crc(c.inodeSeed(ino), c.at(block)[:size]))
		}
	}
}

func sealLeaf(ino, block int) seal {
	return func(c *canvas) {
		if c.summed {
			c.write32((block+1)*c.block-4, crc(c.inodeSeed(ino), c.at(block)[:c.block-12]))
		}
	}
}

// sealIndex seals a block of a hash tree whose entries begin at from.
func sealIndex(ino, block, from int) seal {
	return func(c *canvas) {
		b := c.at(block)
		limit, count := int(le.Uint16(b[from:])), int(le.Uint16(b[from+2:]))
		tail := from + 8*limit
		if !c.summed || tail+8 > c.block || count > limit {
			return
		}
		sum := crc(c.inodeSeed(ino), b[:from+8*count])
		sum = crc(crc(sum, b[tail:tail+4]), make([]byte, 4))
		c.write32(block*c.block+tail+4, sum)
	}
}

func sealAttributes(block int) seal {
	return func(c *canvas) {
		if !c.summed {
			return
		}
		b := bytes.Clone(c.at(block))
		clear(b[0x10:0x14])
		c.write32(block*c.block+0x10, crc(crc(c.seed, le.AppendUint64(nil, uint64(block))), b))
	}
}

// sealJournal seals the journal's superblock, whose numbers are big-endian.
func sealJournal(block int) seal {
	return func(c *canvas) {
		b := bytes.Clone(c.at(block)[:1024])
		if be.Uint32(b[0x28:])&0x18 == 0 { // checksums of version 2 or 3
			return
		}
		clear(b[0xFC:0x100])
		c.write(block*c.block+0xFC, be.AppendUint32(nil, crc(^uint32(0), b)))
	}
}

func sealOrphans(ino, block int) seal {
	return func(c *canvas) {
		if c.summed {
			sum := crc(c.inodeSeed(ino), le.AppendUint64(nil, uint64(block)))
			c.write32((block+1)*c.block-4, crc(sum, c.at(block)[:c.block-8]))
		}
	}
}

func sealMMP(block int) seal {
	return func(c *canvas) {
		if c.summed {
			c.write32(block*c.block+1020, crc(c.seed, c.at(block)[:1020]))
		}
	}
}

// sealHash makes the hash of an attribute right that has its value beside it. An entry's value is at base plus its offset. In inodes
// the hash is 0.
func sealHash(entry, base int) seal {
	return func(c *canvas) {
		e := c.data[entry:]
		name, size, off := int(e[0]), int(le.Uint32(e[8:])), int(le.Uint16(e[2:]))
		if le.Uint32(e[4:]) != 0 || le.Uint32(e[12:]) == 0 || base+off+(size+3)&^3 > len(c.data) || size > c.block || size < 0 {
			return
		}
		var hash uint32
		for _, x := range e[16 : 16+name] {
			hash = hash<<5 ^ hash>>27 ^ uint32(x)
		}
		for i := 0; i < size; i += 4 {
			hash = hash<<16 ^ hash>>16 ^ le.Uint32(c.data[base+off+i:])
		}
		c.write32(entry+12, hash)
	}
}
