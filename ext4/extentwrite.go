package ext4

// This file changes extent trees. What is appended goes to the right edge, where the tree grows in depth when it is full. For any
// other change the extents are listed, changed, and packed into a tree again: so no node stays half full or a level too high, which
// e2fsck would complain of.

import (
	"slices"

	"boringboot/ext4/internal/format"
)

// treeNode is a node on the right edge of an extent tree. The root, in the inode, has block 0.
type treeNode struct {
	format.ExtentNode
	block FSBlock
}

// rightEdge is the way from the root to the last leaf, to be changed.
func (tx *Tx) rightEdge(n node) ([]treeNode, error) {
	root := format.ExtentNode(n.IBlock())
	depth := root.Depth()
	if depth > format.MaxTreeDepth {
		return nil, corruptf("inode %d: extent tree: depth %d", n.ino, depth)
	}
	if err := root.Check(depth); err != nil {
		return nil, corruptf("inode %d: extent tree: %w", n.ino, err)
	}
	edge := []treeNode{{root, 0}}
	for ; depth > 0; depth-- {
		last := edge[len(edge)-1]
		if last.Entries() == 0 {
			return nil, corruptf("inode %d: extent tree: an index without entries", n.ino)
		}
		first, child := last.Index(last.Entries() - 1)
		if _, err := tx.extentNode(n, first, child, depth-1); err != nil {
			return nil, err
		}
		block, err := tx.over.Edit(child)
		if err != nil {
			return nil, err
		}
		edge = append(edge, treeNode{block, child})
	}
	return edge, nil
}

// longestExtent is how many blocks the extents that are made here have at most. A written one could have one more, and the kernel's
// have, but readers that take the top bit of the length alone for the mark of an unwritten one (go-ext4-filesystem does) then
// find zeros.
const longestExtent = format.MaxUnwrittenLen

// mapExtent is mapBlocks in an extent tree.
func (tx *Tx) mapExtent(n node, e format.Extent) error {
	for e.Len > 0 {
		edge, err := tx.rightEdge(n)
		if err != nil {
			return err
		}
		leaf := edge[len(edge)-1]
		if k := leaf.Entries(); k > 0 {
			last := leaf.Extent(k - 1)
			if uint64(last.Block)+uint64(last.Len) > uint64(e.Block) {
				return tx.insertExtent(n, e)
			}
			if goesOn(last, e) && last.Len < longestExtent {
				more := min(longestExtent-last.Len, e.Len)
				last.Len += more
				leaf.SetExtent(k-1, last)
				tx.sealNode(n, leaf)
				e = part(e, uint64(e.Block)+uint64(more), mapEnd)
				continue
			}
		}
		piece := part(e, 0, uint64(e.Block)+longestExtent)
		if err := tx.appendExtent(n, edge, piece); err != nil {
			return err
		}
		e = part(e, uint64(e.Block)+longestExtent, mapEnd)
	}
	return nil
}

// insertExtent maps blocks to a hole that is not behind all that a file has.
func (tx *Tx) insertExtent(n node, e format.Extent) error {
	old, err := tx.remapExtents(n, uint64(e.Block), uint64(e.Block)+uint64(e.Len), []format.Extent{e})
	if err == nil && len(old) > 0 {
		err = corruptf("inode %d: extent tree: file block %d is mapped already", n.ino, old[0].Block)
	}
	return err
}

// goesOn tells whether the second of two extents goes on with the first.
func goesOn(a, b format.Extent) bool {
	return a.Unwritten == b.Unwritten && uint64(a.Block)+uint64(a.Len) == uint64(b.Block) && a.Start+FSBlock(a.Len) == b.Start
}

// join makes one extent of two where the second goes on with the first.
func join(a, b format.Extent) (format.Extent, bool) {
	if !goesOn(a, b) || uint64(a.Len)+uint64(b.Len) > longestExtent {
		return a, false
	}
	a.Len += b.Len
	return a, true
}

// appendExtent puts an extent behind the last one.
func (tx *Tx) appendExtent(n node, edge []treeNode, e format.Extent) error {
	leaf := edge[len(edge)-1]
	if leaf.Entries() == leaf.Max() {
		var err error
		if leaf, err = tx.newLeaf(n, edge, e.Block); err != nil {
			return err
		}
	}
	k := leaf.Entries()
	leaf.SetEntries(k + 1)
	leaf.SetExtent(k, e)
	tx.sealNode(n, leaf)
	return nil
}

func (tx *Tx) sealNode(n node, x treeNode) {
	if x.block != 0 && tx.metadataCsum {
		x.SetChecksum(tx.seedOf(n))
	}
}

// newLeaf adds an empty leaf at the right edge, for file blocks from first on: below the lowest node that has room, or below
// a root that has become one level higher.
func (tx *Tx) newLeaf(n node, edge []treeNode, first FileBlock) (treeNode, error) {
	at := len(edge) - 1
	for at >= 0 && edge[at].Entries() == edge[at].Max() {
		at--
	}
	if at < 0 {
		if err := tx.deepen(n, edge[0]); err != nil {
			return treeNode{}, err
		}
		edge, err := tx.rightEdge(n)
		if err != nil {
			return treeNode{}, err
		}
		if last := edge[len(edge)-1]; last.Entries() < last.Max() {
			return last, nil // what the root had does not fill a block
		}
		return tx.newLeaf(n, edge, first)
	}
	up := edge[at]
	for up.Depth() > 0 {
		child, err := tx.newNode(n, up.Depth()-1)
		if err != nil {
			return treeNode{}, err
		}
		k := up.Entries()
		up.SetEntries(k + 1)
		up.SetIndex(k, first, child.block)
		tx.sealNode(n, up)
		up = child
	}
	return up, nil
}

// newNode allocates an empty node.
func (tx *Tx) newNode(n node, depth int) (treeNode, error) {
	b, err := tx.allocMeta(n, tx.homeOf(n))
	if err != nil {
		return treeNode{}, err
	}
	x := treeNode{tx.over.Fresh(b), b}
	x.Init(depth)
	return x, nil
}

// deepen moves what the root has to a new node, which becomes the root's only child.
func (tx *Tx) deepen(n node, root treeNode) error {
	depth := root.Depth()
	if depth == format.MaxTreeDepth {
		return ErrTooLarge
	}
	child, err := tx.newNode(n, depth)
	if err != nil {
		return err
	}
	child.CopyEntries(root.ExtentNode)
	tx.sealNode(n, child)
	first, _ := root.Index(0) // an extent's first field is the same
	root.Init(depth + 1)
	root.SetEntries(1)
	root.SetIndex(0, first, child.block)
	return nil
}

// extentTree is all that an extent tree has: its extents, and its blocks by the depth of the node in them.
type extentTree struct {
	extents []format.Extent
	nodes   [format.MaxTreeDepth][]FSBlock
}

func (tx *Tx) listExtents(n node) (extentTree, error) {
	var t extentTree
	depth := format.ExtentNode(n.IBlock()).Depth()
	err := tx.walkExtents(n, func(e format.Extent) error {
		t.extents = append(t.extents, e)
		return nil
	}, func(b FSBlock) error {
		node, err := tx.over.Block(b)
		if err == nil {
			at := format.ExtentNode(node).Depth()
			t.nodes[at] = append(t.nodes[at], b)
		}
		return err
	})
	if err == nil && depth > format.MaxTreeDepth {
		err = corruptf("inode %d: extent tree: depth %d", n.ino, depth)
	}
	return t, err
}

// remapExtents is remap in an extent tree.
func (tx *Tx) remapExtents(n node, from, end uint64, with []format.Extent) ([]format.Extent, error) {
	t, err := tx.listExtents(n)
	if err != nil {
		return nil, err
	}
	var old, new []format.Extent
	add := func(e format.Extent) {
		if k := len(new); k > 0 {
			if joined, ok := join(new[k-1], e); ok {
				new[k-1] = joined
				return
			}
		}
		new = append(new, e)
	}
	addAll := func(list []format.Extent) {
		for _, e := range list {
			for ; e.Len > longestExtent; e = part(e, uint64(e.Block)+longestExtent, mapEnd) {
				add(part(e, 0, uint64(e.Block)+longestExtent))
			}
			add(e)
		}
	}
	for _, e := range t.extents {
		if before := part(e, 0, from); before.Len > 0 {
			add(before)
		}
		if cut := part(e, from, end); cut.Len > 0 {
			old = append(old, cut)
		}
		if after := part(e, end, mapEnd); after.Len > 0 {
			addAll(with)
			with = nil
			add(after)
		}
	}
	addAll(with)
	if slices.Equal(new, t.extents) {
		return old, nil
	}
	return old, tx.packExtents(n, new, t.nodes)
}

// part is what an extent has within the file blocks from from up to end.
func part(e format.Extent, from, end uint64) format.Extent {
	first, last := uint64(e.Block), uint64(e.Block)+uint64(e.Len)
	from, end = max(first, from), min(last, end)
	if from >= end {
		return format.Extent{}
	}
	e.Start += FSBlock(from - first)
	e.Block, e.Len = FileBlock(from), uint32(end-from)
	return e
}

// packExtents makes a tree of these extents, as low and as narrow as they allow. It uses the blocks of the old one, each for a node
// of the depth that it had, so that what has not changed stays the same; the rest of them it frees.
func (tx *Tx) packExtents(n node, extents []format.Extent, spare [format.MaxTreeDepth][]FSBlock) error {
	root := format.ExtentNode(n.IBlock())
	fits := format.ExtentCapacity(format.IBlockSize)
	perNode := format.ExtentCapacity(tx.blockSize)
	depth, count := 0, len(extents)
	for ; count > fits; depth++ {
		count = (count + perNode - 1) / perNode
	}
	if depth > format.MaxTreeDepth {
		return ErrTooLarge
	}
	put := func(x format.ExtentNode, i, k int) {
		x.SetEntries(k)
		for j, e := range extents[i:][:k] {
			x.SetExtent(j, e)
		}
	}
	type child struct {
		first FileBlock
		block FSBlock
	}
	var children []child
	entries := len(extents)
	for level := range depth {
		var nodes []child
		for i := 0; i < entries; i += perNode {
			x, err := tx.spareNode(n, level, &spare)
			if err != nil {
				return err
			}
			put(x.ExtentNode, i, min(perNode, entries-i))
			nodes = append(nodes, child{x.firstBlock(), x.block})
			tx.sealNode(n, x)
		}
		children, entries = nodes, len(nodes)
		put = func(x format.ExtentNode, i, k int) {
			x.SetEntries(k)
			for j, c := range children[i:][:k] {
				x.SetIndex(j, c.first, c.block)
			}
		}
	}
	root.Init(depth)
	put(root, 0, entries)
	for _, list := range spare {
		for _, b := range list {
			if err := tx.freeMeta(n, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstBlock is the first file block that a node which is not empty covers: the first field of extents and of index entries alike.
func (x treeNode) firstBlock() FileBlock {
	first, _ := x.Index(0)
	return first
}

// spareNode is an empty node in a block that a node of the same depth had, else one that is new.
func (tx *Tx) spareNode(n node, depth int, spare *[format.MaxTreeDepth][]FSBlock) (treeNode, error) {
	list := spare[depth]
	if len(list) == 0 {
		return tx.newNode(n, depth)
	}
	spare[depth] = list[1:]
	block, err := tx.over.Edit(list[0])
	if err != nil {
		return treeNode{}, err
	}
	x := treeNode{block, list[0]}
	x.Init(depth)
	return x, nil
}
