package ext4

// This file compares an inode's counts with what its extents map.

import (
	"boringboot/ext4/internal/format"
)

// checkMapped: i_blocks counts the blocks of the data, of the extent tree and of extended attributes; a directory has all blocks
// that its size says and no others. Files of indirect blocks are not looked at: they are not written.
func (v *view) checkMapped(n node) error {
	if !n.flag(format.InodeExtents) {
		return nil
	}
	var blocks, end uint64
	if n.FileACL() != 0 {
		blocks++
	}
	err := v.walkExtents(n, func(e format.Extent) error {
		blocks += uint64(e.Len)
		end = uint64(e.Block) + uint64(e.Len)
		return nil
	}, func(FSBlock) error { blocks++; return nil })
	if err != nil {
		return err
	}
	if !n.flag(format.InodeHugeFile) {
		blocks *= uint64(v.blockSize / 512)
	}
	if n.RawBlocks() != blocks {
		return corruptf("inode %d: i_blocks is %d, its extents make %d", n.ino, n.RawBlocks(), blocks)
	}
	if n.Type() == format.ModeDir && end*uint64(v.blockSize) != n.Size() {
		return corruptf("inode %d: a directory of %d bytes whose extents end at block %d", n.ino, n.Size(), end)
	}
	return nil
}
