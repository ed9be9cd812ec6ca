package audit

// This file judges what an inode holds: attributes, map, and the sizes that follow from them.

import "slices"

// contents is what was found of the contents of one inode.
type contents struct {
	in     *inode
	dir    bool
	reg    bool
	broken bool // the map was not followed to its end: nothing can be said of sizes

	clusters  uint64 // in use, maps and attributes included
	last      uint64 // the last logical block; all ones before the first
	written   int64  // the last logical block that is not unwritten, -1 for none
	previous  uint64 // the physical block before
	next      uint64 // the first logical block that extents may still map
	claimed   uint64 // blocks that were claimed
	faults    int    // that were reported
	maxBlocks uint64 // a map by blocks may not have more clusters
	eof       uint64 // the last logical block by i_size, all ones for an empty file

	depth  int                          // of the extent tree
	levels [maxExtentDepth + 1]struct { // entries of extent trees: how many there are, and could be
		entries, room uint32
	}
	runs    []run // of directories
	pending run   // of maps by blocks: blocks in one piece that were not claimed yet
}

// maxFaults is how many faults of one map are told.
const maxFaults = 12

// fault reports damage of the map.
func (w *worker) fault(format string, args ...any) {
	k := &w.contents
	if k.faults++; k.faults <= maxFaults {
		w.c.report(CodeMap, inodeObject(k.in.ino), format, args...)
	}
}

// claim claims blocks for the inode in hand. Who claims more than there is has claimed something twice already.
func (w *worker) claim(b, n uint64) {
	k := &w.contents
	if k.claimed > w.plenty() {
		return
	}
	k.claimed += n
	w.c.claim(k.in.ino, b, n)
}

// plenty is more blocks than all files together can have, unless they share some.
func (w *worker) plenty() uint64 { return 2 * w.c.sb.BlocksCount }

// addRun notes a run of a directory.
func (w *worker) addRun(r run) {
	if k := &w.contents; k.claimed <= w.plenty() && w.c.resolving == nil {
		k.runs = append(k.runs, r)
	}
}

// enter says whether a block of a map is to be gone into: always the first time; after that as long as the audit has time for it,
// which bounds what maps that share blocks can cost.
func (w *worker) enter(b uint64) bool {
	const atMost = 64 << 20 // bytes
	c := w.c
	c.nodesOnce.Do(func() { c.nodes = newBitset(c.sb.BlocksCount) })
	if c.nodes.add(b) || c.again.Add(int64(c.sb.blockSize)) <= atMost {
		return true
	}
	w.fault("block %d belongs to many maps", b)
	w.contents.broken = true
	return false
}

// checkContents judges attributes, map and sizes of an inode, claims its blocks, and hands directories on to pass 2. ibody is what
// the attributes in the inode use elsewhere.
func (w *worker) checkContents(in *inode, ibody eaUse) {
	c, s := w.c, w.c.sb
	k := &w.contents
	*k = contents{in: in, dir: in.isDir(), reg: in.isRegular(), last: ^uint64(0), written: -1, runs: k.runs[:0]}
	k.maxBlocks = 1 << (31 - s.LogBlockSize)
	k.eof = (in.Size+uint64(s.blockSize)-1)>>(10+s.LogBlockSize) - 1
	block, ok := w.checkAttributeBlock(in)
	k.clusters = (ibody.blocks + block.blocks) >> s.clusterShift
	if !ok && c.stopped() {
		return
	}
	switch {
	case s.hasIncompat(incompatInlineData) && in.has(flagInlineData):
	case !s.hasMap(in):
	case in.has(flagExtents):
		w.checkExtents()
	default:
		w.checkBlockMap()
		k.written = int64(k.last)
	}
	if c.stopped() {
		return
	}
	if in.has(flagIndex) {
		if !in.isDir() {
			c.report(CodeInodeFlags, inodeObject(in.ino), "has a hash tree, and is no directory")
		}
		if !s.hasCompat(compatDirIndex) {
			c.report(CodeInodeFlags, inodeObject(in.ino), "has a hash tree, without the feature dir_index")
		}
	}
	if !k.broken {
		w.checkSizes(ibody, block)
	}
	if k.dir && c.kind(in.ino) == kindDir && c.resolving == nil {
		w.handOn()
	}
}

// handOn gives a directory to pass 2.
func (w *worker) handOn() {
	c, k := w.c, &w.contents
	in := k.in
	d := &directory{ino: in.ino, flags: in.Flags, generation: in.Generation}
	if in.has(flagInlineData) && c.sb.hasIncompat(incompatInlineData) {
		value, block, err := w.inlineValue(in)
		if isIO(err) {
			c.fail(err)
			return
		}
		d.inline, d.inlineBlock = slices.Concat(in.Block, value), block // with damaged attributes: the inode's part alone
	} else if uint64(c.dirRuns.Add(int64(len(k.runs)))) <= w.plenty() {
		d.runs = slices.Clone(k.runs)
	}
	c.addDirectory(d)
}
