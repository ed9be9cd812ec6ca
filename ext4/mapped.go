package ext4

// This file compares an inode's counts with what its map has.

import (
	"slices"

	"boringboot/ext4/internal/format"
)

// checkMapped: i_blocks counts the blocks of the data, of the map itself and of extended attributes; none of them is there twice; a
// directory has all blocks that its size says and no others.
func (v *view) checkMapped(n node) error {
	if !v.hasMap(n) {
		return nil
	}
	var data, own, end uint64
	var runs []blockRun
	err := v.walkMap(n, func(e format.Extent) error {
		data += uint64(e.Len)
		end = uint64(e.Block) + uint64(e.Len)
		runs = append(runs, blockRun{e.Start, e.Len})
		return nil
	}, func(b FSBlock) error {
		own++
		runs = append(runs, blockRun{b, 1})
		return nil
	})
	if err != nil {
		return err
	}
	if err := checkDistinct(n, runs); err != nil {
		return err
	}
	attributes, err := v.xattrBlocks(n)
	if err != nil {
		return err
	}
	blocks := data + own + attributes
	if !n.flag(format.InodeHugeFile) {
		blocks *= uint64(v.blockSize / 512)
	}
	if n.RawBlocks() != blocks {
		return corruptf("inode %d: i_blocks is %d, what it maps makes %d", n.ino, n.RawBlocks(), blocks)
	}
	if n.Type() == format.ModeDir && (end*uint64(v.blockSize) != n.Size() || data != end) {
		return corruptf("inode %d: a directory of %d bytes that has %d blocks, the last of them before block %d", n.ino, n.Size(), data, end)
	}
	return nil
}

// checkDistinct: no block is in two of the runs.
func checkDistinct(n node, runs []blockRun) error {
	slices.SortFunc(runs, func(a, b blockRun) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	for i := 1; i < len(runs); i++ {
		if before := runs[i-1]; before.start+FSBlock(before.count) > runs[i].start {
			return corruptf("inode %d: block %d is in its map twice", n.ino, runs[i].start)
		}
	}
	return nil
}
