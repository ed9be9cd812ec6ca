package ext4

// This file finds out which blocks are bitmaps and inode tables. Without flex_bg each group has its own; with it they may be
// anywhere: together in the first group of some, all at the beginning (mke2fs -E packed_meta_blocks), or where resize2fs found room.

import (
	"cmp"
	"slices"

	"boringboot/ext4/internal/format"
)

// tablesIn lists the bitmaps and inode tables, and the block of multiple mount protection, that begin in the group or reach into it, in ascending order, neighbours joined. In
// a file system of more than eagerGroups groups only those of the group's own flex group are known.
func (tx *Tx) tablesIn(g Group) ([]blockRun, error) {
	first, end := tx.flexGroups(g)
	all := tx.groups <= eagerGroups && tx.groupsPerFlex > 1
	if all {
		first, end = 0, tx.groups
	}
	tables := tx.tables
	if tables == nil {
		var err error
		if tables, err = tx.tablesOf(first, end); err != nil {
			return nil, err
		}
		if all {
			tx.tables = tables
		}
	}
	start := tx.groupStart(g)
	from, _ := slices.BinarySearchFunc(tables, start, func(r blockRun, b FSBlock) int {
		if r.start+FSBlock(r.count) <= b {
			return -1
		}
		return 1
	})
	to := from
	for to < len(tables) && tables[to].start < start+FSBlock(tx.groupBlocks(g)) {
		to++
	}
	return tables[from:to], nil
}

// tablesOf are those of some groups. Two that overlap are an error.
func (tx *Tx) tablesOf(first, end Group) ([]blockRun, error) {
	var list []blockRun
	if tx.sb.HasIncompat(format.IncompatMMP) {
		list = append(list, blockRun{FSBlock(format.SMMPBlock.Get(tx.sb)), 1})
	}
	for g := first; g < end; g++ {
		d, err := tx.desc(g)
		if err != nil {
			return nil, err
		}
		list = append(list, blockRun{d.BlockBitmap(), 1}, blockRun{d.InodeBitmap(), 1}, blockRun{d.InodeTable(), tx.inodeTableBlocks()})
	}
	slices.SortFunc(list, func(a, b blockRun) int { return cmp.Compare(a.start, b.start) })
	joined := list[:1]
	for _, r := range list[1:] {
		last := &joined[len(joined)-1]
		next := last.start + FSBlock(last.count)
		switch {
		case r.start < next:
			return nil, corruptf("groups %d to %d: descriptors: block %d is named for two bitmaps or inode tables", first, end-1, r.start)
		case r.start == next && last.count < 1<<31 && r.count < 1<<31:
			last.count += r.count
		default:
			joined = append(joined, r)
		}
	}
	return joined, nil
}
