package audit

// This file is the second half of pass 5: the counters against the bitmaps.

func (c *checker) checkCounters(counts []counted) {
	s := c.sb
	var freeBlocks, freeInodes uint64
	for g := range counts {
		n, d, o := counts[g], &c.groups[g], groupObject(uint32(g))
		freeBlocks += uint64(n.freeClusters) << s.clusterShift
		freeInodes += uint64(n.freeInodes)
		if n.freeClusters != d.FreeBlocks {
			c.report(CodeCounters, o, "%d clusters are said to be free, and %d are", d.FreeBlocks, n.freeClusters)
		}
		if n.freeInodes != d.FreeInodes {
			c.report(CodeCounters, o, "%d inodes are said to be free, and %d are", d.FreeInodes, n.freeInodes)
		}
		if n.dirs != d.UsedDirs {
			c.report(CodeCounters, o, "%d directories are said to be there, and %d are", d.UsedDirs, n.dirs)
		}
	}
	// The superblock's counters are written when it suits, and the kernel counts anew when it mounts.
	o := Object{Superblock, 0}
	if freeBlocks != s.FreeBlocksCount {
		c.warn(CodeCounters, o, "%d blocks are said to be free, and %d are", s.FreeBlocksCount, freeBlocks)
	}
	if freeInodes != uint64(s.FreeInodesCount) {
		c.warn(CodeCounters, o, "%d inodes are said to be free, and %d are", s.FreeInodesCount, freeInodes)
	}
	c.freeBlocks, c.freeInodes = freeBlocks, freeInodes
}
