package ext4

// This file reads extent trees: from a block of a file to a block of the file system.

import (
	"boringboot/ext4/internal/format"
)

// walk calls visit for each mapped extent in ascending order, and tree, if not nil, for each block of the tree itself.
// An extent that is unwritten comes with its flag. The walk ends on every input: each node has to cover file blocks that no
// other one covers.
func (v *view) walkExtents(n node, visit func(format.Extent) error, tree func(FSBlock) error) error {
	w := extentWalk{v: v, n: n, visit: visit, tree: tree}
	root := format.ExtentNode(n.IBlock())
	depth := root.Depth()
	if depth > format.MaxTreeDepth {
		return corruptf("inode %d: extent tree: depth %d", n.ino, depth)
	}
	if err := root.Check(depth); err != nil {
		return corruptf("inode %d: extent tree: %w", n.ino, err)
	}
	return w.node(root, 0, 1<<32)
}

type extentWalk struct {
	v     *view
	n     node
	visit func(format.Extent) error
	tree  func(FSBlock) error
}

// node walks a checked node that may map the file blocks from lo up to hi.
func (w *extentWalk) node(x format.ExtentNode, lo, hi uint64) error {
	for i := range x.Entries() {
		if x.Depth() > 0 {
			first, child := x.Index(i)
			end := hi
			if i+1 < x.Entries() {
				next, _ := x.Index(i + 1)
				end = uint64(next)
			}
			if uint64(first) < lo || uint64(first) >= end || end > hi {
				return corruptf("inode %d: extent tree: index entry %d covers file blocks %d to %d within %d to %d",
					w.n.ino, i, first, end, lo, hi)
			}
			c, err := w.v.extentNode(w.n, first, child, x.Depth()-1)
			if err != nil {
				return err
			}
			if w.tree != nil {
				if err := w.tree(child); err != nil {
					return err
				}
			}
			if err := w.node(c, uint64(first), end); err != nil {
				return err
			}
			lo = end
			continue
		}
		e := x.Extent(i)
		end := uint64(e.Block) + uint64(e.Len)
		if e.Len == 0 || uint64(e.Block) < lo || end > hi {
			return corruptf("inode %d: extent tree: extent %d maps file blocks %d to %d within %d to %d",
				w.n.ino, i, e.Block, end, lo, hi)
		}
		if !w.v.validRange(e.Start, uint64(e.Len)) {
			return corruptf("inode %d: extent tree: file block %d at block %d, %d blocks", w.n.ino, e.Block, e.Start, e.Len)
		}
		if err := w.visit(e); err != nil {
			return err
		}
		lo = end
	}
	return nil
}

// extentNode reads a node below the root and checks it: such a node is not empty, and begins where the index says.
func (v *view) extentNode(n node, first FileBlock, b FSBlock, depth int) (format.ExtentNode, error) {
	if !v.validRange(b, 1) {
		return nil, corruptf("inode %d: extent tree: node at block %d", n.ino, b)
	}
	block, err := v.src.Block(b)
	if err != nil {
		return nil, err
	}
	x := format.ExtentNode(block)
	if err := x.Check(depth); err != nil {
		return nil, corruptf("inode %d: extent tree: block %d: %w", n.ino, b, err)
	}
	if x.Entries() == 0 {
		return nil, corruptf("inode %d: extent tree: block %d: no entries", n.ino, b)
	}
	if at, _ := x.Index(0); at != first { // an extent's first field is the same
		return nil, corruptf("inode %d: extent tree: block %d begins with file block %d, the index says %d", n.ino, b, at, first)
	}
	if v.metadataCsum && !x.ChecksumOK(v.seedOf(n)) {
		return nil, corruptf("inode %d: extent tree: block %d: wrong checksum", n.ino, b)
	}
	return x, nil
}

// lookupExtent finds the run that fb is in, from fb on. A hole has start 0 and at least one block.
func (v *view) lookupExtent(n node, fb FileBlock) (run, error) {
	r, unwritten, err := v.findExtent(n, fb)
	if unwritten {
		r.start = 0
	}
	return r, err
}

// findExtent is lookupExtent that tells an unwritten extent from a hole: its start is that of its blocks.
func (v *view) findExtent(n node, fb FileBlock) (r run, unwritten bool, err error) {
	x := format.ExtentNode(n.IBlock())
	depth := x.Depth()
	if depth > format.MaxTreeDepth {
		return run{}, false, corruptf("inode %d: extent tree: depth %d", n.ino, depth)
	}
	if err := x.Check(depth); err != nil {
		return run{}, false, corruptf("inode %d: extent tree: %w", n.ino, err)
	}
	hi := uint64(1) << 32 // the first file block that a later entry covers
	for ; depth > 0; depth-- {
		i := lastNotAbove(x.Entries(), fb, func(i int) FileBlock { first, _ := x.Index(i); return first })
		if i+1 < x.Entries() {
			next, _ := x.Index(i + 1)
			hi = min(hi, uint64(next))
		}
		if i < 0 {
			return hole(fb, hi), false, nil
		}
		first, child := x.Index(i)
		if x, err = v.extentNode(n, first, child, depth-1); err != nil {
			return run{}, false, err
		}
	}
	i := lastNotAbove(x.Entries(), fb, func(i int) FileBlock { return x.Extent(i).Block })
	if i+1 < x.Entries() {
		hi = min(hi, uint64(x.Extent(i+1).Block))
	}
	if i < 0 {
		return hole(fb, hi), false, nil
	}
	e := x.Extent(i)
	end := uint64(e.Block) + uint64(e.Len)
	if uint64(fb) >= end {
		return hole(fb, hi), false, nil
	}
	if end > hi {
		return run{}, false, corruptf("inode %d: extent tree: extents overlap at file block %d", n.ino, hi)
	}
	if !v.validRange(e.Start, uint64(e.Len)) {
		return run{}, false, corruptf("inode %d: extent tree: file block %d at block %d, %d blocks", n.ino, e.Block, e.Start, e.Len)
	}
	skip := uint32(fb - e.Block)
	return run{block: fb, count: e.Len - skip, start: e.Start + FSBlock(skip)}, e.Unwritten, nil
}

func hole(fb FileBlock, end uint64) run {
	if end <= uint64(fb) {
		end = uint64(fb) + 1
	}
	return run{block: fb, count: uint32(min(end-uint64(fb), 1<<32-1))}
}

// lastNotAbove is the last of n ascending keys that is not above fb, -1 if there is none.
func lastNotAbove(n int, fb FileBlock, key func(int) FileBlock) int {
	lo, hi := 0, n
	for lo < hi {
		mid := (lo + hi) / 2
		if key(mid) > fb {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo - 1
}
