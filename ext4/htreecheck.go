package ext4

// This file looks at a whole index, but not at the leaves, before a hashed directory is changed: every block of the directory is
// in it once, and hashes ascend. A leaf that were in it twice, or in the wrong place, would take names that nobody finds.

import (
	"boringboot/ext4/internal/format"
)

// indexCheck walks an index. It ends on every input: no block is read twice.
type indexCheck struct {
	v      *view
	dir    node
	blocks FileBlock
	seen   map[FileBlock]bool
}

// vetIndex looks at the index of a directory that has so many blocks.
func (v *view) vetIndex(dir node, blocks FileBlock) error {
	_, data, _, err := v.dirBlock(dir, 0)
	if err != nil {
		return err
	}
	root, err := format.DXRoot(data, v.metadataCsum)
	if err != nil {
		return corruptf("inode %d: directory block 0: %w", dir.ino, err)
	}
	levels := int(format.DXLevels.Get(data))
	if levels > v.maxIndexLevels() {
		return corruptf("inode %d: directory index of %d levels", dir.ino, levels)
	}
	c := indexCheck{v: v, dir: dir, blocks: blocks, seen: map[FileBlock]bool{0: true}}
	if err := c.node(dxFrame{fb: 0, node: root}, levels, 0, 1<<32); err != nil {
		return err
	}
	if uint64(len(c.seen)) != uint64(blocks) {
		return corruptf("inode %d: the directory index has %d blocks of %d", dir.ino, len(c.seen), blocks)
	}
	return nil
}

// node looks at a node of the hashes from lo to hi, the end excluded, with so many levels of nodes below it.
func (c *indexCheck) node(f dxFrame, levels int, lo, hi uint64) error {
	for i := range f.node.Count() {
		from, to := lo, hi
		if i > 0 {
			from = uint64(f.node.Hash(i) &^ 1)
		}
		if i+1 < f.node.Count() {
			to = hashEnd(f.node.Hash(i + 1))
		}
		child := f.node.Block(i)
		switch {
		case from < lo || from >= to || to > hi:
			return corruptf("inode %d: directory block %d: index entry %d is of hashes %#x to %#x in a node of %#x to %#x", c.dir.ino, f.fb, i, from, to, lo, hi)
		case child >= c.blocks:
			return corruptf("inode %d: directory block %d: index entry %d leads to block %d of %d", c.dir.ino, f.fb, i, child, c.blocks)
		case c.seen[child]:
			return corruptf("inode %d: directory block %d: index entry %d leads to block %d, which is in the index already", c.dir.ino, f.fb, i, child)
		}
		c.seen[child] = true
		if levels == 0 {
			continue
		}
		below, err := c.v.indexNode(c.dir, child)
		if err != nil {
			return err
		}
		if err := c.node(below, levels-1, from, to); err != nil {
			return err
		}
	}
	return nil
}

// hashEnd is where the hashes end that come before an index entry's, which with its lowest bit set goes on with the last one.
func hashEnd(next uint32) uint64 { return uint64(next&^1) + uint64(next&1) }

// eachLeaf calls visit for the leaf where a name belongs and those that continue its hash, until it says stop.
func (v *view) eachLeaf(n node, name string, visit func(frames []dxFrame, fb FileBlock) (stop bool, err error)) error {
	frames, hash, err := v.probe(n, name)
	if err != nil {
		return err
	}
	for seen := map[FileBlock]bool(nil); ; {
		fb := leafOf(frames)
		if seen[fb] {
			return corruptf("inode %d: the directory index runs in a circle", n.ino)
		}
		if stop, err := visit(frames, fb); stop || err != nil {
			return err
		}
		if more, err := v.next(n, frames, hash); err != nil || !more {
			return err
		}
		if seen == nil {
			seen = map[FileBlock]bool{}
		}
		seen[fb] = true
	}
}
