package audit

// This file judges lists of extended attributes: that entries and values fit in, lie apart, and have the right hash.

import (
	"encoding/binary"
	"slices"
)

// eaUse is what attributes use elsewhere: in a block, and in inodes of their own. The latter is charged to who has the attribute.
type eaUse struct {
	blocks uint64
	inodes uint64
}

func (u *eaUse) add(v eaUse) { u.blocks += v.blocks; u.inodes += v.inodes }

// placeSet knows which bytes of an area are in use. It is as large as the largest area.
type placeSet struct {
	size int
	bits []uint64
}

func (p *placeSet) reset(size int) {
	p.size = size
	if n := (size + 63) / 64; cap(p.bits) < n {
		p.bits = make([]uint64, n)
	} else {
		p.bits = p.bits[:n]
		clear(p.bits)
	}
}

// take notes that n bytes are in use, and says no where they are beyond the end or some were in use.
func (p *placeSet) take(at, n int) bool {
	if n < 0 || at+n > p.size {
		return false
	}
	for n > 0 {
		bit := at % 64
		count := min(n, 64-bit)
		mask := ^uint64(0) >> (64 - count) << bit
		if p.bits[at/64]&mask != 0 {
			return false
		}
		p.bits[at/64] |= mask
		at, n = at+count, n-count
	}
	return true
}

// checkInodeAttributes judges the list in an inode; area starts with its magic number. e2fsck stops at the first fault.
func (w *worker) checkInodeAttributes(in *inode, area []byte) eaUse {
	c := w.c
	use, problem := w.scanInodeAttributes(in, area)
	if problem != "" {
		c.report(CodeXattr, inodeObject(in.ino), "the attributes in the inode: %s", problem)
	}
	w.countReferences(area[4:])
	return use
}

const overlaps = "entries or values that overlap or do not fit in"

func (w *worker) scanInodeAttributes(in *inode, area []byte) (use eaUse, problem string) {
	w.places.reset(len(area))
	w.places.take(0, 4)
	at, remain := 4, len(area)-4
	for remain >= attributeEntrySize && !attributeEntry(area[at:]).ends() {
		e := attributeEntry(area[at:])
		if !w.places.take(at, e.length()) {
			return use, overlaps
		}
		if remain -= attributeEntrySize; e.nameRoom() > remain {
			return use, "a name that does not fit in"
		}
		remain -= e.nameRoom()
		if e.inode() == 0 {
			if uint64(e.size()) > uint64(remain) {
				return use, "a value that does not fit in"
			}
			if e.size() > 0 && !w.places.take(4+e.offset(), e.valueRoom()) {
				return use, overlaps
			}
			if e.hash() != 0 { // old kernels left it away
				if ok, _ := w.hashOK(in, e, area[4:]); !ok {
					return use, "a hash that is wrong"
				}
			}
			remain -= int(e.size())
		} else {
			more, bad := w.checkValueInode(in, e)
			if bad != "" {
				return use, bad
			}
			use.add(more)
		}
		at += e.length()
	}
	if !w.places.take(at, 4) {
		return use, "no room for the end of the list"
	}
	return use, ""
}

// problemList is what is wrong with a block, each problem once: a block has room for thousands of entries that are all wrong.
type problemList []string

// maxProblems bounds it.
const maxProblems = 16

func (p *problemList) add(what string) {
	if len(*p) < maxProblems && !slices.Contains(*p, what) {
		*p = append(*p, what)
	}
}

// checkBlockList judges the list of a block of attributes: e2fsck goes on after some faults.
func (w *worker) checkBlockList(in *inode, block []byte) (use eaUse, problems problemList) {
	w.places.reset(len(block))
	w.places.take(0, attributeHeader)
	at := attributeHeader
	for at < len(block) && binary.LittleEndian.Uint32(block[at:]) != 0 {
		e := attributeEntry(block[at:])
		if at+attributeEntrySize > len(block) || !w.places.take(at, e.length()) {
			problems.add(overlaps)
			break
		}
		if e.index() == 0 {
			problems.add("a name of no kind")
			break
		}
		if e.inode() == 0 {
			if e.size() > attributeMaxSize || e.offset()+int(e.size()) > len(block) {
				problems.add("a value that does not fit in")
				break
			}
			if e.size() > 0 && !w.places.take(e.offset(), e.valueRoom()) {
				problems.add(overlaps)
			}
			if ok, _ := w.hashOK(in, e, block); !ok {
				problems.add("a hash that is wrong")
			}
		} else {
			more, bad := w.checkValueInode(in, e)
			if bad != "" {
				problems.add(bad)
			}
			use.add(more)
		}
		at += e.length()
	}
	if !w.places.take(at, 4) {
		problems.add("no room for the end of the list")
	}
	return use, problems
}
