package audit

// This file judges a directory that is kept in its inode: the inode that is its parent, entries in what is left of i_block, and more of
// them in the attribute system.data.

import (
	"encoding/binary"
	"slices"
)

const (
	inlineFirst  = 60 // bytes of i_block
	inlineDotDot = 4  // of them the parent's number, in place of "." and ".."
)

func (s *dirScan) checkInline() {
	data := s.d.inline
	if s.d.inlineBlock != 0 {
		if !s.mayRead(1) {
			return
		}
		value, err := s.w.inlineInBlock(s.d)
		if isIO(err) {
			s.c.fail(err)
			return
		}
		data = slices.Concat(data, value)
	}
	if s.d.flags&flagIndex != 0 {
		s.indexError("a hashed directory that is kept in its inode")
	}
	if len(data) < inlineFirst {
		return // the inode was too small for that to be looked for
	}
	if more := len(data) - inlineFirst; len(data)%4 != 0 || more > 0 && more < entryMin {
		s.c.report(CodeInlineData, s.object, "%d bytes of directory entries in the inode end within an entry", len(data))
	}
	s.inlineDots(binary.LittleEndian.Uint32(data))
	s.entries(data[:inlineFirst], inlineDotDot, 2, 0)
	s.names.endBlock()
	if len(data) > inlineFirst {
		s.entries(data[inlineFirst:], 0, 2, 1)
		s.names.endBlock()
	}
	s.checkNames()
}

// inlineDots takes the number of the parent for the entries "." and "..".
func (s *dirScan) inlineDots(parent uint32) {
	fileType := kindNone
	if s.hasTypes {
		fileType = kindDir
	}
	dot := entry{ino: s.d.ino, rec: entryMin, name: []byte("."), fileType: fileType, pos: 0}
	s.checkDot(&dot, true)
	s.checkEntry(&dot, 0)
	dotDot := entry{ino: parent, rec: entryMin, name: []byte(".."), fileType: fileType, pos: 1}
	s.checkDotDot(&dotDot, true)
	if parent != 0 {
		s.checkEntry(&dotDot, 0)
	}
}
