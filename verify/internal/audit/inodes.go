package audit

// This file keeps the little that passes 2 to 5 want to know of each inode, a few bytes each.

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// fileKind is a type of file, as directory entries write it (EXT4_FT_*).
type fileKind uint8

const (
	kindNone fileKind = iota // not in use
	kindRegular
	kindDir
	kindChar
	kindBlock
	kindFIFO
	kindSocket
	kindSymlink
	kindOdd // in use, and of no type that there is
)

func kindOf(mode uint16) fileKind {
	switch mode & modeType {
	case modeRegular:
		return kindRegular
	case modeDir:
		return kindDir
	case modeChar:
		return kindChar
	case modeBlock:
		return kindBlock
	case modeFIFO:
		return kindFIFO
	case modeSocket:
		return kindSocket
	case modeSymlink:
		return kindSymlink
	}
	return kindOdd
}

// Bits that an inode may have besides its kind.
const (
	factEaInode = 1 << iota // holds the value of an attribute; nobody names it
	factImagic              // of the feature imagic_inodes: not in any directory
)

// groupFacts are those of the inodes of a group.
type groupFacts struct {
	kinds []fileKind
	marks []uint8
	links []uint16
	names []uint32
}

// facts of a group are allocated when the first of its inodes is found in use.
func (c *checker) factsOf(g uint32) *groupFacts {
	p := &c.facts[g]
	if f := p.Load(); f != nil {
		return f
	}
	n := c.sb.InodesPerGroup
	p.CompareAndSwap(nil, &groupFacts{make([]fileKind, n), make([]uint8, n), make([]uint16, n), make([]uint32, n)})
	return p.Load()
}

// lookup returns where the facts of an inode are, or nil where its group has none.
func (c *checker) lookup(ino uint32) (*groupFacts, uint32) {
	if !c.sb.validInode(ino) {
		return nil, 0
	}
	return c.facts[(ino-1)/c.sb.InodesPerGroup].Load(), (ino - 1) % c.sb.InodesPerGroup
}

// setFacts makes an inode one that is in use. It is called once an inode, by the worker that has it in hand.
func (c *checker) setFacts(ino uint32, kind fileKind, links uint16, marks uint8) {
	f := c.factsOf(c.sb.groupOfInode(ino))
	i := (ino - 1) % c.sb.InodesPerGroup
	f.kinds[i], f.links[i], f.marks[i] = kind, links, marks
}

func (c *checker) kind(ino uint32) fileKind {
	if f, i := c.lookup(ino); f != nil {
		return f.kinds[i]
	}
	return kindNone
}

// named counts one more name of an inode.
func (c *checker) named(ino uint32) {
	if f, i := c.lookup(ino); f != nil {
		atomic.AddUint32(&f.names[i], 1)
	}
}

// run is a piece of a file that lies in one piece.
type run struct {
	logical   uint64 // block of the file
	physical  uint64 // block of the file system
	length    uint64 // blocks
	unwritten bool
}

// directory is one that pass 1 has found, for pass 2 to read.
type directory struct {
	ino        uint32
	flags      uint32 // i_flags
	generation uint32
	inline     []byte // not nil: the entries are in the inode: the 60 bytes of i_block, then those of the attribute system.data
	// Not 0: system.data is in this block of attributes. It may be as large as the block, and of all directories that share the block: it
	// is read when its turn comes.
	inlineBlock uint64
	runs        []run // by logical block

	named  naming        // whose entry names it: see parents.go
	dotdot atomic.Uint32 // what its ".." says
}

// directories are all that pass 1 found; sorted by number when it ends.
type directories struct {
	mu   sync.Mutex
	list []*directory
}

func (c *checker) addDirectory(d *directory) {
	c.dirs.mu.Lock()
	defer c.dirs.mu.Unlock()
	c.dirs.list = append(c.dirs.list, d)
}

func (d *directories) sort() {
	slices.SortFunc(d.list, func(a, b *directory) int { return cmp.Compare(a.ino, b.ino) })
}

// find returns the place of a directory in the list, after pass 1.
func (d *directories) find(ino uint32) (int, bool) {
	return slices.BinarySearchFunc(d.list, ino, func(d *directory, ino uint32) int { return cmp.Compare(d.ino, ino) })
}

// directory returns the one of that number, after pass 1, or nil.
func (c *checker) directory(ino uint32) *directory {
	if i, ok := c.dirs.find(ino); ok {
		return c.dirs.list[i]
	}
	return nil
}
