package audit

// This file judges blocks of extended attributes, which several inodes may share: each once, and how many share it.

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
)

// attributeBlocks are those that were met.
type attributeBlocks struct {
	mu     sync.Mutex
	list   map[uint64]*attributeBlock
	values map[uint64]*blockValues
}

// attributeBlock is one of them.
type attributeBlock struct {
	once     sync.Once // it is judged by who meets it first
	owner    turn      // whose turn comes first for e2fsck, of those that have it: that one is named
	refs     uint32    // inodes that have it
	refcount uint32    // h_refcount
	sumBad   bool
	problems problemList
	use      eaUse
}

// attributeSumOK compares h_checksum, which stands at 16 of the header.
func (s *super) attributeSumOK(b uint64, block []byte) bool {
	if !s.metadataCsum {
		return true
	}
	const at = 16
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], b)
	sum := crc32c(s.csumSeed, number[:])
	sum = crc32c(sum, block[:at])
	sum = crc32cZeros(sum, 4)
	sum = crc32c(sum, block[at+4:])
	return binary.LittleEndian.Uint32(block[at:]) == sum
}

// checkAttributeBlock judges the block of an inode's attributes, if it has one that could be one, and returns what it uses.
func (w *worker) checkAttributeBlock(in *inode) (eaUse, bool) {
	c, s := w.c, w.c.sb
	b := s.acl(in)
	if b == 0 {
		return eaUse{}, true
	}
	switch {
	case !s.hasCompat(compatExtAttr):
		w.oddity(CodeXattr, "i_file_acl is %d, without the feature ext_attr", b)
		return eaUse{}, false
	case !c.validBlock(b):
		w.oddity(CodeXattr, "i_file_acl is %d, and there is no such block", b)
		return eaUse{}, false
	}
	a := c.attributeBlock(w.turn(in), b)
	c.claimShared(in.ino, b)
	a.once.Do(func() { w.judgeAttributeBlock(in, b, a) })
	return eaUse{blocks: uint64(s.clusterRatio) + a.use.blocks, inodes: a.use.inodes}, true
}

// turn orders inodes as e2fsck comes to what they hold: group after group, and in a group first those by number whose map is in the
// inode, then the others by where their indirect block is.
type turn struct {
	group    uint32
	late     uint8
	indirect uint32
	ino      uint32
}

func (w *worker) turn(in *inode) turn {
	t := turn{group: w.c.sb.groupOfInode(in.ino), ino: in.ino}
	inside := in.has(flagExtents|flagInlineData) || in.isSymlink() && in.Size < iblockSize
	if !inside && !w.c.special(in.ino) {
		t.late, t.indirect = 1, binary.LittleEndian.Uint32(in.Block[directBlocks*4:])
	}
	return t
}

func (t turn) compare(u turn) int {
	return cmp.Or(cmp.Compare(t.group, u.group), cmp.Compare(t.late, u.late), cmp.Compare(t.indirect, u.indirect), cmp.Compare(t.ino, u.ino))
}

// attributeBlock counts one more inode that has the block.
func (c *checker) attributeBlock(of turn, b uint64) *attributeBlock {
	c.attributes.mu.Lock()
	defer c.attributes.mu.Unlock()
	a := c.attributes.list[b]
	if a == nil {
		a = &attributeBlock{owner: of}
		if c.attributes.list == nil {
			c.attributes.list = map[uint64]*attributeBlock{}
		}
		c.attributes.list[b] = a
	}
	a.refs++
	if of.compare(a.owner) < 0 {
		a.owner = of
	}
	return a
}

func (w *worker) judgeAttributeBlock(in *inode, b uint64, a *attributeBlock) {
	c := w.c
	if err := c.readBlock(b, w.buf); err != nil {
		c.fail(err)
		return
	}
	block := w.buf
	header := cursor{block}
	magic := header.u32()
	a.refcount = header.u32()
	blocks := header.u32()
	a.sumBad = !c.sb.attributeSumOK(b, block)
	if magic != attributeMagic {
		a.problems.add("it does not start like one")
	}
	if blocks != 1 {
		a.problems.add("h_blocks is not 1")
	}
	use, problems := w.checkBlockList(in, block)
	a.use, a.problems = use, append(a.problems, problems...)
	w.countReferences(block[attributeHeader:])
}

// finishXattrs reports, after pass 1, what is wrong with blocks of attributes and with inodes that hold values.
func (c *checker) finishXattrs() {
	for _, b := range slices.Sorted(maps.Keys(c.attributes.list)) {
		a := c.attributes.list[b]
		o := inodeObject(a.owner.ino)
		for _, problem := range a.problems {
			c.report(CodeXattr, o, "block %d of attributes: %s", b, problem)
		}
		if a.sumBad {
			c.report(CodeXattrChecksum, o, "the checksum of block %d of attributes is wrong", b)
		}
		if a.refs != a.refcount {
			c.report(CodeXattrRefs, Object{Block, b}, "the block of attributes belongs to %d inodes, and says %d", a.refs, a.refcount)
		}
	}
	c.attributes.list, c.attributes.values = nil, nil // nobody asks any more
	c.finishEaInodes()
	c.finishFeatures()
}

// finishFeatures reports features that are missing for what was found.
func (c *checker) finishFeatures() {
	o := Object{Superblock, 0}
	if c.largeFiles.isSet() && !c.sb.hasRoCompat(roCompatLargeFile) {
		c.report(CodeFeatures, o, "there are files of 2 GiB and more, without the feature large_file")
	}
	if c.largeDirs.isSet() && !c.sb.hasIncompat(incompatLargedir) {
		c.report(CodeFeatures, o, "there are large directories, without the feature large_dir")
	}
}
