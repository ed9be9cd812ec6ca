package audit

// This file reads quota files: the kernel's vfsv1 format (and vfsv0, which differs in the width of its records), a radix tree over the
// bytes of an id (include/linux/dqblk_qtree.h, fs/quota/quotaio_v2.h).

import (
	"encoding/binary"
	"fmt"
)

const (
	quotaBlockSize  = 1024 // of the tree, whatever the file system's
	quotaTreeRoot   = 1    // the tree's first block; block 0 holds the header
	quotaTreeDepth  = 4    // a byte of the id each
	quotaHeaderSize = 8 + 24
	quotaLeafHeader = 16 // struct qt_disk_dqdbheader
	// maxQuotaFile is the largest quota file that e2fsck reads. It bounds what is kept for each block of one.
	maxQuotaFile = 1 << 31
)

// quotaMagics are the file's first word for users, groups and projects.
var quotaMagics = [3]uint32{0xd9c01f11, 0xd9c01927, 0xd9c03f14}

// quotaRecord is what a quota file says of one id.
type quotaRecord struct {
	id            uint32
	bytes, inodes uint64
}

// quotaTree is an open quota file.
type quotaTree struct {
	// read fills p from the file's bytes at off and returns how many there were. What cannot be read is 0.
	read func(off uint64, p []byte) int

	magicOK bool
	wide    bool                        // vfsv1: limits and counts have 64 bits
	blocks  uint32                      // of the tree, the header included
	seen    [quotaTreeDepth + 1]*bitset // by the level that names them
	buf     [quotaTreeDepth + 1][quotaBlockSize]byte
}

// open reads the header of a file of that many bytes.
func (t *quotaTree) open(size uint64, kind int) error {
	head := t.buf[0][:quotaHeaderSize]
	if n := t.read(0, head); n < 8 {
		return fmt.Errorf("it has no header")
	} else if n < len(head) {
		clear(head[n:])
	}
	magic := binary.LittleEndian.Uint32(head)
	if binary.BigEndian.Uint32(head) == quotaMagics[kind] {
		return fmt.Errorf("its byte order is wrong")
	}
	t.magicOK = magic == quotaMagics[kind]
	switch version := binary.LittleEndian.Uint32(head[4:]); version {
	case 0, 1:
		t.wide = version == 1
	default:
		return fmt.Errorf("its version is %d", version)
	}
	if size < quotaHeaderSize {
		return fmt.Errorf("its header is cut off")
	}
	c := cursor{head[8:]}
	c.skip(12) // grace times, flags
	t.blocks = c.u32()
	freeBlock, freeEntry := c.u32(), c.u32()
	switch {
	case size > maxQuotaFile:
		return fmt.Errorf("it has %d bytes", size)
	case uint64(t.blocks) > (size+quotaBlockSize-1)/quotaBlockSize:
		return fmt.Errorf("it has %d bytes and says that it has %d blocks of %d", size, t.blocks, quotaBlockSize)
	case freeBlock >= t.blocks:
		return fmt.Errorf("the list of its free blocks starts with block %d of %d", freeBlock, t.blocks)
	case freeEntry >= t.blocks:
		return fmt.Errorf("the list of its blocks with free records starts with block %d of %d", freeEntry, t.blocks)
	}
	return nil
}

// walk visits the records. Each block is looked at once at each level, so that no tree of blocks that name each other takes long.
func (t *quotaTree) walk(visit func(quotaRecord)) error {
	for i := range t.seen {
		t.seen[i] = newBitset(uint64(t.blocks))
	}
	return t.walkNode(quotaTreeRoot, 0, visit)
}

func (t *quotaTree) walkNode(block uint32, depth int, visit func(quotaRecord)) error {
	buf := t.block(block, depth)
	for i := 0; i < quotaBlockSize; i += 4 {
		next := binary.LittleEndian.Uint32(buf[i:])
		if next == 0 {
			continue
		}
		if next >= t.blocks {
			return fmt.Errorf("block %d of its tree names block %d of %d", block, next, t.blocks)
		}
		if !t.seen[depth+1].add(uint64(next)) {
			continue
		}
		if depth == quotaTreeDepth-1 {
			t.walkLeaf(next, visit)
		} else if err := t.walkNode(next, depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// walkLeaf visits the records of a block; one that is all zeros is free.
func (t *quotaTree) walkLeaf(block uint32, visit func(quotaRecord)) {
	buf := t.block(block, quotaTreeDepth)
	size := 48
	if t.wide {
		size = 72
	}
	for p := buf[quotaLeafHeader:]; len(p) >= size; p = p[size:] {
		if allZero(p[:size]) {
			continue
		}
		r := quotaRecord{id: binary.LittleEndian.Uint32(p)}
		if t.wide {
			r.inodes, r.bytes = binary.LittleEndian.Uint64(p[24:]), binary.LittleEndian.Uint64(p[48:])
		} else {
			r.inodes, r.bytes = uint64(binary.LittleEndian.Uint32(p[12:])), binary.LittleEndian.Uint64(p[24:])
		}
		visit(r)
	}
}

func (t *quotaTree) block(n uint32, depth int) []byte {
	buf := t.buf[depth][:]
	got := t.read(uint64(n)*quotaBlockSize, buf)
	clear(buf[got:])
	return buf
}
