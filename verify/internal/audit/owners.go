package audit

// This file remembers who has which blocks, for those who want to explain what is somewhere on the disk.

import (
	"cmp"
	"slices"
	"sync"
)

// Use says what blocks are used for.
type Use uint8

const (
	UseFile        Use = iota // an inode's: content, map
	UseDirectory              // the same of a directory
	UseJournal                // the same of the journal
	UseAttributes             // a block of an inode's extended attributes; there is a run for each inode that shares it
	UseSuperblock             // a copy of the superblock, of descriptors, or kept for more of them
	UseBlockBitmap            // of the group that Number says
	UseInodeBitmap            // of the group that Number says
	UseInodeTable             // of the group that Number says
	UseMMP
)

// Owner is a run of blocks and who has it.
type Owner struct {
	Block, Count uint64
	Use          Use
	Number       uint32 // the inode, or the group
}

// owners collects them, from all workers.
type owners struct {
	mu   sync.Mutex
	list []Owner
}

func (o *owners) add(use Use, number uint32, b, n uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if last := len(o.list) - 1; last >= 0 {
		if l := &o.list[last]; l.Use == use && l.Number == number && l.Block+l.Count == b {
			l.Count += n
			return
		}
	}
	o.list = append(o.list, Owner{b, n, use, number})
}

// own remembers who has blocks, where somebody wants to know.
func (c *checker) own(use Use, number uint32, b, n uint64) {
	if c.owners != nil && c.resolving == nil {
		c.owners.add(use, number, b, n)
	}
}

// ownersSorted gives all runs in the order of the disk. Runs of damaged file systems may overlap.
func (c *checker) ownersSorted() []Owner {
	if c.owners == nil {
		return nil
	}
	s := c.sb
	for g := range s.groupCount {
		d := &c.groups[g]
		c.eachSuper(g, func(b, n uint64) { c.owners.add(UseSuperblock, g, b, n) })
		c.owners.add(UseBlockBitmap, g, d.BlockBitmap, 1)
		c.owners.add(UseInodeBitmap, g, d.InodeBitmap, 1)
		c.owners.add(UseInodeTable, g, d.InodeTable, uint64(s.itableBlocks))
	}
	if s.hasIncompat(incompatMMP) {
		c.owners.add(UseMMP, 0, s.MMPBlock, 1)
	}
	list := c.owners.list
	for i := range list {
		if o := &list[i]; o.Use == UseFile {
			switch {
			case o.Number == s.JournalInum && s.hasCompat(compatHasJournal):
				o.Use = UseJournal
			case c.kind(o.Number) == kindDir:
				o.Use = UseDirectory
			}
		}
	}
	slices.SortFunc(list, func(a, b Owner) int {
		return cmp.Or(cmp.Compare(a.Block, b.Block), cmp.Compare(a.Use, b.Use), cmp.Compare(a.Number, b.Number))
	})
	return list
}
