package audit

// This file recognises directories whose i_mode has been damaged.

import "encoding/binary"

// checkLooksLikeDirectory reports what is no directory, file or symlink by its mode, and whose contents begin like a directory's.
func (w *worker) checkLooksLikeDirectory(in *inode) {
	c, s := w.c, w.c.sb
	if in.isDir() || in.isRegular() || in.isSymlink() || allZero(in.Block[:4]) {
		return
	}
	block := uint64(binary.LittleEndian.Uint32(in.Block))
	switch {
	case s.hasIncompat(incompatInlineData) && in.has(flagInlineData):
		if w.inlineLooksLikeDirectory(in) {
			c.report(CodeInode, inodeObject(in.ino), "its mode (%#o) is not a directory's, and its contents are", in.Mode)
		}
		return
	case s.hasIncompat(incompatExtents) && in.has(flagExtents):
		b, ok, err := w.blockAtStart(in)
		if err != nil {
			c.fail(err)
		}
		if !ok {
			return
		}
		block = b
	default:
		beyond := false // blocks that no device has
		for i := 0; i < iblockSize; i += 4 {
			b := uint64(binary.LittleEndian.Uint32(in.Block[i:]))
			if b == 0 {
				continue
			}
			if !c.validBlock(b) || c.isSystem(b) {
				return
			}
			beyond = beyond || i >= 16
		}
		if kind := kindOf(in.Mode); (kind == kindChar || kind == kindBlock) && in.Links == 1 && !beyond {
			return
		}
	}
	if !c.validBlock(block) {
		return
	}
	if err := c.readBlock(block, w.buf); err != nil {
		c.fail(err)
		return
	}
	if startsLikeDirectory(w.buf, in.ino) {
		c.report(CodeInode, inodeObject(in.ino), "its mode (%#o) is not a directory's, and its contents are", in.Mode)
	}
}

// startsLikeDirectory looks for "." and ".." at the start of a block.
func startsLikeDirectory(block []byte, ino uint32) bool {
	recLen := int(binary.LittleEndian.Uint16(block[4:]))
	if binary.LittleEndian.Uint32(block) != ino || block[6] != 1 || block[8] != '.' || recLen < 12 || recLen%4 != 0 || recLen >= len(block)-12 {
		return false
	}
	second := block[recLen:]
	recLen = int(binary.LittleEndian.Uint16(second[4:]))
	return second[6] == 2 && second[8] == '.' && second[9] == '.' && recLen >= 12 && recLen%4 == 0
}

// inlineLooksLikeDirectory looks at the parent's number and the first entry, as inline data has them.
func (w *worker) inlineLooksLikeDirectory(in *inode) bool {
	size, _, err := w.inlineAttribute(in)
	if err != nil {
		if isIO(err) {
			w.c.fail(err)
		}
		return false
	}
	if (iblockSize+size)&3 != 0 {
		return false
	}
	s := w.c.sb
	possible := func(ino, allowed uint32) bool { return ino < s.InodesCount && (ino >= s.firstInode || ino == allowed) }
	return possible(binary.LittleEndian.Uint32(in.Block), rootInode) && possible(binary.LittleEndian.Uint32(in.Block[4:]), 0) &&
		int(binary.LittleEndian.Uint16(in.Block[8:])) <= iblockSize-4
}

// blockAtStart returns where the first block of a file with extents is.
func (w *worker) blockAtStart(in *inode) (b uint64, ok bool, err error) {
	node := extentNode(in.Block)
	if !node.headerOK() {
		return 0, false, nil
	}
	for depth := node.depth(); node.entries() > 0; depth-- {
		if depth == 0 {
			r := node.extent(0)
			return r.physical, r.logical == 0 && r.length > 0, nil
		}
		child := node.child(0)
		if !w.c.validBlock(child) || depth > maxExtentDepth {
			return 0, false, nil
		}
		if err := w.c.readBlock(child, w.buf); err != nil {
			return 0, false, err
		}
		if node = extentNode(w.buf); !node.headerOK() {
			return 0, false, nil
		}
	}
	return 0, false, nil
}
