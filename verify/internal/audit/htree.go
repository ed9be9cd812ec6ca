package audit

// This file judges the hash tree of a directory: its root, its nodes, and whether every leaf holds the hashes that its place in the tree says.

import "encoding/binary"

const (
	rootInfo       = 24 // dx_root_info, behind "." and ".."
	rootInfoLength = 8
	nodeTable      = 8 // the table of a node, behind an unused entry
	indexEntry     = 8 // dx_entry: hash, block
	indexTail      = 8 // dx_tail: checksum

	incompatHashFlag = 1 // EXT2_HASH_FLAG_INCOMPAT
	indexBlockMask   = 0x0fffffff
	lastHash         = 0xfffffffe // what follows no hash

	// How many levels of nodes there may be above the leaves, with and without large_dir (EXT4_HTREE_LEVEL).
	indexLevelsLarge = 3
	indexLevels      = 2
)

// Types of an index's block.
const (
	indexHole = iota
	indexRoot
	indexNode
	indexLeaf
)

// indexBlock is what is known of a block of a hashed directory.
type indexBlock struct {
	kind        uint8
	referenced  bool
	again       bool // referenced again
	first, last bool // of its parent's table
	parent      uint32
	previous    uint32 // the block before it in its parent's table
	min, max    uint32 // of the hashes in it, or in its table
	from, to    uint32 // what its parent says its hashes are
}

// hashed takes one more hash into account.
func (b *indexBlock) hashed(h uint32) {
	b.min, b.max = min(b.min, h), max(b.max, h)
}

// index is the state of a hashed directory's check.
type index struct {
	blocks  []indexBlock
	version uint8
	depth   int // levels of nodes with the root: how far every leaf is from it
}

// sipHashed says whether a directory keeps hashes in its entries.
func sipHashed(flags uint32) bool { return flags&flagEncrypt != 0 && flags&flagCasefold != 0 }

// checkRoot judges the root of the tree, in the directory's first block.
func (s *dirScan) checkRoot(b []byte) {
	info := b[rootInfo:]
	version, length, levels, flags := info[4], info[5], info[6], info[7]
	allowed := byte(indexLevels)
	if s.c.sb.hasIncompat(incompatLargedir) {
		allowed = indexLevelsLarge
	}
	sip := sipHashed(s.d.flags)
	switch {
	case binary.LittleEndian.Uint32(info) != 0 || length < rootInfoLength:
		s.indexError("the root of the hash tree is invalid")
	case version != hashLegacy && version != hashHalfMD4 && version != hashTEA && version != hashSip:
		s.indexError("unknown hash version %d", version)
	case sip && version != hashSip:
		s.indexError("hash version %d, and an encrypted directory that folds cases has %d", version, hashSip)
	case !sip && version == hashSip:
		s.indexError("hash version %d, which only encrypted directories that fold cases have", version)
	case flags&incompatHashFlag != 0:
		s.indexError("the root of the hash tree has flags %#x", flags)
	case levels >= allowed:
		s.indexError("the hash tree has %d levels of nodes below the root, %d are too many", levels, allowed)
	}
	if levels >= indexLevels {
		s.largeDirectory()
	}
	if version <= hashTEA && s.c.sb.Flags&flagUnsignedHash != 0 {
		version += hashLegacyUnsigned
	}
	s.index.version, s.index.depth = version, int(levels)+1
}

func (s *dirScan) indexError(format string, args ...any) {
	if s.indexErrors++; s.indexErrors <= maxIndexErrors {
		s.c.report(CodeDirectoryHash, s.object, format, args...)
	}
}

// maxIndexErrors bounds what is said of one tree: where its root is wrong all leaves are.
const maxIndexErrors = 16

// classify says what a block of a hashed directory is, and makes it the one whose hashes are collected.
func (s *dirScan) classify(b []byte, block uint64) {
	ib := &s.index.blocks[block]
	ib.kind, ib.min, ib.max = indexLeaf, ^uint32(0), 0
	switch {
	case block == 0:
		s.checkRoot(b)
		ib.kind, ib.first, ib.last = indexRoot, true, true
	case binary.LittleEndian.Uint32(b) == 0 && recLen(b, s.blockSize) == len(b) && b[6] == 0 &&
		int(binary.LittleEndian.Uint16(b[nodeTable:])) == s.tableRoom(nodeTable):
		ib.kind = indexNode
	}
	s.leaf = ib
}

// tableRoom is how many entries a table has room for that begins there.
func (s *dirScan) tableRoom(at int) int {
	room := s.blockSize - at
	if s.c.sb.metadataCsum {
		room -= indexTail
	}
	return room / indexEntry
}

// hashOf returns the hash under which the directory's index has an entry.
func (s *dirScan) hashOf(e *entry) uint32 {
	if s.index.version == hashSip {
		return e.hash
	}
	name := e.name
	if s.foldsHash {
		if folded, ok := s.fold.name(e.name); ok { // as the kernel does it: a name that cannot be folded is taken as it is
			name = folded
		}
	}
	return hashName(s.index.version, s.hashSeed, name)
}

// checkTable judges the table of the root or of a node, and notes what it says of the blocks below.
func (s *dirScan) checkTable(b []byte, block uint64) {
	at := nodeTable
	if block == 0 {
		at = rootInfo + int(b[rootInfo+5])
	}
	limit, count := int(binary.LittleEndian.Uint16(b[at:])), int(binary.LittleEndian.Uint16(b[at+2:]))
	room := s.tableRoom(at)
	if limit != room {
		s.indexError("block %d: a table with a limit of %d entries, and there is room for %d", block, limit, room)
	}
	if count > room {
		s.indexError("block %d: a table of %d entries, and there is room for %d", block, count, room)
		count = room
	}
	hash, least, most := uint32(0), ^uint32(0), uint32(0)
	previous := uint32(0)
	for i := range count {
		e := b[at+i*indexEntry:]
		before := hash
		if hash = 0; i > 0 { // the first entry's place holds limit and count; its hash is 0
			hash = binary.LittleEndian.Uint32(e) &^ 1
		}
		child := binary.LittleEndian.Uint32(e[4:]) & indexBlockMask
		if uint64(child) >= uint64(len(s.index.blocks)) {
			s.indexError("block %d: entry %d of the table leads to block %d, and there are %d", block, i, child, len(s.index.blocks))
			previous = child
			continue
		}
		if hash < before {
			s.indexError("block %d: the hashes of the table are not in order", block)
		}
		cb := &s.index.blocks[child]
		if cb.referenced {
			cb.again = true
		} else {
			cb.referenced, cb.parent = true, uint32(block)
		}
		cb.previous, cb.from, cb.to = previous, hash, lastHash
		if i+1 < count {
			cb.to = binary.LittleEndian.Uint32(e[indexEntry:]) &^ 1
		} else {
			cb.last = true
		}
		if i == 0 {
			cb.first = true
		}
		least, most = min(least, hash), max(most, hash)
		previous = child
	}
	s.index.blocks[block].min, s.index.blocks[block].max = least, most
}

// checkIndex judges the tree as a whole, when all of its blocks were seen.
func (s *dirScan) checkIndex() {
	blocks := s.index.blocks
	blocks[0].again, blocks[0].referenced = blocks[0].referenced, true
	// What leaves really hold goes up to the nodes above them, and from these to those above.
	s.liftHashes(indexLeaf)
	s.liftHashes(indexNode)
	for i := range blocks {
		b := &blocks[i]
		if !b.first && b.min < b.from {
			s.indexError("block %d has the hash %#x, and begins at %#x", i, b.min, b.from)
		}
		if b.kind == indexLeaf {
			if n := s.distance(b); n != s.index.depth {
				s.indexError("block %d is at depth %d, and leaves of this tree are at depth %d", i, n, s.index.depth)
			}
		}
		if i > 0 && b.max > b.to {
			s.indexError("block %d has the hash %#x, and ends at %#x", i, b.max, b.to)
		}
		switch {
		case !b.referenced:
			s.indexError("block %d is not in the hash tree", i)
		case b.again:
			s.indexError("block %d is in the hash tree twice", i)
		}
	}
}

// liftHashes gives the least and the greatest hash of a node's blocks to the node, from blocks of one kind.
func (s *dirScan) liftHashes(kind uint8) {
	blocks := s.index.blocks
	for i := range blocks {
		b := &blocks[i]
		if b.kind != kind {
			continue
		}
		parent := &blocks[b.parent]
		if b.first {
			parent.min = b.min
			if p := parent.previous; p != 0 && uint64(p) < uint64(len(blocks)) {
				blocks[p].to = parent.min
			}
		}
		if b.last {
			parent.max = b.max
		}
	}
}

// distance is how far a block is from the root; more than the tree's depth where its parents do not lead there.
func (s *dirScan) distance(b *indexBlock) int {
	n := 0
	for ; b.kind != indexRoot && n <= s.index.depth; n++ {
		b = &s.index.blocks[b.parent]
	}
	return n
}
