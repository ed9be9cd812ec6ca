package audit

// This file judges the blocks of the bad blocks inode (1): those that nothing may use.

import "encoding/binary"

// maxBadBlocks bounds how many are looked at. A disk with more of them is no disk.
const maxBadBlocks = 1 << 24

// badBlocks goes through the list. e2fsck does so before it has seen any other inode.
type badBlocks struct {
	c      *checker
	o      Object
	in     *inode
	left   int       // of maxBadBlocks
	seen   *bitset   // indirect blocks, and blocks of the file system's own that were judged
	blocks [3][]byte // a buffer for each level of indirect blocks
	areas  *systemAreas
}

// checkBadBlocks claims the bad blocks and the blocks of their list, and reports those that the file system needs.
func (c *checker) checkBadBlocks() {
	in, err := c.systemInode(badBlocksInode)
	if err != nil {
		return // a finding of pass 1
	}
	if allZero(in.Block) {
		return
	}
	l := &badBlocks{c: c, o: inodeObject(badBlocksInode), in: in, left: maxBadBlocks, seen: newBitset(c.sb.BlocksCount)}
	switch {
	case in.has(flagInlineData):
		c.report(CodeBadBlocksInode, l.o, "its list is in the inode")
	case in.has(flagExtents):
		l.extents()
	default:
		l.direct(in.Block[:4*directBlocks])
		for level := range 3 {
			if b := binary.LittleEndian.Uint32(in.Block[4*(directBlocks+level):]); b != 0 {
				l.indirect(uint64(b), level)
			}
		}
	}
	if l.left < 0 {
		c.report(CodeBadBlocksInode, l.o, "it lists more than %d blocks", maxBadBlocks)
	}
}

func (l *badBlocks) extents() {
	err := l.c.walkSystem(l.in, func(r run) error {
		for i := range r.length {
			if !l.bad(r.physical + i) {
				return errMap
			}
		}
		return nil
	})
	if err != nil && l.left >= 0 {
		l.c.report(CodeBadBlocksInode, l.o, "its block map is damaged")
	}
}

func (l *badBlocks) direct(list []byte) {
	for ; len(list) >= 4; list = list[4:] {
		if b := binary.LittleEndian.Uint32(list); b != 0 && !l.bad(uint64(b)) {
			return
		}
	}
}

// indirect goes through a block of the list, which must be nobody else's.
func (l *badBlocks) indirect(b uint64, level int) {
	c := l.c
	switch {
	case !c.validBlock(b):
		c.report(CodeBadBlocksInode, l.o, "indirect block %d is not in the file system", b)
		return
	case c.isTaken(b) || l.wasSeen(b):
		c.report(CodeBadBlocksInode, l.o, "indirect block %d has another use", b)
		return
	}
	c.claim(badBlocksInode, b, 1)
	if l.blocks[level] == nil {
		l.blocks[level] = make([]byte, c.sb.blockSize)
	}
	list := l.blocks[level]
	if err := c.readBlock(b, list); err != nil {
		c.fail(err)
		return
	}
	if level == 0 {
		l.direct(list)
		return
	}
	for ; len(list) >= 4 && l.left >= 0 && !c.stopped(); list = list[4:] {
		if b := binary.LittleEndian.Uint32(list); b != 0 {
			l.indirect(uint64(b), level-1)
		}
	}
}

// bad judges one bad block. It says no when there were too many.
func (l *badBlocks) bad(b uint64) bool {
	if l.left--; l.left < 0 {
		return false
	}
	c := l.c
	if !c.validBlock(b) {
		c.report(CodeBadBlocksInode, l.o, "block %d is not in the file system", b)
		return true
	}
	if !c.isTaken(b) {
		c.claim(badBlocksInode, b, 1)
		return true
	}
	if !c.isSystem(b) {
		// Listed twice, or a block of the list itself, or one that is kept for growth.
		for level := range 3 {
			if b == uint64(binary.LittleEndian.Uint32(l.in.Block[4*(directBlocks+level):])) {
				c.report(CodeBadBlocksInode, l.o, "block %d of its own list is bad", b)
				return true
			}
		}
		c.warn(CodeBadBlocksInode, l.o, "block %d, which is bad, is listed twice or kept for something else", b)
		return true
	}
	if !l.wasSeen(b) {
		l.judgeSystem(b)
	}
	return true
}

// wasSeen says whether a block was met before.
func (l *badBlocks) wasSeen(b uint64) bool {
	return !l.seen.add(b)
}

// judgeSystem says what it means that a block of the file system's own is bad. Copies can be done without.
func (l *badBlocks) judgeSystem(b uint64) {
	c, s := l.c, l.c.sb
	if l.areas == nil {
		l.areas = newSystemAreas(s, c.groups)
	}
	switch use, g := l.areas.of(b); use {
	case areaSuper:
		if g == 0 {
			c.report(CodeBadBlocksInode, l.o, "block %d, which is bad, holds the superblock or descriptors", b)
		} else {
			c.warn(CodeBadBlocksInode, l.o, "block %d, which is bad, holds a copy of the superblock or of descriptors", b)
		}
	case areaBitmap:
		c.report(CodeBadBlocksInode, groupObject(g), "its bitmap is in block %d, which is on the list of bad blocks", b)
	case areaTable:
		// e2fsck passes over the inodes there, and finds names of them, or bits in the bitmap, that it cannot account for.
		d := &c.groups[g]
		if used := s.usedInodes(d); (b-d.InodeTable)*uint64(s.inodesPerBlock) < uint64(used) {
			c.report(CodeBadBlocksInode, l.o, "block %d, which is bad, holds inodes of group %d", b, g)
		}
	default:
		c.warn(CodeBadBlocksInode, l.o, "block %d, which is bad, is one of the file system's own", b)
	}
}

// usedInodes is how many inodes of a group's table may be in use.
func (s *super) usedInodes(d *descriptor) uint32 {
	switch {
	case !s.groupCsum:
		return s.InodesPerGroup
	case d.Flags&groupInodeUninit != 0 || d.ItableUnused > s.InodesPerGroup:
		return 0
	}
	return s.InodesPerGroup - d.ItableUnused
}
