package audit

// This file judges inodes that hold the value of an attribute, and counts who refers to them.

import (
	"cmp"
	"slices"
	"sync"
)

// eaInodes are those that were met, and the references that were.
type eaInodes struct {
	mu   sync.Mutex
	list []eaInode
	refs map[uint32]uint64
}

// eaInode is what is to be known of one at the end of pass 1.
type eaInode struct {
	ino  uint32
	refs uint64 // what it says: the lower half in i_version, the upper one in i_ctime
	old  bool   // as Lustre made them: without references
	odd  []oddity
}

func (c *checker) addEaInode(in *inode, odd []oddity) {
	if c.resolving != nil {
		return
	}
	x := eaInode{ino: in.ino, refs: wide(uint32(in.Version), in.Ctime), old: in.Ctime == in.Atime, odd: slices.Clone(odd)}
	c.ea.mu.Lock()
	defer c.ea.mu.Unlock()
	c.ea.list = append(c.ea.list, x)
}

// countReferences notes which inodes a list refers to, as far as it can be read.
func (w *worker) countReferences(list []byte) {
	c := w.c
	for len(list) >= attributeEntrySize && c.resolving == nil {
		e := attributeEntry(list)
		if e.ends() || e.length() >= len(list) {
			return
		}
		if ino := e.inode(); c.sb.validInode(ino) { // others do not count, and there are more of them than inodes
			c.ea.mu.Lock()
			if c.ea.refs == nil {
				c.ea.refs = map[uint32]uint64{}
			}
			c.ea.refs[ino]++
			c.ea.mu.Unlock()
		}
		list = list[e.length():]
	}
}

// eaReferences returns how many attributes have their value in an inode, after pass 1.
func (c *checker) eaReferences(ino uint32) uint64 { return c.ea.refs[ino] }

// refersToEaInode says whether there is any.
func (c *checker) refersToEaInode(ino uint32) bool { return c.eaReferences(ino) > 0 }

// checkValueInode judges an attribute whose value is in an inode, and returns what it costs its owner.
func (w *worker) checkValueInode(in *inode, e attributeEntry) (use eaUse, problem string) {
	c, s := w.c, w.c.sb
	if e.inode() < s.firstInode || e.inode() > s.InodesCount {
		return use, "a value in an inode that cannot hold one"
	}
	child, err := w.referred(e)
	switch {
	case isIO(err):
		c.fail(err)
		return use, ""
	case err != nil:
		return use, err.Error()
	}
	use.inodes = 1
	switch {
	case referenceHashOK(e, child):
		cluster := uint64(s.blockSize) << s.clusterShift
		use.blocks = (uint64(e.size()) + cluster - 1) / cluster << s.clusterShift
	case oldReference(in, child):
	case !child.has(flagEaInode):
		return use, "a value in an inode that holds none"
	default:
		return use, "a hash that is wrong, of a value in an inode of its own"
	}
	if !child.has(flagEaInode) {
		return use, "a value in an inode that is not marked as holding one"
	}
	return use, ""
}

// finishEaInodes holds the references that inodes with values say against those that there are.
func (c *checker) finishEaInodes() {
	slices.SortFunc(c.ea.list, func(a, b eaInode) int { return cmp.Compare(a.ino, b.ino) })
	for _, x := range c.ea.list {
		o := inodeObject(x.ino)
		refs := c.eaReferences(x.ino)
		if refs == 0 { // then it is an inode as any other, without a name if nobody gives it one
			for _, odd := range x.odd {
				c.report(odd.code, o, "%s", odd.message)
			}
			continue
		}
		if refs != x.refs && !x.old {
			c.report(CodeXattrRefs, o, "%d attributes have their value in it, and it says %d", refs, x.refs)
		}
	}
}
