package audit

// This file keeps who has which cluster: a set of those that are taken, and another of those that were claimed more than once.

import "sync/atomic"

// claims is what pass 1 finds of the use of blocks.
type claims struct {
	taken  *bitset // clusters
	system *bitset // blocks of the file system's own: superblocks, descriptors, bitmaps, inode tables
	twice  *bitset // clusters with more than one claimant
	double lockedFlag
}

func (c *checker) initClaims() {
	clusters := c.sb.clusterCount()
	c.claims = claims{taken: newBitset(clusters), system: newBitset(c.sb.BlocksCount), twice: newBitset(clusters)}
	c.shared = newBitset(c.sb.BlocksCount)
	c.facts = make([]atomic.Pointer[groupFacts], c.sb.groupCount)
}

// claim notes that inode ino uses the blocks b to b+n-1, whose bounds were checked. Where clusters have several blocks, an inode
// may use several of them: then it claims each cluster once, by claimCluster.
func (c *checker) claim(ino uint32, b, n uint64) {
	if n == 0 {
		return
	}
	first, last := c.sb.clusterOf(b), c.sb.clusterOf(b+n-1)
	if c.resolving != nil {
		for cl := first; cl <= last; cl++ {
			c.resolving.claimant(ino, cl)
		}
		return
	}
	c.taken.addRange(first, last-first+1, c.claimedTwice)
}

// claimCluster notes that inode ino uses the cluster of block b.
func (c *checker) claimCluster(ino uint32, b uint64) { c.claim(ino, b, 1) }

// claimShared notes that inode ino uses block b, which others may use for the same purpose, and says whether it is the first.
// What else uses the block makes it claimed twice.
func (c *checker) claimShared(ino uint32, b uint64) (first bool) {
	if c.resolving != nil {
		c.resolving.claimant(ino, c.sb.clusterOf(b))
		return true
	}
	if !c.shared.add(b) {
		return false
	}
	c.claim(ino, b, 1)
	return true
}

func (c *checker) claimedTwice(cluster uint64) {
	c.twice.add(cluster)
	c.double.set()
}

// isSystem says whether a block is one of the file system's own.
func (c *checker) isSystem(b uint64) bool { return c.system.has(b) }

// isTaken says whether the cluster of a block is in use by anything.
func (c *checker) isTaken(b uint64) bool { return c.taken.has(c.sb.clusterOf(b)) }
