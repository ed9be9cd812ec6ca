package audit

// This file holds i_size and i_blocks against the map.

// maxMapped is how many bytes a map by blocks reaches: twelve blocks and three trees of one to three levels.
func (s *super) maxMapped() uint64 {
	n := uint64(s.blockSize / 4)
	return (directBlocks + n + n*n + n*n*n) << (10 + s.LogBlockSize)
}

// checkSizes holds the sizes of the inode in hand, whose map was followed to its end.
func (w *worker) checkSizes(ibody, block eaUse) {
	c, s, k := w.c, w.c.sb, &w.contents
	in := k.in
	o := inodeObject(in.ino)
	if k.dir && k.clusters == 0 && !in.has(flagInlineData) {
		c.report(CodeInodeSize, o, "a directory without blocks")
		return
	}
	w.countUsage(in, k.clusters, ibody.inodes+block.inodes)
	if !in.isSymlink() { // their size was held against the target
		w.checkSize()
	}
	const largeFile = 1 << 31
	if in.isRegular() && in.Size >= largeFile {
		c.largeFiles.set()
	}
	if k.dir && in.has(flagIndex) && in.Size >= largeFile {
		c.largeDirs.set()
	}
	w.checkBlockCount()
	// e2fsck takes i_blocks less the attributes' block for the count of data blocks, without a sign.
	data := s.usedBlocks(in)
	if uint32(in.FileACL) != 0 {
		data -= 1 << (s.clusterShift + 1 + s.LogBlockSize)
	}
	if s.hasRoCompat(roCompatBigalloc) && (in.isRegular() || k.dir) && data != 0 && (in.ino == rootInode || in.ino >= s.firstInode) &&
		!in.has(flagExtents|flagInlineData) {
		c.report(CodeMap, o, "has no extents, which all files have to with bigalloc")
	}
}

// checkSize holds i_size.
func (w *worker) checkSize() {
	c, s, k := w.c, w.c.sb, &w.contents
	in := k.in
	o := inodeObject(in.ino)
	bits := 10 + s.LogBlockSize
	if k.dir {
		blocks, mapped := uint64(uint32(in.Size>>bits)), k.last+1
		switch {
		case in.has(flagInlineData):
			size, _, err := w.inlineAttribute(in)
			switch {
			case isIO(err):
				c.fail(err)
			case err != nil:
				c.report(CodeInlineData, o, "its inline data cannot be read: %v", err)
			case in.Size != iblockSize+uint64(size):
				c.report(CodeInodeSize, o, "i_size is %d, and there are %d bytes of inline data", in.Size, iblockSize+size)
			}
		case in.Size&uint64(s.blockSize-1) != 0:
			c.report(CodeInodeSize, o, "i_size of a directory is %d, not in whole blocks", in.Size)
		case blocks > mapped, mapped-blocks > uint64(s.PreallocDirBlocks):
			c.report(CodeInodeSize, o, "i_size is %d, and there are %d blocks", in.Size, mapped)
		}
		return
	}
	extents := s.hasIncompat(incompatExtents) && in.has(flagExtents)
	switch {
	case k.written >= 0 && in.Size < uint64(k.written)<<bits && !in.has(flagVerity):
		c.report(CodeInodeSize, o, "i_size is %d, and logical block %d is written", in.Size, k.written)
	case !extents && in.Size > s.maxMapped():
		c.report(CodeInodeSize, o, "i_size is %d, more than a map by blocks reaches", in.Size)
	case extents && in.Size > 1<<(32+bits)-1:
		c.report(CodeInodeSize, o, "i_size is %d, more than extents reach", in.Size)
	}
}

// checkBlockCount holds i_blocks: in sectors, or in blocks where the inode says so; always whole clusters.
func (w *worker) checkBlockCount() {
	c, s, k := w.c, w.c.sb, &w.contents
	in := k.in
	if s.CreatorOS == osHurd {
		return
	}
	huge := s.hasRoCompat(roCompatHugeFile) && in.has(flagHugeFile)
	want := k.clusters << s.clusterShift
	if !huge {
		want <<= 1 + s.LogBlockSize
	}
	// A count in blocks that needs the upper half is more than any file has: e2fsck never leaves one.
	if got := s.usedBlocks(in); got != want || huge && in.blocksHigh != 0 {
		c.report(CodeInodeBlocks, inodeObject(in.ino), "i_blocks is %d, and %d are in use", got, want)
	}
}
