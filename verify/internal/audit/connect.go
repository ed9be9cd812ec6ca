package audit

// This file is pass 3: every directory has one way up to the root, and its ".." says the same.

func (c *checker) checkConnections() {
	c.settleNamings()
	root := c.directory(rootInode)
	if root == nil {
		c.report(CodeUnconnected, inodeObject(rootInode), "there is no root directory")
		return
	}
	c.findLoops()
	if c.namesLost() {
		return // a directory that nothing names may be named where nobody could read
	}
	for _, d := range c.dirs.list {
		parent, dotdot := d.named.parent, d.dotdot.Load()
		if parent == 0 {
			c.report(CodeUnconnected, inodeObject(d.ino), "no entry names the directory")
		}
		if dotdot != parent {
			c.report(CodeDirectoryEntry, inodeObject(d.ino), `".." is inode %d, and inode %d names the directory`, dotdot, parent)
		}
	}
}

// findLoops finds directories that are named by those below them. Each goes up until it meets one that somebody has met before; if
// that was itself on this way, the way is a ring.
func (c *checker) findLoops() {
	met := make([]uint32, len(c.dirs.list)) // by place in the list: who has met it, as place + 1
	for i := range c.dirs.list {
		at := i
		for met[at] == 0 {
			met[at] = uint32(i) + 1
			d := c.dirs.list[at]
			parent := d.named.parent
			if d.ino == rootInode || parent == 0 {
				break
			}
			next, ok := c.dirs.find(parent)
			if !ok {
				break
			}
			at = next
			if met[at] == uint32(i)+1 {
				c.report(CodeUnconnected, inodeObject(c.dirs.list[at].ino), "the directory is below itself")
			}
		}
	}
}
