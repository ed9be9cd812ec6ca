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
	var kinds [3][]blockRun // those of neighbouring groups mostly follow each other, so few runs are left to be sorted
	for g := first; g < end; g++ {
		d, err := tx.desc(g)
		if err != nil {
			return nil, err
		}
		kinds[0] = appendRun(kinds[0], blockRun{d.BlockBitmap(), 1})
		kinds[1] = appendRun(kinds[1], blockRun{d.InodeBitmap(), 1})
		kinds[2] = appendRun(kinds[2], blockRun{d.InodeTable(), tx.inodeTableBlocks()})
	}
	list = append(list, slices.Concat(kinds[:]...)...)
	slices.SortFunc(list, func(a, b blockRun) int { return cmp.Compare(a.start, b.start) })
	joined := list[:0]
	for _, r := range list {
		if k := len(joined); k > 0 && r.start < joined[k-1].start+FSBlock(joined[k-1].count) {
			return nil, corruptf("groups %d to %d: descriptors: block %d is named for two bitmaps or inode tables", first, end-1, r.start)
		}
		joined = appendRun(joined, r)
	}
	return joined, nil
}

// appendRun appends a run to a list, or to its last run if it follows that.
func appendRun(list []blockRun, r blockRun) []blockRun {
	if k := len(list); k > 0 {
		if last := &list[k-1]; last.start+FSBlock(last.count) == r.start && last.count < 1<<31 && r.count < 1<<31 {
			last.count += r.count
			return list
		}
	}
	return append(list, r)
}
