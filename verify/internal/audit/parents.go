package audit

// This file keeps by which entry each directory is named, and which others name it besides.

import (
	"cmp"
	"slices"
	"sync"
)

// naming is an entry that names a directory.
type naming struct {
	parent uint32 // the directory that the entry is in; 0 for none
	block  uint32 // of the parent
	at     uint32 // offset in the block
}

func (n naming) compare(m naming) int {
	return cmp.Or(cmp.Compare(n.parent, m.parent), cmp.Compare(n.block, m.block), cmp.Compare(n.at, m.at))
}

// extraNaming is one of a directory that has another already.
type extraNaming struct {
	naming
	child uint32
}

func (n extraNaming) compare(m extraNaming) int {
	return cmp.Or(n.naming.compare(m.naming), cmp.Compare(n.child, m.child))
}

// namings are collected in pass 2 by all workers. A directory keeps the first of its names by place, and the others are here, so that
// it does not matter who has found which first.
type namings struct {
	mu    sync.Mutex
	extra []extraNaming
}

// maxExtraNamings bounds them: the first by place are as many as are told.
const maxExtraNamings = maxFindings

// add notes that an entry names the directory d.
func (n *namings) add(d *directory, by naming) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d.named.parent == 0 {
		d.named = by
		return
	}
	if by.compare(d.named) < 0 {
		d.named, by = by, d.named
	}
	n.extra = append(n.extra, extraNaming{by, d.ino})
	if len(n.extra) >= 2*maxExtraNamings {
		n.cut()
	}
}

func (n *namings) cut() {
	slices.SortFunc(n.extra, extraNaming.compare)
	n.extra = n.extra[:min(len(n.extra), maxExtraNamings)]
}

// settleNamings reports the second names of directories, after pass 2, each where it is. A directory's own name is the one that its ".."
// agrees with, if there is such a one.
func (c *checker) settleNamings() {
	n := &c.namings
	n.cut()
	for i := range n.extra {
		x := &n.extra[i]
		if d := c.directory(x.child); d.ino != rootInode && d.dotdot.Load() == x.parent && d.named.parent != x.parent {
			x.naming, d.named = d.named, x.naming
		}
	}
	for _, x := range n.extra {
		first := c.directory(x.child).named.parent
		c.report(CodeDirectoryEntry, inodeObject(x.parent), "block %d: the entry at offset %d, of inode %d, is one more name of a directory, whose own name is in inode %d",
			x.block, x.at, x.child, first)
	}
}
