package audit

// This file tests what a block of the file system's own is said to be for.

import (
	"math/rand/v2"
	"testing"
)

// TestSystemAreas compares each block's use with what a search through all groups says. With meta_bg there may be so many descriptors
// that all of them would reach into other groups.
func TestSystemAreas(t *testing.T) {
	for _, descBlocks := range []uint32{1, 3, 40} {
		s := &super{FirstDataBlock: 1, BlocksCount: 1601, BlocksPerGroup: 32, ClustersPerGroup: 32, groupCount: 50, descBlocks: descBlocks,
			itableBlocks: 3, FeatureRoCompat: roCompatSparseSuper}
		groups := make([]descriptor, 50)
		places := rand.New(rand.NewPCG(1, uint64(descBlocks))).Perm(320) // of five blocks each
		for g := range groups {
			at := 1 + 5*uint64(places[g])
			groups[g] = descriptor{BlockBitmap: at, InodeTable: at + 1, InodeBitmap: at + 4}
		}
		a := newSystemAreas(s, groups)
		for b := range s.BlocksCount {
			use, g := a.of(b)
			if wantUse, wantG := slowArea(s, groups, b); use != wantUse || use != areaNone && g != wantG {
				t.Fatalf("block %d with %d blocks of descriptors: use %d of group %d, want %d of group %d", b, descBlocks, use, g, wantUse, wantG)
			}
		}
	}
}

func slowArea(s *super, groups []descriptor, b uint64) (areaUse, uint32) {
	for g, d := range groups {
		first := s.groupStart(uint32(g))
		switch {
		case s.hasSuper(uint32(g)) && b >= first && b <= first+uint64(s.descBlocks):
			return areaSuper, uint32(g)
		case b == d.BlockBitmap || b == d.InodeBitmap:
			return areaBitmap, uint32(g)
		case b >= d.InodeTable && b < d.InodeTable+uint64(s.itableBlocks):
			return areaTable, uint32(g)
		}
	}
	return areaNone, 0
}
