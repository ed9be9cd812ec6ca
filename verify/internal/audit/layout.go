package audit

// This file reads the group descriptors and marks the blocks that the file system uses itself.

// loadGroups reads and judges all descriptors. It says no where an error has ended the audit.
func (c *checker) loadGroups() bool {
	s := c.sb
	c.groups = make([]descriptor, s.groupCount)
	buf := make([]byte, s.blockSize)
	for n := range s.descBlocks {
		b := s.descBlock(n)
		if b >= s.BlocksCount {
			c.report(CodeDescriptor, Object{Superblock, 0}, "descriptors stand in block %d of %d", b, s.BlocksCount)
			return false
		}
		if err := c.readBlock(b, buf); err != nil {
			c.fail(err)
			return false
		}
		first := n * s.descsPerBlock
		for i := range min(s.descsPerBlock, s.groupCount-first) {
			g := first + i
			raw := buf[int(i)*s.descSize:][:s.descSize]
			c.groups[g].decode(raw)
			if sum, ok := s.descriptorChecksum(g, raw); ok && sum != c.groups[g].Checksum {
				c.groups[g].badChecksum = true
				// e2fsck -n mentions it and ends with 0; the kernel does not mount the file system.
				c.report(CodeDescriptorChecksum, groupObject(g), "the descriptor's checksum is 0x%04x, not 0x%04x", c.groups[g].Checksum, sum)
			}
		}
		if c.stopped() {
			return false
		}
	}
	sound := true
	for g := range s.groupCount {
		sound = c.checkDescriptor(g) && sound
	}
	return sound
}

// checkDescriptor looks at the places and at the counts that are impossible whatever is in use, and says whether the places are
// possible.
func (c *checker) checkDescriptor(g uint32) bool {
	s, d, o := c.sb, &c.groups[g], groupObject(g)
	first, last := uint64(s.FirstDataBlock), s.BlocksCount-1
	if !s.hasIncompat(incompatFlexBg) {
		first, last = s.groupStart(g), s.groupStart(g)+uint64(s.groupBlocks(g))-1
	}
	within := func(b, n uint64) bool { return b >= max(first, 1) && b <= last && n-1 <= last-b }
	sound := true
	impossible := func(format string, b uint64) {
		c.report(CodeDescriptor, o, format, b)
		sound = false
	}
	if !within(d.BlockBitmap, 1) {
		impossible("the block bitmap cannot be in block %d", d.BlockBitmap)
	}
	if !within(d.InodeBitmap, 1) {
		impossible("the inode bitmap cannot be in block %d", d.InodeBitmap)
	}
	if !within(d.InodeTable, uint64(s.itableBlocks)) {
		impossible("the inode table cannot begin at block %d", d.InodeTable)
	}
	if !s.groupCsum {
		if d.Flags&(groupBlockUninit|groupInodeUninit) != 0 || d.ItableUnused != 0 {
			c.warn(CodeDescriptor, o, "parts are marked as not initialised, which needs a checksum")
		}
		return sound
	}
	if g == s.groupCount-1 && d.Flags&groupBlockUninit != 0 {
		c.warn(CodeDescriptor, o, "the block bitmap of the last group is not initialised")
	}
	if d.ItableUnused > d.FreeInodes || d.ItableUnused > s.InodesPerGroup {
		c.warn(CodeDescriptor, o, "%d inodes were never used, and %d are free", d.ItableUnused, d.FreeInodes)
	}
	return sound
}

// markSystem marks what the file system uses itself. It says no where some of it lies on top of each other, or the audit has ended.
func (c *checker) markSystem() bool {
	s, sound := c.sb, true
	for g := range s.groupCount {
		if c.stopped() { // without sparse_super each group has a copy of all descriptors: there may be more of them than blocks
			return false
		}
		c.eachSuper(g, func(b, n uint64) { c.system.addRange(b, n, nil) })
	}
	mark := func(g uint32, what string, b, n uint64) {
		if !c.system.addRange(b, n, nil) {
			c.report(CodeOverlap, groupObject(g), "the %s, at block %d, lies on top of something else of the file system's own", what, b)
			sound = false
		}
	}
	for g := range s.groupCount {
		d := &c.groups[g]
		mark(g, "block bitmap", d.BlockBitmap, 1)
		mark(g, "inode bitmap", d.InodeBitmap, 1)
		mark(g, "inode table", d.InodeTable, uint64(s.itableBlocks))
	}
	if b := s.MMPBlock; s.hasIncompat(incompatMMP) && b > uint64(s.FirstDataBlock) && b < s.BlocksCount {
		c.taken.add(s.clusterOf(b)) // not a block of the system's: an inode that has it is not told apart from any other
	}
	c.system.eachRun(func(b, n uint64) {
		first, last := s.clusterOf(max(b, uint64(s.FirstDataBlock))), s.clusterOf(b+n-1)
		c.taken.addRange(first, last-first+1, nil)
	})
	return sound
}

// eachSuper calls f with the runs of blocks that hold a group's copies of the superblock and of descriptors, and those that are
// reserved for more of them.
func (c *checker) eachSuper(g uint32, f func(b, n uint64)) {
	s := c.sb
	b := s.groupStart(g)
	if b == 0 && s.blockSize == 1024 { // blocks of 1 KiB in clusters: the boot sectors and the superblock are two of them
		f(0, 1)
		b = 1
	}
	has := s.hasSuper(g)
	if has {
		f(b, 1)
		b++
	}
	old := uint64(s.descBlocks) + uint64(s.ReservedGDTBlocks)
	if s.hasIncompat(incompatMetaBg) {
		old = uint64(s.FirstMetaBg)
	}
	if meta := g / s.descsPerBlock; s.hasIncompat(incompatMetaBg) && meta >= s.FirstMetaBg {
		// The first two groups of a meta group and its last have its block of descriptors.
		if at := g % s.descsPerBlock; (at < 2 || at == s.descsPerBlock-1) && b < s.BlocksCount {
			f(b, 1)
		}
	} else if has && b < s.BlocksCount && old != 0 {
		f(b, min(old, s.BlocksCount-b))
	}
}
