package audit

// This file judges extent trees: headers, order, bounds, checksums, and whether they could be smaller.

// span is what an index entry says of the logical blocks below it.
type span struct {
	start uint64 // where the node below starts
	last  uint64 // its last block; 0 at the root, which has no bounds
	end   uint64 // the first block behind it, by the entries of its parents: those of the last entry end with the file
}

// checkExtents judges the tree of the inode in hand, and claims what it maps.
func (w *worker) checkExtents() {
	c, k := w.c, &w.contents
	root := extentNode(k.in.Block)
	if !root.headerOK() {
		w.fault("the header of the extent tree in the inode is damaged")
		k.broken = true
		return
	}
	k.depth = root.depth()
	if most := maxDepth(c.sb.blockSize); k.depth > most {
		c.warn(CodeMapShape, inodeObject(k.in.ino), "the extent tree has %d levels below the inode, and %d would do", k.depth, most)
	}
	if k.depth > maxExtentDepth && root.entries() == 0 {
		// Nothing is there to be followed. The kernel does not open such a file; e2fsck only offers to make the tree smaller.
		return
	}
	if k.depth > maxExtentDepth {
		w.fault("the extent tree has %d levels below the inode", k.depth)
		k.broken = true
		return
	}
	if w.checkNode(root, 0, span{end: k.eof + 1}) {
		w.checkShape()
	} else {
		k.broken = true
	}
}

// maxDepth is how many levels below the inode are enough for all 2^32 logical blocks (the kernel's and e2fsck's computation).
func maxDepth(blockSize int) int {
	perBlock, bits := (blockSize-extentHeaderSize)/extentEntrySize, 0
	for n := perBlock; n > 1; n >>= 1 {
		bits++
	}
	const inInode = 2 // log2 of the four extents in the inode
	return 1 + (31-inInode)/bits
}

// checkNode judges a node and what is below. It says no where the tree cannot be followed to its end.
func (w *worker) checkNode(node extentNode, level int, in span) bool {
	k := &w.contents
	count := node.entries()
	k.levels[level].entries += uint32(count)
	k.levels[level].room += uint32(node.max())
	if level > 0 && count < node.max() {
		// A block that was split when something was appended keeps one entry free: e2fsck does not take that for waste.
		k.levels[level].room--
	}
	for i := range count {
		if level < k.depth {
			end := in.end
			if i+1 < count {
				end = node.first(i + 1)
			}
			if !w.checkIndex(node.first(i), node.child(i), level, in, end) {
				return false
			}
			continue
		}
		r := node.extent(i)
		if w.checkExtent(r, in) {
			in.start = r.logical + r.length - 1
		}
	}
	return true
}

// outOfBounds is common to extents and index entries: last is the last logical block.
func (w *worker) outOfBounds(logical, physical, last uint64, unwritten bool, in span) bool {
	k := &w.contents
	switch {
	case !w.c.validBlock(physical):
		w.fault("logical block %d is mapped to block %d, which there is not", logical, physical)
	case logical < in.start:
		w.fault("logical block %d is mapped after block %d: out of order", logical, in.start)
	case in.last != 0 && last > in.last && !(last > k.eof && (unwritten || k.in.has(flagVerity))):
		w.fault("logical blocks %d to %d are mapped in a node that ends with block %d", logical, last, in.last)
	default:
		return false
	}
	return true
}

// checkIndex judges an entry of an index node, and the node that it points to.
func (w *worker) checkIndex(logical, block uint64, level int, in span, end uint64) bool {
	c, k := w.c, &w.contents
	// The length is computed in 32 bits: the last entry's is negative where blocks are mapped beyond the end of the file.
	last := logical + uint64(uint32(end-logical)) - 1
	if w.outOfBounds(logical, block, last, false, in) {
		return true
	}
	if c.isSystem(block) {
		w.fault("a node of the extent tree is in block %d, which is the file system's own", block)
		return false
	}
	if !w.enter(block) {
		return false
	}
	node := extentNode(w.mapWalker().node(level))
	if err := c.readBlock(block, node); err != nil {
		c.fail(err)
		return false
	}
	if !node.headerOK() {
		w.fault("the header of the extent node in block %d is damaged", block)
		return true
	}
	if node.entries() == 0 {
		w.fault("the extent node in block %d is empty", block)
		return false
	}
	o := inodeObject(k.in.ino)
	if !node.checksumOK(c.sb, k.in) {
		c.report(CodeMapChecksum, o, "the checksum of the extent node in block %d is wrong", block)
	}
	if depth := k.depth - level - 1; node.depth() != depth {
		// e2fsck counts levels from the inode and never looks; the kernel does not read such a file.
		c.report(CodeMap, o, "the extent node in block %d says that %d levels are below it, and %d are", block, node.depth(), depth)
	}
	first := node.first(0)
	if first != logical {
		w.fault("the extent node in block %d starts with logical block %d, and the entry above it with %d", block, first, logical)
	}
	if !w.checkNode(node, level+1, span{start: first, last: last, end: end}) {
		return false
	}
	w.claim(block, 1)
	k.clusters++
	return true
}

// checkExtent judges an extent and claims its blocks. It says no where the extent is passed over.
func (w *worker) checkExtent(r run, in span) bool {
	s, k := w.c.sb, &w.contents
	last := r.logical + r.length - 1
	switch {
	case w.outOfBounds(r.logical, r.physical, last, r.unwritten, in):
		return false
	case r.length == 0:
		w.fault("an extent of no blocks at logical block %d", r.logical)
		return false
	case r.length > s.BlocksCount-r.physical:
		w.fault("logical block %d is mapped to %d blocks from block %d on, beyond the end of the file system", r.logical, r.length, r.physical)
		return false
	case k.dir && k.in.sizeHigh == 0 && !s.hasIncompat(incompatLargedir) && r.logical+r.length > 1<<(21-s.LogBlockSize):
		w.fault("logical block %d is beyond the largest directory", last)
		return false
	case r.logical < k.next:
		w.fault("logical block %d is mapped twice", r.logical)
		return false
	}
	k.next = r.logical + r.length
	if k.dir {
		if r.unwritten {
			w.fault("logical block %d of a directory is unwritten", r.logical)
		}
		if k.last+1 < r.logical {
			w.fault("a directory with a hole before logical block %d", r.logical)
		}
		w.addRun(r)
	}
	if w.misaligned(r.physical, r.logical) {
		w.fault("logical block %d is mapped to block %d, which is at another place of its cluster", r.logical, r.physical)
	}
	// Of a cluster that the extent before has begun the rest is no new one.
	b := r.physical >> s.clusterShift
	if s.clusterShift != 0 && k.previous != 0 && b == s.clusterOf(k.previous) {
		b++
	}
	if b <<= s.clusterShift; b < r.physical+r.length {
		n := r.physical + r.length - b
		w.claim(b, n)
		k.clusters += (n + uint64(s.clusterRatio) - 1) >> s.clusterShift
	}
	k.last, k.previous = last, r.physical+r.length-1
	if !k.dir && !r.unwritten {
		k.written = int64(last)
	}
	return true
}

// misaligned says whether a block is mapped as clusters do not allow it: at another place in the physical cluster than in the logical
// one, or in another physical cluster than the block before, which is in the same logical one.
func (w *worker) misaligned(physical, logical uint64) bool {
	s, k := w.c.sb, &w.contents
	mask := uint64(s.clusterRatio) - 1
	if mask == 0 {
		return false
	}
	return logical&mask != physical&mask ||
		k.previous != 0 && logical&mask != 0 && logical>>s.clusterShift == k.last>>s.clusterShift && s.clusterOf(physical) != s.clusterOf(k.previous)
}

// checkShape tells of trees that e2fsck would build anew: with a level that could be dropped, or with more than a block to spare in one.
func (w *worker) checkShape() {
	k := &w.contents
	o := inodeObject(k.in.ino)
	if k.depth >= extentLevels {
		w.c.warn(CodeMapShape, o, "the extent tree could be shorter")
		return
	}
	perBlock := uint32((w.c.sb.blockSize - extentHeaderSize) / extentEntrySize)
	for i, level := range k.levels[:k.depth+1] {
		if level.room-level.entries > perBlock {
			w.c.warn(CodeMapShape, o, "the extent tree could be narrower")
			return
		}
		for _, above := range k.levels[:i] {
			if level.entries < above.room {
				w.c.warn(CodeMapShape, o, "the extent tree could be shorter")
				return
			}
		}
	}
}
