package audit_test

// This file damages extent trees by hand, in the inode and in blocks.

import (
	"testing"

	"boringboot/verify/internal/audit"
)

// inNode changes bytes of the n-th block of an inode's map, and makes its checksum right.
func inNode(n, off int, b ...byte) func(c *canvas, ino int) {
	return func(c *canvas, ino int) {
		nodes, _ := c.mapOf(ino)
		c.write(nodes[n].block*c.block+off, b)
		sealExtents(ino, nodes[n].block)(c)
	}
}

func inNode16(n, off int, v uint16) func(c *canvas, ino int) {
	return inNode(n, off, le.AppendUint16(nil, v)...)
}

func inNode32(n, off int, v uint32) func(c *canvas, ino int) {
	return inNode(n, off, le.AppendUint32(nil, v)...)
}

// Offsets in a node, and in entry i of it.
const (
	entriesAt = 2
	maxAt     = 4
	depthAt   = 6
)

func entryAt(i int) int { return 12 + 12*i }

func TestExtentTrees(t *testing.T) {
	const root = iblockAt
	runInodeCases(t, "modern-1k", []inodeCase{
		{name: "the header's magic", file: "medium", damage: put16(root, 0), code: audit.CodeMap, sev: fails},
		{name: "more entries than the header allows", file: "medium", damage: put16(root+entriesAt, 5), code: audit.CodeMap, sev: fails},
		{name: "fewer places than there are", file: "medium", damage: put16(root+maxAt, 3)},
		{name: "too few places", file: "medium", damage: put16(root+maxAt, 1), code: audit.CodeMap, sev: fails},
		{name: "too many places", file: "medium", damage: put16(root+maxAt, 5), code: audit.CodeMap, sev: fails},
		{name: "extents said to be index entries", file: "medium", damage: put16(root+depthAt, 1), code: audit.CodeMap, sev: fails},
		{name: "a depth without measure", file: "medium", damage: put16(root+depthAt, 0xFFFF), code: audit.CodeMap, sev: fails},
		{name: "eh_generation, which nobody reads", file: "medium", damage: put32(root+8, 7)},
		{name: "an extent of no blocks", file: "medium", damage: put16(root+entryAt(0)+4, 0), code: audit.CodeMap, sev: fails},
		{name: "an extent that is unwritten", file: "medium", damage: put16(root+entryAt(0)+4, 0x8004)},
		{name: "an extent of a block too much", file: "medium", damage: put16(root+entryAt(0)+4, 5), code: audit.CodeInodeBlocks, sev: fails},
		{name: "an extent from block 0 on", file: "medium", damage: put32(root+entryAt(0)+8, 0), code: audit.CodeMap, sev: fails},
		{name: "an extent beyond the end", file: "medium", damage: put16(root+entryAt(0)+6, 1), code: audit.CodeMap, sev: fails},
		{name: "an extent across the end", file: "medium", damage: func(c *canvas, ino int) {
			put32(root+entryAt(0)+8, le.Uint32(c.data[superAt+4:])-1)(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "extents out of order", file: "prealloc", damage: put32(root+entryAt(0), 1000), code: audit.CodeMap, sev: fails},
		{name: "extents that overlap", file: "prealloc", damage: put32(root+entryAt(1), 2), code: audit.CodeMap, sev: fails},
		{name: "a directory with a hole", file: "empty-dir", damage: put32(root+entryAt(0), 1), code: audit.CodeMap, sev: fails},
		{name: "a directory that is unwritten", file: "empty-dir", damage: put16(root+entryAt(0)+4, 0x8001), code: audit.CodeMap, sev: fails},
		{name: "a directory without blocks", file: "empty-dir", damage: both(put16(root+entriesAt, 0), put32(blocksAt, 0)),
			code: audit.CodeInodeSize, sev: fails},
		{name: "a directory too large", file: "empty-dir", damage: put32(root+entryAt(0), 3<<20), code: audit.CodeMap, sev: fails},

		{name: "a node's magic", file: "many-extents", damage: inNode16(0, 0, 0), code: audit.CodeMap, sev: fails},
		{name: "a node's places", file: "many-extents", damage: inNode16(0, maxAt, 85), code: audit.CodeMap, sev: fails},
		{name: "an empty node", file: "many-extents", damage: inNode16(0, entriesAt, 0), code: audit.CodeMap, sev: fails},
		{name: "a node's depth, which e2fsck does not read", file: "many-extents", damage: inNode16(0, depthAt, 1), code: audit.CodeMap, sev: audit.Error, stricter: true},
		{name: "a node's checksum", file: "many-extents", damage: func(c *canvas, ino int) {
			nodes, _ := c.mapOf(ino)
			c.write32(nodes[0].block*c.block+1020, 7)
		}, code: audit.CodeMapChecksum, sev: fails},
		{name: "bytes behind the last entry count in the checksum", file: "many-extents", damage: func(c *canvas, ino int) {
			nodes, _ := c.mapOf(ino)
			last := nodes[len(nodes)-1].block * c.block
			c.write(last+1019, []byte{c.data[last+1019] + 1})
		}, code: audit.CodeMapChecksum, sev: fails},
		{name: "a node that starts elsewhere than its entry says", file: "many-extents", damage: put32(root+entryAt(1), 165), code: audit.CodeMap, sev: fails},
		{name: "an extent beyond its node", file: "many-extents", damage: func(c *canvas, ino int) {
			nodes, _ := c.mapOf(ino)
			n := int(le.Uint16(c.at(nodes[0].block)[entriesAt:]))
			inNode16(0, entryAt(n-1)+4, 9)(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "extents of a node out of order", file: "many-extents", damage: inNode32(0, entryAt(3), 1), code: audit.CodeMap, sev: fails},
		{name: "two entries for one node", file: "many-extents", damage: func(c *canvas, ino int) {
			put32(root+entryAt(1)+4, le.Uint32(c.data[c.inodeAt(ino)+root+entryAt(0)+4:]))(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "a node in the inode table", file: "many-extents", damage: func(c *canvas, ino int) {
			put32(root+entryAt(0)+4, uint32(c.place(0, 8)))(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "a node that is its own child", file: "many-extents", damage: func(c *canvas, ino int) {
			nodes, _ := c.mapOf(ino)
			both(put16(root+depthAt, 2), inNode32(0, entryAt(0)+4, uint32(nodes[0].block)), inNode16(0, entryAt(0)+8, 0))(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "a tree that could be narrower", file: "many-extents", damage: func(c *canvas, ino int) {
			// The second node keeps its first extent only.
			nodes, _ := c.mapOf(ino)
			n := le.Uint16(c.at(nodes[1].block)[entriesAt:])
			inNode16(1, entriesAt, 1)(c, ino)
			lost := uint32(n-1) * 2
			put32(blocksAt, le.Uint32(c.data[c.inodeAt(ino)+blocksAt:])-lost)(c, ino)
		}, code: audit.CodeBlockBitmap, sev: fails, object: func(c *canvas, ino int) audit.Object {
			nodes, data := c.mapOf(ino)
			lost := data[int(le.Uint16(c.at(nodes[0].block)[entriesAt:]))+1].block
			return audit.Object{Kind: audit.Group, Number: uint64((lost - c.first) / c.perGroup)}
		}},
	})
}

func TestExtentsInClusters(t *testing.T) {
	const root = iblockAt
	runInodeCases(t, "bigalloc, 1k", []inodeCase{
		{name: "nothing", file: "medium", damage: func(*canvas, int) {}},
		{name: "a block at another place of its cluster", file: "medium", damage: func(c *canvas, ino int) {
			at := c.inodeAt(ino) + root + entryAt(0) + 8
			put32(root+entryAt(0)+8, le.Uint32(c.data[at:])+1)(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "a map by blocks", file: "small", damage: func(c *canvas, ino int) {
			_, data := c.mapOf(ino)
			both(flag(0, 0x80000), zero(root, 60), put32(root, uint32(data[0].block)))(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "i_blocks in blocks, and not in clusters", file: "small", damage: put32(blocksAt, 2), code: audit.CodeInodeBlocks, sev: fails},
	})
}
