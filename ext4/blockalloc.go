package ext4

// This file chooses blocks: one run where there is one that is long enough, near a goal if it can be, anywhere else before a file
// is split. What is known of a group's free space only shrinks while a transaction lasts, because nothing that it frees is
// used again; so no part of a bitmap has to be searched twice for the same.

import (
	"boringboot/ext4/internal/format"
)

// freeSpace is what searches of one group have found out. Lengths are in clusters.
type freeSpace struct {
	known   bool
	longest uint32                // if known: no free run is longer
	from    [shortRuns + 1]uint32 // no run of at least n clusters begins before from[n]
}

// shortRuns is up to how many clusters places are remembered for each length.
const shortRuns = 8

// bound is at most how many consecutive clusters a group has free.
func (s *groupState) bound(d format.GroupDesc) uint32 {
	if s != nil && s.space.known {
		return min(s.space.longest, d.FreeBlocks())
	}
	return d.FreeBlocks()
}

// find looks for want consecutive free clusters in a group of end clusters, from cluster at on if that is not 0 and then from
// its beginning on; else it gives the longest run there is.
func (s *groupState) find(at, end, want uint32) (first, n uint32) {
	f := &s.space
	begin := f.from[min(want, shortRuns)]
	if at > begin {
		if first, n = s.taken.run(at, end, want); n == want {
			return first, n
		}
	}
	if first, n = s.taken.run(begin, end, want); n < want {
		// Shorter than asked for, but they may lie before begin, too.
		if begin > f.from[0] {
			first, n = s.taken.run(f.from[0], end, want)
		}
		f.known, f.longest = true, n
		return first, n
	}
	for k := want; k <= shortRuns; k++ {
		f.from[k] = max(f.from[k], first)
	}
	return first, n
}

// searched remembers that from a home group on, no group before the one that is skip groups behind it has a run of want.
type searched struct {
	want uint32
	skip Group
}

// allocBlocks takes up to want consecutive blocks, at least one, and gives the first and how many. It begins at goal if that is
// free, near it if it can, and takes fewer than want only where no group has as many together. The first block is the first of
// a cluster; with bigalloc the clusters that the blocks lie in are taken whole. What belongs to a file is taken through
// allocFile and allocMeta, which count it and know where in a cluster a file's block has to be.
func (tx *Tx) allocBlocks(goal FSBlock, want uint32) (FSBlock, uint32, error) {
	if goal < tx.firstDataBlock || goal >= tx.blocks {
		goal = tx.firstDataBlock
	}
	want = min(want, format.MaxExtentLen)
	clusters := min(uint32(tx.roundedToClusters(uint64(want))/uint64(tx.clusterBlocks)), tx.clustersPerGroup())
	if tx.freeBlocks() == 0 {
		return 0, 0, &NoSpaceError{Resource: "blocks", Needed: uint64(want)}
	}
	home, at := tx.clusterOf(goal)
	var g Group
	var first, n uint32
	var err error
	if !tx.longest.known || clusters <= tx.longest.n {
		g, first, n, err = tx.findWhole(home, at, clusters)
	}
	if err == nil && n == 0 {
		g, first, n, err = tx.findLongest(home)
	}
	if err != nil {
		return 0, 0, err
	}
	if n == 0 {
		return 0, 0, &NoSpaceError{Resource: "blocks", Needed: uint64(want), Free: tx.freeBlocks()}
	}
	n = min(n, clusters)
	if err := tx.setClusters(g, first, n, true); err != nil {
		return 0, 0, err
	}
	return tx.clusterStart(g, first), min(want, n*tx.clusterBlocks), nil
}

// findWhole looks for want clusters together in the goal's group and the ones that follow. n is 0 where there are none.
func (tx *Tx) findWhole(home Group, at, want uint32) (g Group, first, n uint32, err error) {
	skip := Group(0)
	if m := tx.searched[home]; m.skip > 0 && want >= m.want {
		skip = m.skip
	}
	for ; skip < tx.groups; skip++ {
		g := Group((uint64(home) + uint64(skip)) % uint64(tx.groups))
		d, err := tx.desc(g)
		if err != nil {
			return 0, 0, 0, err
		}
		if tx.state[g].bound(d) < want {
			continue
		}
		s, err := tx.loadBlocks(g)
		if err != nil {
			return 0, 0, 0, err
		}
		if g != home {
			at = 0
		}
		if first, n := s.find(at, tx.groupClusters(g), want); n == want {
			tx.searched[home] = searched{want, skip}
			return g, first, n, nil
		}
		tx.unload(g)
	}
	tx.searched[home] = searched{want, tx.groups}
	return 0, 0, 0, nil
}

// unload forgets a bitmap that nothing was taken from: what was found out of its free space is kept.
func (tx *Tx) unload(g Group) {
	if s := tx.state[g]; s.bits == nil && !s.kept {
		s.taken, s.meta = nil, nil
	}
}

// findLongest looks for the longest free run of all, the nearest where there are several. n is 0 where nothing is free.
func (tx *Tx) findLongest(home Group) (best Group, first, n uint32, err error) {
	for i := range uint64(tx.groups) {
		g := Group((uint64(home) + i) % uint64(tx.groups))
		d, err := tx.desc(g)
		if err != nil {
			return 0, 0, 0, err
		}
		bound := tx.state[g].bound(d)
		if bound <= n {
			continue
		}
		s, err := tx.loadBlocks(g)
		if err != nil {
			return 0, 0, 0, err
		}
		if at, k := s.find(0, tx.groupClusters(g), bound); k > n {
			best, first, n = g, at, k
		}
		tx.unload(g)
		if tx.longest.known && n == tx.longest.n {
			break // there is no longer one
		}
	}
	tx.longest.known, tx.longest.n = true, n
	return best, first, n, nil
}

// freeBlocks is what can still be allocated: blocks that this transaction freed cannot.
func (tx *Tx) freeBlocks() uint64 { return tx.sb.FreeBlocks() - min(tx.frozen, tx.sb.FreeBlocks()) }

// blockRun is consecutive blocks on disk.
type blockRun struct {
	start FSBlock
	count uint32
}

// release frees the clusters that n blocks lie in; nothing else may be in them. The blocks are overwritten with zeros by the
// commit, so that what they held leaves no trace, and not allocated again before: until the commit is durable the old state
// still refers to them.
func (tx *Tx) release(start FSBlock, n uint32) error {
	if !tx.validRange(start, uint64(n)) {
		return corruptf("block %d to %d: a file has blocks that are not there", start, uint64(start)+uint64(n)-1)
	}
	for n > 0 {
		g, first := tx.groupOf(start)
		part := min(n, tx.groupBlocks(g)-first)
		s, err := tx.loadBlocks(g)
		if err != nil {
			return err
		}
		cluster, count := tx.clusterRange(first, part)
		for _, m := range s.meta {
			if cluster < m.first+m.n && m.first < cluster+count {
				return corruptf("block %d to %d: a file has blocks that hold metadata of group %d", start, start+FSBlock(part)-1, g)
			}
		}
		if err := tx.setClusters(g, cluster, count, false); err != nil {
			return err
		}
		tx.giveUp(start, part)
		start += FSBlock(part)
		n -= part
	}
	return nil
}

// giveUp has the commit overwrite blocks that a file has given up, and forgets what was to be written to them.
func (tx *Tx) giveUp(start FSBlock, n uint32) {
	tx.leavesTraces()
	tx.freed = append(tx.freed, blockRun{start, n})
	tx.data.drop(start, n)
	for i := range n {
		tx.over.Discard(start + FSBlock(i))
	}
}
