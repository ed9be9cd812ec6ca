package audit

// This file judges a directory as a whole: whether its blocks are all there and, with the files about entries, the
// hash tree and names, what stands in them. Its size and flags are judged with its inode.

import "sync/atomic"

// dirState is what all workers share about directories.
type dirState struct {
	policies   policies
	namings    namings
	lostNames  lockedFlag    // an entry could not be reached: who is named how often is not known
	blocksRead atomic.Uint64 // of directories
}

// namesLost says, after pass 2, whether entries could not be reached. What is counted of names is then less than there is.
func (c *checker) namesLost() bool { return c.lostNames.isSet() }

// dirWork is what a worker keeps for directories.
type dirWork struct {
	scan  dirScan
	piece []byte // of a directory
}

// pieceSize is how much of a directory is read at a time, in bytes.
const pieceSize = 256 << 10

// dirScan is the state of one directory's check. Buffers stay for the next one.
type dirScan struct {
	c      *checker
	w      *worker
	d      *directory
	object Object

	blockSize   int
	seed        uint32    // of its blocks' checksums
	hashSeed    [4]uint32 // of its names' hashes
	hasTypes    bool      // entries say what type a file has
	policy      policyID
	hashInEntry bool
	strictText  bool // names must be text, and equal ones may differ in case
	foldsHash   bool // hashes are of folded names
	fold        folder

	indexed     bool
	index       index
	leaf        *indexBlock // the block whose hashes are collected
	indexErrors int
	untyped     int // entries without a file type, where there should be one

	names nameList
}

func (s *dirScan) begin(w *worker, d *directory) {
	sb := w.c.sb
	casefold := sb.hasIncompat(incompatCasefold) && d.flags&flagCasefold != 0
	policy := w.c.policyOf(d.ino)
	*s = dirScan{
		c: w.c, w: w, d: d, object: inodeObject(d.ino),
		blockSize:   sb.blockSize,
		seed:        sb.inodeSeed(d.ino, d.generation),
		hashSeed:    hashSeed(sb.HashSeed),
		hasTypes:    sb.hasIncompat(incompatFiletype),
		policy:      policy,
		hashInEntry: d.flags&flagCasefold != 0 && policy != policyNone,
		strictText:  casefold && sb.EncodingFlags&encodingStrict != 0,
		foldsHash:   casefold,
		fold:        s.fold,
		index:       index{blocks: s.index.blocks[:0]},
		names:       nameList{list: s.names.list[:0]},
	}
}

// checkDirectory judges a directory, and counts the names in it.
func (w *worker) checkDirectory(d *directory) {
	s := &w.scan
	s.begin(w, d)
	if d.inline != nil {
		s.checkInline()
	} else if blocks := s.checkHoles(); blocks > 0 {
		s.dropRepeats()
		s.startIndex(blocks)
		s.eachBlock(s.checkBlock)
		if s.indexed {
			s.checkIndex()
		}
		s.checkNames()
	}
	if s.untyped > 0 {
		s.c.warn(CodeDirectoryEntry, s.object, "%d entries have no file type", s.untyped)
	}
}

// checkHoles judges whether the blocks of a directory are all there, and returns how many it has with the holes. With extents a hole is
// damage of the map, and was found with that.
func (s *dirScan) checkHoles() uint64 {
	sb := s.c.sb
	extents := sb.hasIncompat(incompatExtents) && s.d.flags&flagExtents != 0
	// With large_dir empty blocks are given back; e2fsck passes over such holes, but for the first block.
	allowed := sb.hasIncompat(incompatLargedir) && !sb.hasIncompat(incompatInlineData)
	var end uint64
	for _, r := range s.d.runs {
		if r.logical > end && !extents && (!allowed || end == 0) {
			s.c.report(CodeDirectory, s.object, "a hole from block %d to block %d", end, r.logical-1)
		}
		end = r.logical + r.length
	}
	return end
}

// maxIndexBlocks bounds the table of a hash tree's blocks: it is as large as the largest directory that there is without large_dir, 2
// GiB in blocks of 1 KiB.
const maxIndexBlocks = 1 << 21

// startIndex begins the check of a hash tree, where the directory says that it has one.
func (s *dirScan) startIndex(blocks uint64) {
	if s.d.flags&flagIndex == 0 {
		return
	}
	if s.d.runs[0].logical != 0 {
		s.indexError("the hash tree has no root")
	}
	var mapped uint64
	for _, r := range s.d.runs {
		mapped += r.length
	}
	// What is a hole is in no sound tree; a table of what could be there is not made larger than what is there.
	if mapped > s.c.sb.BlocksCount || blocks > 2*mapped+1024 {
		s.indexError("the hash tree has more holes than blocks")
		return
	}
	if blocks > maxIndexBlocks {
		s.indexError("a hash tree of %d blocks is larger than can be judged", blocks)
		return
	}
	s.indexed = true
	s.index.blocks = append(s.index.blocks, make([]indexBlock, blocks)...)
}

// largeDirectory says that the file system lacks large_dir, where it does.
func (s *dirScan) largeDirectory() {
	if !s.c.sb.hasIncompat(incompatLargedir) {
		s.c.report(CodeFeatures, Object{Superblock, 0}, "there are large directories, without the feature large_dir")
	}
}

// eachBlock reads the directory's blocks, in large pieces, and visits each.
func (s *dirScan) eachBlock(visit func(b []byte, block uint64)) {
	bs := uint64(s.blockSize)
	for _, r := range s.d.runs {
		for done := uint64(0); done < r.length; {
			n := min(r.length-done, max(pieceSize/bs, 1))
			if int(n*bs) > cap(s.w.piece) {
				s.w.piece = make([]byte, n*bs)
			}
			if !s.mayRead(n) {
				return
			}
			piece := s.w.piece[:n*bs]
			if s.c.stopped() {
				return
			}
			if err := s.c.readBlocks(r.physical+done, piece); err != nil {
				s.c.fail(err)
				return
			}
			for i := range n {
				visit(piece[i*bs:(i+1)*bs], r.logical+done+i)
			}
			done += n
		}
	}
}

// mayRead says whether n more blocks may be read. A block belongs to one directory: who reads more than there are reads some again and
// again.
func (s *dirScan) mayRead(n uint64) bool {
	if s.c.blocksRead.Add(n) <= 3*s.c.sb.BlocksCount {
		return true
	}
	s.c.report(CodeDirectory, s.object, "shares blocks with other directories")
	s.c.lostNames.set()
	return false
}

// checkBlock judges one block.
func (s *dirScan) checkBlock(b []byte, block uint64) {
	s.leaf = nil
	isLeaf := true
	if s.indexed && block < uint64(len(s.index.blocks)) {
		s.classify(b, block)
		isLeaf = s.leaf.kind == indexLeaf
	}
	end := len(b)
	if s.c.sb.metadataCsum {
		ok, tail := dirChecksumOK(b, s.seed)
		switch {
		case ok:
		case !isLeaf:
			s.c.report(CodeDirectoryChecksum, s.object, "block %d, a node of the hash tree: wrong checksum", block)
		case tail == tailMissing:
			s.c.report(CodeDirectoryChecksum, s.object, "block %d has no checksum", block)
		default:
			s.c.report(CodeDirectoryChecksum, s.object, "block %d: wrong checksum", block)
		}
		if isLeaf && (ok || tail != tailMissing) {
			end -= entryTail
		}
	}
	pos := 2
	if block == 0 {
		pos = 0
	}
	s.entries(b[:end], 0, pos, block)
	s.names.endBlock()
	if !isLeaf {
		s.checkTable(b, block)
	}
}
