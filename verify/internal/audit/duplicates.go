package audit

// This file finds all claimants of clusters that were claimed twice, by going through pass 1 once more.

import "sync"

// resolver collects them.
type resolver struct {
	twice *bitset
	mu    sync.Mutex
	found map[uint32]*claimant
}

// claimant is an inode with clusters that others use, too. There are no more of them than inodes in use.
type claimant struct {
	first uint64 // cluster
	count uint64
}

func (r *resolver) claimant(ino uint32, cluster uint64) {
	if !r.twice.has(cluster) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.found[ino]
	if x == nil {
		x = &claimant{first: cluster}
		r.found[ino] = x
	}
	x.first = min(x.first, cluster)
	x.count++
}

// resolveDuplicates names the inodes that have a cluster together. The second time around everything but the claims is forgotten,
// so it runs on a checker of its own.
func (c *checker) resolveDuplicates() {
	if !c.double.isSet() || c.sb.hasRoCompat(roCompatSharedBlocks) {
		return
	}
	again := &checker{ctx: c.ctx, disk: c.disk, size: c.size, sb: c.sb, groups: c.groups, workers: c.workers}
	again.initClaims()
	again.system = c.system
	again.resolving = &resolver{twice: c.twice, found: map[uint32]*claimant{}}
	again.scanInodes()
	if again.failed.Load() {
		c.fail(again.err)
		return
	}
	for ino, x := range again.resolving.found {
		b := uint64(c.sb.FirstDataBlock) + x.first<<c.sb.clusterShift
		c.report(CodeClaimedTwice, inodeObject(ino), "uses %d clusters that have another use, the first at block %d", x.count, b)
	}
	if len(again.resolving.found) == 0 {
		c.twice.each(func(cluster uint64) {
			c.report(CodeClaimedTwice, Object{Block, uint64(c.sb.FirstDataBlock) + cluster<<c.sb.clusterShift}, "has two uses")
		})
	}
}
