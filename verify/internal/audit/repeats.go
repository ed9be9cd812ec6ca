package audit

// This file finds directories that have a block in several places.

import (
	"cmp"
	"slices"
)

// dropRepeats takes out of the runs what an earlier run has, and reports it. Each block is read once: a map of a few blocks can have
// all others thousands of times.
func (s *dirScan) dropRepeats() {
	if !overlap(s.d.runs) {
		return
	}
	s.c.report(CodeDirectory, s.object, "has the same block in several places")
	s.c.lostNames.set()
	seen := sparseSet{}
	var once []run
	for _, r := range s.d.runs {
		for i := range r.length {
			if !seen.add(r.physical + i) {
				continue
			}
			if last := len(once) - 1; i > 0 && last >= 0 && once[last].logical+once[last].length == r.logical+i {
				once[last].length++
			} else {
				once = append(once, run{logical: r.logical + i, physical: r.physical + i, length: 1})
			}
		}
		if s.c.stopped() {
			return
		}
	}
	s.d.runs = once
}

// overlap says whether runs have a block together.
func overlap(runs []run) bool {
	if len(runs) < 2 {
		return false
	}
	byBlock := slices.Clone(runs)
	slices.SortFunc(byBlock, func(a, b run) int { return cmp.Compare(a.physical, b.physical) })
	for i, r := range byBlock[1:] {
		if before := byBlock[i]; before.physical+before.length > r.physical {
			return true
		}
	}
	return false
}

// sparseSet is a set of numbers that costs what is in it: there may be as many directories as inodes, on a disk of any size.
type sparseSet map[uint64]*bitsetPage

// add puts one number in, and says whether it was new.
func (s sparseSet) add(n uint64) bool {
	page := s[n/pageBits]
	if page == nil {
		page = new(bitsetPage)
		s[n/pageBits] = page
	}
	word, mask := &page[n%pageBits/64], uint64(1)<<(n%64)
	had := *word & mask
	*word |= mask
	return had == 0
}
