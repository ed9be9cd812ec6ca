package audit

// This file keeps who has which cluster: a set of those that are taken, and another of those that were claimed more than once.

import "sync/atomic"

// claims is what pass 1 finds of the use of blocks.
type claims struct {
	taken   *bitset       // clusters
	system  *bitset       // blocks of the file system's own: superblocks, descriptors, bitmaps, inode tables
	twice   *bitset       // clusters with more than one claimant
	double  lockedFlag    // there are such
	claimed atomic.Uint64 // how many were claimed so far
}

func (c *checker) initClaims() {
	clusters := c.sb.clusterCount()
	c.taken, c.twice, c.system = newBitset(clusters), newBitset(clusters), newBitset(c.sb.BlocksCount)
	c.shared = newBitset(c.sb.BlocksCount)
	c.facts = make([]atomic.Pointer[groupFacts], c.sb.groupCount)
}

// flood is how often all clusters together may be claimed before nobody counts any more: an image on which thousands of inodes have
// everything is damaged, and would take hours.
const flood = 8

// claim notes that inode ino uses the blocks b to b+n-1, whose bounds were checked. Where clusters have several blocks, an inode
// claims a cluster once.
func (c *checker) claim(ino uint32, b, n uint64) {
	if c.take(ino, b, n) {
		c.own(UseFile, ino, b, n)
	}
}

// take is claim without a memory of who it was. It says no where nobody counts any more.
func (c *checker) take(ino uint32, b, n uint64) bool {
	if n == 0 {
		return false
	}
	first, last := c.sb.clusterOf(b), c.sb.clusterOf(b+n-1)
	n = last - first + 1
	if c.claimed.Add(n) > flood*c.sb.clusterCount()+1<<20 {
		return false
	}
	if c.resolving != nil {
		c.resolving.claim(ino, first, n)
		return true
	}
	if !c.taken.addRange(first, n, c.twice) {
		c.double.set()
	}
	return true
}

// claimShared notes that inode ino uses block b, which others may use for the same purpose, and says whether it is the first.
// What else uses the block makes it claimed twice.
func (c *checker) claimShared(ino uint32, b uint64) (first bool) {
	c.own(UseAttributes, ino, b, 1)
	if c.resolving == nil && !c.shared.add(b) {
		return false
	}
	c.take(ino, b, 1)
	return true
}

// isSystem says whether a block is one of the file system's own.
func (c *checker) isSystem(b uint64) bool { return c.system.has(b) }

// isTaken says whether the cluster of a block is in use by anything.
func (c *checker) isTaken(b uint64) bool { return c.taken.has(c.sb.clusterOf(b)) }
