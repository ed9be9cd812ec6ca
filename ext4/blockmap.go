package ext4

// This file is the one seam to both kinds of map from a file's blocks to the file system's: extent trees, and indirect blocks as
// ext2 and ext3 have them. Who reads or writes a file does not know which one it has.

import (
	"boringboot/ext4/internal/format"
)

// run is consecutive blocks of a file: on disk from start on, or a hole (start 0), or unwritten, which reads as a hole does.
type run struct {
	block FileBlock
	count uint32
	start FSBlock
}

// mapEnd is behind the last block that a file can have: their numbers have 32 bits.
const mapEnd = uint64(1) << 32

// hasMap tells whether i_block is a map: not in devices, pipes and sockets, in symlinks whose target is in i_block, and in what has
// its data in the inode.
func (v *view) hasMap(n node) bool {
	if n.flag(format.InodeInlineData) {
		return false
	}
	switch n.Type() {
	case format.ModeRegular, format.ModeDir:
		return true
	case format.ModeSymlink:
		return !v.fastSymlink(n)
	}
	return false
}

// lookup finds the run that fb is in, from fb on. A hole has at least one block, and may go on behind what is told.
func (v *view) lookup(n node, fb FileBlock) (run, error) {
	if n.flag(format.InodeInlineData) {
		return run{}, corruptf("inode %d: its data is in the inode, where blocks are needed", n.ino)
	}
	if n.flag(format.InodeExtents) {
		return v.lookupExtent(n, fb)
	}
	return v.lookupIndirect(n, fb)
}

// walkMap calls visit for each run of mapped blocks in ascending order, and own, if not nil, for each block of the map itself. The
// walk ends on every input.
func (v *view) walkMap(n node, visit func(format.Extent) error, own func(FSBlock) error) error {
	if n.flag(format.InodeExtents) {
		return v.walkExtents(n, visit, own)
	}
	return v.walkIndirect(n, visit, own)
}

// initMap makes i_block the empty map of a new file, and clears it where the type of file has none.
func (tx *Tx) initMap(n node) {
	format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)&^format.InodeExtents)
	clear(n.IBlock())
	switch n.Type() {
	case format.ModeRegular, format.ModeDir, format.ModeSymlink:
		if tx.sb.HasIncompat(format.IncompatExtents) {
			format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)|format.InodeExtents)
			format.ExtentNode(n.IBlock()).Init(0)
		}
	}
}

// mapBlocks maps blocks that are taken already to a hole of a file. It counts what blocks of the map it needs, not those of e. The
// inode is sealed by the caller; so it is below.
func (tx *Tx) mapBlocks(n node, e format.Extent) error {
	if n.flag(format.InodeExtents) {
		return tx.mapExtent(n, e)
	}
	return tx.mapIndirect(n, e)
}

// remap gives the file blocks from from up to end other blocks, or none: with, in ascending order and within these. What was mapped
// there is returned; it is neither freed nor counted. Blocks of the map are.
func (tx *Tx) remap(n node, from, end uint64, with []format.Extent) ([]format.Extent, error) {
	if n.flag(format.InodeExtents) {
		return tx.remapExtents(n, from, end, with)
	}
	old, err := tx.cutIndirect(n, from, end)
	if err != nil {
		return nil, err
	}
	for _, e := range with {
		if err := tx.mapIndirect(n, e); err != nil {
			return nil, err
		}
	}
	return old, nil
}

// unmapBlocks frees the file blocks from from up to end.
func (tx *Tx) unmapBlocks(n node, from, end uint64) error {
	old, err := tx.remap(n, from, end, nil)
	if err != nil {
		return err
	}
	runs := make([]run, len(old))
	for i, e := range old {
		runs[i] = run{e.Block, e.Len, e.Start}
	}
	return tx.freeFile(n, runs)
}

// dropBlocks gives up all blocks of a file and leaves it empty, with the map that a new one has.
func (tx *Tx) dropBlocks(n node) error {
	if tx.hasMap(n) {
		if err := tx.unmapBlocks(n, 0, mapEnd); err != nil {
			return err
		}
	}
	if n.flag(format.InodeInlineData) {
		if err := tx.dropInline(n); err != nil {
			return err
		}
	}
	tx.initMap(n)
	n.SetSize(0)
	return nil
}

// appendBlocks allocates count blocks and maps them to a hole from file block at on. visit is told of each run.
func (tx *Tx) appendBlocks(n node, at FileBlock, count uint32, visit func(run)) error {
	goal := tx.homeOf(n)
	if at > 0 {
		last, err := tx.lookup(n, at-1)
		if err != nil {
			return err
		}
		if last.start != 0 {
			goal = last.start + 1
		}
	}
	for count > 0 {
		r, err := tx.allocFile(n, at, count, goal)
		if err != nil {
			return err
		}
		if err := tx.mapBlocks(n, format.Extent{Block: at, Len: r.count, Start: r.start}); err != nil {
			return err
		}
		visit(r)
		at += FileBlock(r.count)
		count -= r.count
		goal = r.start + FSBlock(r.count)
	}
	return nil
}

// maxBytes is the largest size that a file of one kind of map or the other can have (ext4_max_size, ext4_max_bitmap_size): the last
// block number is not used, and without huge_file i_blocks counts 2^32-1 sectors.
func (tx *Tx) maxBytes(extents bool) uint64 {
	blocks := mapEnd - 1
	sectors := uint64(1)<<32 - 1
	if tx.sb.HasROCompat(format.ROCompatHugeFile) {
		sectors = 1<<48 - 1
	}
	room := sectors / uint64(tx.blockSize/512)
	if !extents {
		blocks = min(blocks, tx.indirectLimit())
		if blocks+tx.indirectBlocks([]blockRange{{0, blocks}}) > room {
			room -= tx.indirectBlocks([]blockRange{{0, room}})
		}
	}
	return min(blocks, room) * uint64(tx.blockSize)
}

// blockRange is the blocks of a file from from up to end.
type blockRange struct{ from, end uint64 }
