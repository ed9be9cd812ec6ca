package ext4

// This file chooses blocks for maps of indirect blocks, whose numbers have 32 bits: in a file system of more blocks than that they
// come from its first groups.

import (
	"math"

	"boringboot/ext4/internal/format"
)

// lowGroups is how many groups have only blocks that 32 bits can name (the kernel's s_blockfile_groups).
func (g *geometry) lowGroups() Group {
	return Group(min(uint64(g.groups), math.MaxUint32/uint64(g.blocksPerGroup)))
}

// allocFor is allocBlocks for what the map of n is to name.
func (tx *Tx) allocFor(n node, goal FSBlock, want uint32) (FSBlock, uint32, error) {
	if n.flag(format.InodeExtents) || !tx.hasMap(n) || tx.lowGroups() == tx.groups {
		return tx.allocBlocks(goal, want)
	}
	return tx.allocLow(goal, want)
}

// allocLow is allocBlocks within the low groups: the first place from goal's group on where all fit, else the longest.
func (tx *Tx) allocLow(goal FSBlock, want uint32) (FSBlock, uint32, error) {
	var home Group
	var at uint32
	if goal >= tx.firstDataBlock && goal < tx.groupStart(tx.lowGroups()) {
		home, at = tx.clusterOf(goal)
	}
	want = min(want, tx.blocksPerGroup)
	clusters := uint32(tx.roundedToClusters(uint64(want)) / uint64(tx.clusterBlocks))
	var best struct {
		group    Group
		first, n uint32
	}
	for i := range uint64(tx.lowGroups()) {
		g := Group((uint64(home) + i) % uint64(tx.lowGroups()))
		d, err := tx.desc(g)
		if err != nil {
			return 0, 0, err
		}
		if tx.state[g].bound(d) <= best.n {
			continue
		}
		s, err := tx.loadBlocks(g)
		if err != nil {
			return 0, 0, err
		}
		first, n := s.find(at, tx.groupClusters(g), clusters)
		at = 0
		tx.unload(g)
		if n > best.n {
			best.group, best.first, best.n = g, first, n
		}
		if n >= clusters {
			break
		}
	}
	if best.n == 0 {
		return 0, 0, &NoSpaceError{Resource: "blocks that 32 bits can name", Needed: uint64(want)}
	}
	best.n = min(best.n, clusters)
	if err := tx.setClusters(best.group, best.first, best.n, true); err != nil {
		return 0, 0, err
	}
	return tx.clusterStart(best.group, best.first), min(want, best.n*tx.clusterBlocks), nil
}
