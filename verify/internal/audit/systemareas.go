package audit

// This file says what a block of the file system's own is for.

import (
	"cmp"
	"slices"
	"sort"
)

// areaUse is such a purpose.
type areaUse uint8

const (
	areaNone areaUse = iota
	areaSuper
	areaBitmap
	areaTable
)

// systemAreas are the places of all groups, sorted: there may be as many questions as blocks, and millions of groups.
type systemAreas struct {
	s      *super
	supers []uint32     // groups with a copy of the superblock
	list   []systemArea // bitmaps and tables, which do not overlap, by their first block
}

type systemArea struct {
	first uint64
	group uint32
	use   areaUse
}

func newSystemAreas(s *super, groups []descriptor) *systemAreas {
	a := &systemAreas{s: s, list: make([]systemArea, 0, 3*len(groups))}
	for i := range groups {
		g, d := uint32(i), &groups[i]
		if s.hasSuper(g) {
			a.supers = append(a.supers, g)
		}
		a.list = append(a.list, systemArea{d.BlockBitmap, g, areaBitmap}, systemArea{d.InodeBitmap, g, areaBitmap}, systemArea{d.InodeTable, g, areaTable})
	}
	slices.SortFunc(a.list, func(x, y systemArea) int { return cmp.Compare(x.first, y.first) })
	return a
}

// of says what a block is for, and of which group. As e2fsck has it, all descriptors are behind each copy of the superblock; where that
// is not so and the place is another group's as well, the first of the two groups counts.
func (a *systemAreas) of(b uint64) (areaUse, uint32) {
	use, group := areaNone, ^uint32(0)
	if i := sort.Search(len(a.list), func(i int) bool { return a.list[i].first > b }) - 1; i >= 0 {
		x, size := a.list[i], uint64(1)
		if x.use == areaTable {
			size = uint64(a.s.itableBlocks)
		}
		if b-x.first < size {
			use, group = x.use, x.group
		}
	}
	descs := uint64(a.s.descBlocks)
	i := sort.Search(len(a.supers), func(i int) bool { return a.s.groupStart(a.supers[i])+descs >= b })
	if i < len(a.supers) && a.s.groupStart(a.supers[i]) <= b && a.supers[i] <= group {
		use, group = areaSuper, a.supers[i]
	}
	return use, group
}
