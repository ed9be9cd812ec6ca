package audit

// Functions and types of authors who are still at it.

// H-INODES.
func (w *worker) checkInode(in *inode) {}
func (c *checker) finishXattrs()       {}

func (c *checker) refersToEaInode(ino uint32) bool { return false }
