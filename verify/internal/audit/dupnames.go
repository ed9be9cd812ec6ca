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
	list  []uint64
	twice int // names that were found more than once
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
	if len(n.list) >= maxNames {
		n.judge()
		n.list = n.list[:0]
	}
}

// judge counts the hashes that are there more than once.
func (n *nameList) judge() {
	slices.Sort(n.list)
	for i := 1; i < len(n.list); i++ {
		if n.list[i] == n.list[i-1] && (i == 1 || n.list[i] != n.list[i-2]) {
			n.twice++
		}
	}
}

// checkNames reports names that the directory has twice: nobody can say which of the entries a name leads to. e2fsck -n ends with
// another exit code than 0 only where they stand in the same block.
func (s *dirScan) checkNames() {
	s.names.judge()
	if n := s.names.twice; n > 0 {
		s.c.report(CodeDuplicateName, s.object, "has more than one entry for each of %d names", n)
	}
}
