package ext4

// This file compares an inode's counts with what its map has.

import (
	"slices"

	"boringboot/ext4/internal/format"
)

// checkMapped: i_blocks counts the clusters of the data, of the map itself and of extended attributes; none of them is there twice;
// a directory has all blocks that its size says and no others.
func (v *view) checkMapped(n node) error {
	if n.flag(format.InodeInlineData) {
		return v.checkInline(n)
	}
	if !v.hasMap(n) {
		return nil
	}
	runs, data, end, err := v.clustersOf(n)
	if err != nil {
		return err
	}
	blocks := uint64(0)
	for _, r := range runs {
		blocks += uint64(r.count)
	}
	if err := checkDistinct(n, runs); err != nil {
		return err
	}
	attributes, err := v.xattrBlocks(n)
	if err != nil {
		return err
	}
	blocks += attributes
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

// clustersOf lists the clusters that a file's map takes, each once: those of its data blocks and of its own. end is behind the last
// file block.
func (v *view) clustersOf(n node) (runs []blockRun, data, end uint64, err error) {
	c := clusterList{v: v, n: n}
	err = v.walkMap(n, func(e format.Extent) error {
		data += uint64(e.Len)
		end = uint64(e.Block) + uint64(e.Len)
		return c.add(e)
	}, func(b FSBlock) error {
		c.runs = append(c.runs, blockRun{b &^ FSBlock(v.clusterBlocks-1), v.clusterBlocks})
		return nil
	})
	return c.runs, data, end, err
}

// clusterList is the clusters of a file's extents, each once.
type clusterList struct {
	v    *view
	n    node
	runs []blockRun
	last struct{ file, disk uint64 } // where the last cluster ends, in blocks
}

// add lists the clusters of the next extent but for one that the last extent has, too. A cluster of the file is one on disk.
func (c *clusterList) add(e format.Extent) error {
	ratio := uint64(c.v.clusterBlocks)
	file, disk, count := uint64(e.Block), uint64(e.Start), uint64(e.Len)
	lead := file % ratio
	if disk%ratio != lead || lead != 0 && file < c.last.file && disk-lead+ratio != c.last.disk {
		return corruptf("inode %d: file block %d at block %d, which is elsewhere in its cluster", c.n.ino, e.Block, e.Start)
	}
	file, disk, count = file-lead, disk-lead, count+lead
	if file < c.last.file {
		file, disk, count = file+ratio, disk+ratio, count-min(ratio, count)
	}
	if count = c.v.roundedToClusters(count); count > 0 {
		c.runs = append(c.runs, blockRun{FSBlock(disk), uint32(count)})
		c.last.file, c.last.disk = file+count, disk+count
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
