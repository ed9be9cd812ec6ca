package audit

// This file is pass 4: as many entries name an inode as it has links.

import "sync/atomic"

// maxLinks is EXT4_LINK_MAX: what a directory with more subdirectories says is 1.
const maxLinks = 65000

// maxCounted is where e2fsck's counter of names stops.
const maxCounted = 65500

func (c *checker) checkLinks() {
	for g := range c.facts {
		f := c.facts[g].Load()
		if f == nil {
			continue
		}
		for i, kind := range f.kinds {
			ino := uint32(g)*c.sb.InodesPerGroup + uint32(i) + 1
			if kind == kindNone || c.reserved(ino) || ino == c.sb.OrphanFileInum || f.marks[i]&factImagic != 0 {
				continue
			}
			c.checkLink(ino, kind, f.links[i], atomic.LoadUint32(&f.names[i]), f.marks[i])
		}
		if c.stopped() {
			return
		}
	}
}

func (c *checker) checkLink(ino uint32, kind fileKind, links uint16, names uint32, marks uint8) {
	o := inodeObject(ino)
	if marks&factEaInode != 0 && names == 0 && c.refersToEaInode(ino) {
		names = 1 // attributes refer to it; how many, it says elsewhere
	}
	if names == 0 {
		if !c.namesLost() {
			c.report(CodeUnconnected, o, "no entry names it")
		}
		return
	}
	if c.namesLost() && names < uint32(links) {
		return
	}
	if kind == kindDir && names > maxLinks {
		if !c.sb.hasRoCompat(roCompatDirNlink) {
			c.report(CodeLinkCount, o, "%d entries name the directory, without the feature dir_nlink", names)
		}
		names = 1
	}
	names = min(names, maxCounted)
	if names == uint32(links) || kind == kindDir && links == 1 && names > 1 && c.isIndexed(ino) {
		return // an indexed directory whose links were too many to count keeps 1 when they are less
	}
	c.report(CodeLinkCount, o, "has %d links, and %d entries name it", links, names)
}

func (c *checker) isIndexed(ino uint32) bool {
	d := c.directory(ino)
	return d != nil && d.flags&flagIndex != 0
}
