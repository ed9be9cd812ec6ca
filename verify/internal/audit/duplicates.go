package audit

// This file finds all claimants of clusters that were claimed twice, by going through pass 1 once more.

import "sync"

// resolver collects them.
type resolver struct {
	twice *bitset
	mu    sync.Mutex
	found map[uint32]uint64 // the first such cluster of each inode that has any
}

func (r *resolver) claim(ino uint32, first, n uint64) {
	first, ok := r.twice.next(first, n)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if had, ok := r.found[ino]; !ok || first < had {
		r.found[ino] = first
	}
}

// resolveDuplicates names the inodes that have a cluster together. The second time around nothing but the claims counts, so it runs on
// a checker of its own: what passes 2 to 5 want to know, and the findings, are not collected again (checker.resolving says so).
func (c *checker) resolveDuplicates() {
	if !c.double.isSet() || c.sb.hasRoCompat(roCompatSharedBlocks) {
		return
	}
	again := &checker{ctx: c.ctx, disk: c.disk, size: c.size, sb: c.sb, groups: c.groups, workers: c.workers}
	again.initClaims()
	again.system = c.system
	again.resolving = &resolver{twice: c.twice, found: map[uint32]uint64{}}
	again.scanInodes()
	if again.failed.Load() {
		c.fail(again.err)
		return
	}
	for ino, cluster := range again.resolving.found {
		b := uint64(c.sb.FirstDataBlock) + cluster<<c.sb.clusterShift
		c.report(CodeClaimedTwice, inodeObject(ino), "block %d, which it uses, has another use", b)
	}
	if len(again.resolving.found) == 0 {
		c.twice.each(func(cluster uint64) {
			c.report(CodeClaimedTwice, Object{Block, uint64(c.sb.FirstDataBlock) + cluster<<c.sb.clusterShift}, "has two uses")
		})
	}
}
