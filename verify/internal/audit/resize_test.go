package audit_test

// This file damages resize inodes. e2fsck -n mentions it and ends well, unless what pass 1 counts is wrong, too.

import (
	"testing"

	"boringboot/verify/internal/audit"
)

// doubleBlock is the resize inode's double indirect block.
func (l *layout) doubleBlock() int { return int(le.Uint32(l.data[l.inodeAt(7)+0x28+4*13:])) }

// reserved is the first block that is reserved for descriptors.
func (l *layout) reserved() int {
	return l.first + 1 + (l.groups*l.descSize+l.block-1)/l.block
}

func TestResizeInodes(t *testing.T) {
	resize := audit.CodeResizeInode
	setDouble := func(c *canvas, i int, v uint32) { c.write32(c.doubleBlock()*c.block+4*i, v) }
	r := recipeNamed(t, "debian-1k")
	r.name, r.perGroup = "many groups", 2048
	runSystemCases(t, r, []systemCase{
		{"an undamaged one", nothing, "", warns},
		{"entries that are swapped", func(c *canvas) {
			b := c.reserved()
			for i, off := 0, c.doubleBlock()*c.block; i < c.block; i += 4 {
				switch le.Uint32(c.data[off+i:]) {
				case uint32(b):
					c.write32(off+i, uint32(b+1))
				case uint32(b + 1):
					c.write32(off+i, uint32(b))
				}
			}
		}, resize, warns},
		{"an entry that is not in the file system", func(c *canvas) { setDouble(c, c.reserved()-c.first-1, 1<<30) }, audit.CodeMap, fails},
		{"a copy elsewhere", func(c *canvas) { c.write32(c.reserved()*c.block, uint32(c.reserved())) }, resize, warns},
		{"no copy", func(c *canvas) { c.write32(c.reserved()*c.block+4, 0) }, audit.CodeInodeBlocks, fails},
		{"no links", setLinks(7, 0), resize, warns},
		{"no mode", setInode(7, map[int]uint32{0: 0}), audit.CodeInodeBlocks, fails},
		{"a block besides", setInode(7, map[int]uint32{0x28: 33}), audit.CodeInodeBlocks, fails},
		{"no block", setInode(7, map[int]uint32{0x28 + 4*13: 0}), audit.CodeInodeBlocks, fails},
		{"a block that is not in the file system", setInode(7, map[int]uint32{0x28 + 4*13: 1 << 30}), audit.CodeMap, fails},
		{"the feature taken away", changeSuper(compatAt, 0, 0x10), resize, warns},
	})
	runSystemCases(t, recipeNamed(t, "no resize_inode"), []systemCase{
		{"none", nothing, "", warns},
		{"a block", setInode(7, map[int]uint32{0x28: 33}), resize, warns},
	})
	for _, name := range []string{"grown", "shrunk", "bigalloc, 4k", "ext2, 4k", "sparse_super2 with a single copy"} {
		t.Run(name, func(t *testing.T) {
			runSystemCases(t, recipeNamed(t, name), []systemCase{{"undamaged", nothing, "", warns}})
		})
	}
}
