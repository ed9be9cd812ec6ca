package ext4

// This file looks at a quota file's tree as a whole before it is changed: what is in it twice, or in it and on a list of free ones,
// would be written over later, and neither the kernel nor e2fsck looks for it.

import "boringboot/ext4/internal/format"

// What is known of a block of a quota file; a leaf is known by how many ids lead to it.
const (
	quotaUnseen = 0
	quotaNode   = 255
	quotaFree   = 254
)

// quotaCheck is such a look.
type quotaCheck struct {
	f    *quotaFile
	seen []uint8 // by number: bounded by the file's size, 2 GiB in blocks of 1 KiB
}

// check: each node is in the tree once, each id leads to a leaf that has it, a leaf has no others, and what is on the two lists belongs
// there.
func (f *quotaFile) check() error {
	c := quotaCheck{f, make([]uint8, format.DQIBlocks.Get(f.info))}
	c.seen[0], c.seen[format.QuotaRoot] = quotaNode, quotaNode
	if err := c.node(format.QuotaRoot, 0, 0); err != nil {
		return err
	}
	if err := c.leaves(); err != nil {
		return err
	}
	if err := c.list("free ones", format.DQIFreeBlk, c.free); err != nil {
		return err
	}
	return c.list("leaves with room", format.DQIFreeEntry, c.room)
}

func (c *quotaCheck) read(i uint32) ([]byte, error) {
	if i < format.QuotaRoot || i >= uint32(len(c.seen)) {
		return nil, c.f.damaged("a reference to block %d of %d", i, len(c.seen))
	}
	b := make([]byte, format.QuotaBlockSize)
	if n, err := c.f.tx.readAt(c.f.n, b, int64(i)*format.QuotaBlockSize); n < len(b) {
		return nil, err
	}
	return b, nil
}

// node looks at a block of the tree and what is below it. id has the bytes that lead to it.
func (c *quotaCheck) node(at uint32, depth int, id uint32) error {
	b, err := c.read(at)
	if err != nil {
		return err
	}
	shift := 8 * (format.QuotaTreeDepth - 1 - depth)
	for k := range uint32(256) {
		id := id | k<<shift
		next := format.QuotaNode(b).Ref(depth, id)
		switch {
		case next == 0:
			continue
		case next >= uint32(len(c.seen)):
			return c.f.damaged("a reference to block %d of %d", next, len(c.seen))
		case depth == format.QuotaTreeDepth-1:
			err = c.leaf(next, id)
		case c.seen[next] != quotaUnseen:
			return c.f.damaged("block %d is in the tree twice", next)
		default:
			c.seen[next] = quotaNode
			err = c.node(next, depth+1, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *quotaCheck) leaf(at, id uint32) error {
	if c.seen[at] >= format.QuotaLeafEntries {
		return c.f.damaged("block %d is in the tree twice, or more than %d ids lead to it", at, format.QuotaLeafEntries)
	}
	b, err := c.read(at)
	if err != nil {
		return err
	}
	if format.QuotaLeaf(b).Find(id) < 0 {
		return c.f.damaged("the tree leads with %s %d to block %d, which does not have it", c.f.typ, id, at)
	}
	c.seen[at]++
	return nil
}

// leaves: a leaf has as many entries as ids lead to it.
func (c *quotaCheck) leaves() error {
	for i, ids := range c.seen {
		if ids == quotaUnseen || ids > format.QuotaLeafEntries {
			continue
		}
		b, err := c.read(uint32(i))
		if err != nil {
			return err
		}
		if _, err := c.f.freePlace(uint32(i), b); err != nil {
			return err
		}
		if n := format.DQDHEntries.Get(b); n != uint16(ids) {
			return c.f.damaged("block %d has %d entries, and %d ids lead to it", i, n, ids)
		}
	}
	return nil
}

// list follows a list of blocks, each of which has to belong to it. It ends: that is for belongs to see to.
func (c *quotaCheck) list(name string, first format.U32, belongs func(at uint32, b format.QuotaLeaf) bool) error {
	prev := uint32(0)
	for at := first.Get(c.f.info); at != 0; {
		b, err := c.read(at)
		if err != nil {
			return err
		}
		if !belongs(at, b) || first == format.DQIFreeEntry && format.DQDHPrevFree.Get(b) != prev {
			return c.f.damaged("block %d is on the list of %s, behind block %d, and does not belong there", at, name, prev)
		}
		prev, at = at, format.DQDHNextFree.Get(b)
	}
	return nil
}

// free: a block that the tree does not have, without entries; the kernel does not clear the last one that was there. It is seen with
// that.
func (c *quotaCheck) free(at uint32, b format.QuotaLeaf) bool {
	if c.seen[at] != quotaUnseen || format.DQDHEntries.Get(b) != 0 {
		return false
	}
	c.seen[at] = quotaFree
	return true
}

// room: a leaf that is not full. It is seen, as what cannot come again.
func (c *quotaCheck) room(at uint32, _ format.QuotaLeaf) bool {
	if c.seen[at] == quotaUnseen || c.seen[at] >= format.QuotaLeafEntries {
		return false
	}
	c.seen[at] = quotaNode
	return true
}
