package audit

// This file goes through the inode tables, pass 1: which inodes are in use, and what is asked of those that have a number of their own.

import "encoding/binary"

// Inodes with fixed numbers.
const (
	badBlocksInode  = 1 // EXT4_BAD_INO
	rootInode       = 2
	userQuotaInode  = 3
	groupQuotaInode = 4
	bootLoaderInode = 5
	resizeInode     = 7
	journalInode    = 8
)

// scanBytes is how much of an inode table is read at once.
const scanBytes = 256 << 10

// tablePart is a piece of an inode table.
type tablePart struct {
	ino   uint32 // the first in it
	count uint32
	block uint64 // where it begins
}

// tableParts cuts up what is to be gone through: all tables, without the parts that descriptors say were never used.
func (c *checker) tableParts() []tablePart {
	s := c.sb
	var parts []tablePart
	step := max(uint32(scanBytes/s.blockSize), 1) * uint32(s.inodesPerBlock)
	for g := range c.groups {
		d := &c.groups[g]
		n := s.InodesPerGroup
		if s.groupCsum {
			if d.Flags&groupInodeUninit != 0 {
				continue
			}
			n -= min(n, d.ItableUnused)
		}
		first := uint32(g)*s.InodesPerGroup + 1
		for i := uint32(0); i < n; i += step {
			parts = append(parts, tablePart{first + i, min(step, n-i), d.InodeTable + uint64(i)/uint64(s.inodesPerBlock)})
		}
	}
	return parts
}

// scanInodes is pass 1.
func (c *checker) scanInodes() {
	c.checkBadBlocks()
	parts := c.tableParts()
	c.parallel(len(parts), func(w *worker, i int) { w.scanPart(parts[i]) })
	c.dirs.sort()
}

func (w *worker) scanPart(p tablePart) {
	size := w.c.sb.inodeSize
	if w.table == nil {
		w.table = make([]byte, max(scanBytes, w.c.sb.blockSize))
	}
	buf := w.table[:int(p.count)*size]
	if err := w.c.readBlocks(p.block, buf); err != nil {
		w.c.fail(err)
		return
	}
	for i := range p.count {
		if w.c.failed.Load() {
			return
		}
		w.scanInode(p.ino+i, buf[int(i)*size:][:size])
	}
}

func (w *worker) scanInode(ino uint32, raw []byte) {
	c := w.c
	if neverUsed(raw) {
		if c.reserved(ino) {
			c.setFacts(ino, kindOdd, 0, 0)
		}
		return
	}
	in := &w.in
	in.decode(ino, raw)
	sound := c.sb.checksumOK(in)
	if !sound {
		c.report(CodeInodeChecksum, inodeObject(ino), "the checksum does not match")
	}
	if in.Dtime != 0 && in.Dtime < c.sb.InodesCount && c.sb.dtimesAreTimes() {
		// A time so early is the next inode in the list of orphans.
		c.report(CodeOrphan, inodeObject(ino), "is part of a list of orphans")
	}
	if in.Links == 0 && ino >= c.sb.firstInode && !c.isQuotaNumber(ino) {
		if in.Dtime == 0 && in.Mode != 0 {
			c.report(CodeDeletedInode, inodeObject(ino), "has no links, and was not deleted")
		}
		return
	}
	if !c.checkSpecial(in, sound) {
		w.checkFlags(in)
		return
	}
	if !c.special(ino) && in.Dtime != 0 {
		c.report(CodeDeletedInode, inodeObject(ino), "has links, and a time of deletion")
	}
	w.checkInode(in)
}

// dtimesAreTimes says whether a time below the number of inodes cannot be one: not where the clock was wrong.
func (s *super) dtimesAreTimes() bool {
	for _, t := range [3]uint32{s.Wtime, s.Mtime, s.MkfsTime} {
		if t != 0 && t < s.InodesCount {
			return false
		}
	}
	return true
}

// isQuotaNumber says whether an inode's number is kept for quotas, whether there are any or not.
func (c *checker) isQuotaNumber(ino uint32) bool {
	return ino == userQuotaInode || ino == groupQuotaInode || ino == c.sb.QuotaInums[2]
}

// reserved says whether an inode is in use by its number alone.
func (c *checker) reserved(ino uint32) bool {
	return ino != rootInode && (ino < c.sb.firstInode || c.isQuotaNumber(ino))
}

// special says whether an inode is one that only the file system uses, so that nothing but its map is looked at.
func (c *checker) special(ino uint32) bool {
	s := c.sb
	switch {
	case ino == rootInode:
		return false
	case ino == journalInode:
		return s.JournalInum == journalInode
	case c.isQuotaNumber(ino):
		return s.hasRoCompat(roCompatQuota) && (ino == s.QuotaInums[0] || ino == s.QuotaInums[1] || ino == s.QuotaInums[2])
	case ino == s.OrphanFileInum:
		return s.hasCompat(compatOrphanFile)
	}
	return ino < s.firstInode
}

// checkSpecial looks at what is asked of an inode for its number's sake, and says whether it is in use as any other.
func (c *checker) checkSpecial(in *inode, sound bool) bool {
	ino, o := in.ino, inodeObject(in.ino)
	firstBlock := binary.LittleEndian.Uint32(in.Block)
	switch {
	case ino == rootInode:
		if !in.isDir() {
			c.report(CodeReservedInode, o, "the root is no directory")
		}
		if in.Dtime != 0 && in.Links != 0 {
			c.report(CodeReservedInode, o, "the root has a time of deletion")
		}
		return in.Links != 0
	case ino == badBlocksInode:
		c.setFacts(ino, kindOdd, in.Links, 0)
		if !sound || in.Mode != 0 || uint16(in.UID) != 0 || uint16(in.GID) != 0 || in.Links != 0 || in.has(flagInlineData) || uint32(in.FileACL) != 0 {
			c.report(CodeBadBlocksInode, o, "the list of bad blocks is no plain inode")
		}
		return true
	case ino == journalInode || c.isQuotaNumber(ino) || ino == c.sb.OrphanFileInum:
		c.setFacts(ino, kindOdd, in.Links, 0)
		if c.special(ino) {
			if !in.isRegular() {
				c.report(CodeReservedInode, o, "is no regular file, as the file system's own use of it wants")
			}
			return true
		}
		if in.Links != 0 || uint32(in.Blocks) != 0 || firstBlock != 0 {
			c.report(CodeReservedInode, o, "is not in use, and holds something")
		}
		return in.Links != 0
	case ino < c.sb.firstInode:
		c.setFacts(ino, kindOdd, in.Links, 0)
		switch {
		case ino == bootLoaderInode && in.isDir(),
			ino == resizeInode && in.Mode != 0 && !in.isRegular(),
			ino != bootLoaderInode && ino != resizeInode && in.Mode != 0:
			c.report(CodeReservedInode, o, "is reserved, and has mode 0%o", in.Mode)
		}
		return true
	}
	return true
}
