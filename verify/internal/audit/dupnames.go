package audit

// This file finds names that a directory has twice, by sorting hashes of them.

import (
	"hash/maphash"
	"slices"
)

// nameSeed makes the hashes ones that no image can be made to collide under. With 64 bits, equal hashes are equal names.
var nameSeed = maphash.MakeSeed()

// maxNames bounds the list: in a directory with more names, equal ones that are further apart are not found. e2fsck looks no further than a block.
const maxNames = 1 << 21

// nameList holds the hashes of a directory's names.
type nameList struct {
	list    []uint64
	blocks  int      // of which these are
	twice   bool     // an equal pair was found
	wanted  []uint64 // on the second way through the directory: the hashes that come more than once
	inBlock int      // names that one block has twice
}

// noteName puts the name of an entry on the list.
func (s *dirScan) noteName(e *entry) {
	name := e.name
	if s.strictText {
		if folded, ok := s.fold.name(name); ok {
			name = folded
		}
	}
	s.names.list = append(s.names.list, maphash.Bytes(nameSeed, name))
}

// endBlock ends a block. The list may be judged early here, so that it does not grow beyond all bounds.
func (n *nameList) endBlock() {
	n.blocks++
	if len(n.list) >= maxNames {
		n.judge()
		n.list = n.list[:0]
	}
}

// judge looks for equal hashes.
func (n *nameList) judge() {
	slices.Sort(n.list)
	for i := 1; i < len(n.list); i++ {
		if n.list[i] != n.list[i-1] {
			continue
		}
		n.twice = true
		if w := n.wanted; len(w) == 0 || w[len(w)-1] != n.list[i] {
			n.wanted = append(n.wanted, n.list[i])
		}
	}
}

// checkNames reports names that came twice. e2fsck keeps to a block when it looks for them, and only warns of them in an inode; so an error is what it finds.
func (s *dirScan) checkNames() {
	n := &s.names
	n.judge()
	if !n.twice {
		return
	}
	if s.d.inline == nil {
		if n.blocks > 1 {
			slices.Sort(n.wanted)
			s.eachBlock(s.namesInBlock)
		} else {
			n.inBlock = len(n.wanted)
		}
	}
	twice := len(n.wanted) // in blocks of their own, which e2fsck -n mentions, and ends with 0
	if n.inBlock > 0 {
		twice = n.inBlock
	}
	s.c.report(CodeDuplicateName, s.object, "%d names come twice", twice)
}

// namesInBlock counts which of the wanted names a block has twice.
func (s *dirScan) namesInBlock(b []byte, _ uint64) {
	n := &s.names
	n.list = n.list[:0]
	for at := 0; len(b)-at >= entryMin; {
		rec := recLen(b[at:], s.blockSize)
		if rec < entryMin || rec > len(b)-at {
			break
		}
		e := entry{name: b[at+entryHeader : min(at+entryHeader+int(b[at+6]), at+rec)]}
		if b[at] != 0 || b[at+1] != 0 || b[at+2] != 0 || b[at+3] != 0 {
			s.noteName(&e)
			if _, ok := slices.BinarySearch(n.wanted, n.list[len(n.list)-1]); !ok {
				n.list = n.list[:len(n.list)-1]
			}
		}
		at += rec
	}
	slices.Sort(n.list)
	for i := 1; i < len(n.list); i++ {
		if n.list[i] == n.list[i-1] {
			n.inBlock++
		}
	}
}
