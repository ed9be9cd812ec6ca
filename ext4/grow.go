package ext4

// This file appends blocks to a file: extents at the right edge of the tree, which grows in depth when it is full.

import (
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
		_, child := last.Index(last.Entries() - 1)
		if _, err := tx.extentNode(n, child, depth-1); err != nil {
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

// appendExtent maps blocks behind all that a file has. The inode is sealed by the caller.
func (tx *Tx) appendExtent(n node, e format.Extent) error {
	edge, err := tx.rightEdge(n)
	if err != nil {
		return err
	}
	leaf := edge[len(edge)-1]
	if k := leaf.Entries(); k > 0 {
		last := leaf.Extent(k - 1)
		if uint64(last.Block)+uint64(last.Len) > uint64(e.Block) {
			return corruptf("inode %d: extent tree: file block %d is mapped already", n.ino, e.Block)
		}
		if !last.Unwritten && last.Block+FileBlock(last.Len) == e.Block && last.Start+FSBlock(last.Len) == e.Start &&
			last.Len+e.Len <= format.MaxExtentLen {
			last.Len += e.Len
			leaf.SetExtent(k-1, last)
			tx.sealNode(n, leaf)
			return nil
		}
	}
	if leaf.Entries() == leaf.Max() {
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
	b, _, err := tx.allocBlocks(tx.homeOf(n.ino), 1)
	if err != nil {
		return treeNode{}, err
	}
	if err := tx.addBlocks(n, 1); err != nil {
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

// appendBlocks allocates count blocks and maps them behind what the file has, from file block at on. visit is told of each
// run. The inode is sealed by the caller.
func (tx *Tx) appendBlocks(n node, at FileBlock, count uint32, visit func(run)) error {
	if !n.flag(format.InodeExtents) {
		return unsupportedf("inode %d: its blocks are mapped by indirect blocks, which are not written yet", n.ino)
	}
	goal := tx.homeOf(n.ino)
	if at > 0 {
		last, err := tx.lookup(n, at-1)
		if err != nil {
			return err
		}
		if last.start != 0 {
			goal = last.start + 1
		}
	}
	for count > 0 {
		start, got, err := tx.allocBlocks(goal, count)
		if err != nil {
			return err
		}
		if err := tx.addBlocks(n, int64(got)); err != nil {
			return err
		}
		if err := tx.appendExtent(n, format.Extent{Block: at, Len: got, Start: start}); err != nil {
			return err
		}
		visit(run{at, got, start})
		at += FileBlock(got)
		count -= got
		goal = start + FSBlock(got)
	}
	return nil
}

// dropBlocks gives up all blocks of a file and leaves it empty. The inode is sealed by the caller.
func (tx *Tx) dropBlocks(n node) error {
	if !n.flag(format.InodeExtents) {
		return unsupportedf("inode %d: its blocks are mapped by indirect blocks, which are not written yet", n.ino)
	}
	var all []blockRun
	err := tx.walkExtents(n, func(e format.Extent) error {
		all = append(all, blockRun{e.Start, e.Len})
		return nil
	}, func(b FSBlock) error {
		all = append(all, blockRun{b, 1})
		return nil
	})
	if err != nil {
		return err
	}
	total := int64(0)
	for _, r := range all {
		if err := tx.release(r.start, r.count); err != nil {
			return err
		}
		total += int64(r.count)
	}
	tx.initExtents(n)
	n.SetSize(0)
	return tx.addBlocks(n, -total)
}
