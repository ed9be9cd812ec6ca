package audit

// This file judges symlinks: their target is in i_block, in one block, or inline data.

import (
	"bytes"
	"encoding/binary"
)

// checkSymlink judges a symlink. It says no where e2fsck looks at nothing else of it.
func (w *worker) checkSymlink(in *inode) (contents bool) {
	if problem := w.symlinkProblem(in); problem != "" {
		w.oddity(CodeSymlink, "%s", problem)
		return true
	}
	w.checkImmutable(in)
	return !in.has(flagInlineData)
}

// symlinkProblem says what is wrong with a symlink.
func (w *worker) symlinkProblem(in *inode) string {
	c := w.c
	switch {
	case in.Size == 0 || in.sizeHigh != 0:
		return "the size of the target is impossible"
	case in.has(flagIndex):
		return "a symlink with a hash tree"
	}
	if in.has(flagInlineData) {
		size, _, err := w.inlineAttribute(in)
		switch {
		case isIO(err):
			c.fail(err)
		case err != nil:
			return "the target is inline data, which cannot be read"
		case in.has(flagExtents):
			return "a symlink with inline data and extents"
		case in.Size != iblockSize+uint64(size):
			return "the target is inline data of another size"
		}
		return ""
	}
	area := in.Block
	if in.Size < iblockSize {
		if in.has(flagExtents) {
			return "the target is in the inode, which is marked as having extents"
		}
	} else {
		b, ok := targetBlock(in)
		if !ok || !c.validBlock(b) {
			return "the target is not in one block"
		}
		if err := c.readBlock(b, w.buf); err != nil {
			c.fail(err)
			return ""
		}
		area = w.buf
	}
	size := bytes.IndexByte(area, 0)
	if in.has(flagEncrypt) {
		size = int(binary.LittleEndian.Uint16(area)) + 2 // the encrypted target has its length before it
	}
	switch {
	case size < 0 || size >= len(area):
		return "the target has no end"
	case uint64(size) != in.Size:
		return "i_size is not the length of the target"
	}
	return ""
}

// targetBlock returns the one block of a symlink's map.
func targetBlock(in *inode) (uint64, bool) {
	if in.has(flagExtents) {
		node := extentNode(in.Block)
		if allZero(in.Block) || !node.headerOK() || node.depth() != 0 || node.entries() != 1 {
			return 0, false
		}
		r := node.extent(0)
		return r.physical, r.logical == 0 && r.length == 1
	}
	return uint64(binary.LittleEndian.Uint32(in.Block)), allZero(in.Block[4:])
}
