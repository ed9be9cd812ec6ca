package ext4

// This file changes maps of indirect blocks: tables are made when the first number goes into them and freed with the last.

import (
	"math"

	"boringboot/ext4/internal/format"
)

// mapIndirect is mapBlocks in a map of indirect blocks.
func (tx *Tx) mapIndirect(n node, e format.Extent) error {
	switch {
	case e.Unwritten:
		return unsupportedf("inode %d: file block %d is unwritten, which a map of indirect blocks cannot say", n.ino, e.Block)
	case uint64(e.Start)+uint64(e.Len) > math.MaxUint32:
		return unsupportedf("inode %d: block %d cannot be named in a map of indirect blocks", n.ino, e.Start)
	case uint64(e.Block)+uint64(e.Len) > tx.indirectLimit():
		return ErrTooLarge
	}
	for e.Len > 0 {
		table, at, room, err := tx.indirectSlot(n, e.Block)
		if err != nil {
			return err
		}
		k := min(room, e.Len)
		for i := range int(k) {
			if le32(table, at+i) != 0 {
				return corruptf("inode %d: file block %d is mapped already", n.ino, e.Block+FileBlock(i))
			}
			putLE32(table, at+i, uint32(e.Start)+uint32(i))
		}
		e.Block += FileBlock(k)
		e.Start += FSBlock(k)
		e.Len -= k
	}
	return nil
}

// indirectSlot finds, and makes where it is missing, the table that has fb's number: at which place, and how many places from there.
func (tx *Tx) indirectSlot(n node, fb FileBlock) (table []byte, at int, room uint32, err error) {
	p, ok := tx.indirectPlace(fb)
	if !ok {
		return nil, 0, 0, ErrTooLarge
	}
	table, at, room = n.IBlock(), p.slot, uint32(directBlocks-min(p.slot, directBlocks))
	for ; p.level > 0; p.level-- {
		b := FSBlock(le32(table, at))
		var below []byte
		if b == 0 {
			if b, below, err = tx.newTable(n); err == nil {
				putLE32(table, at, uint32(b))
			}
		} else if _, err = tx.indirectTable(n, b); err == nil {
			below, err = tx.over.Edit(b)
		}
		if err != nil {
			return nil, 0, 0, err
		}
		p.span /= tx.perTable()
		table, at = below, int(p.rest/p.span)
		room = uint32(tx.perTable()) - uint32(at)
		p.rest %= p.span
	}
	return table, at, room, nil
}

func (tx *Tx) newTable(n node) (FSBlock, []byte, error) {
	b, err := tx.allocMeta(n, tx.homeOf(n))
	if err != nil {
		return 0, nil, err
	}
	if uint64(b) > math.MaxUint32 {
		return 0, nil, unsupportedf("inode %d: block %d cannot be named in a map of indirect blocks", n.ino, b)
	}
	return b, tx.over.Fresh(b), nil
}

// indirectCut takes numbers out of a map.
type indirectCut struct {
	tx        *Tx
	n         node
	from, end uint64
	seen      map[FSBlock]bool
	old       []format.Extent
	tables    []FSBlock // that are empty now
}

// cutIndirect unmaps the file blocks from from up to end and frees tables that have nothing left. It returns what was mapped.
func (tx *Tx) cutIndirect(n node, from, end uint64) ([]format.Extent, error) {
	c := indirectCut{tx: tx, n: n, from: from, end: end, seen: map[FSBlock]bool{}}
	first, span := uint64(0), uint64(1)
	for slot := range directBlocks + indirectLevels {
		level := max(slot-directBlocks+1, 0)
		if level > 0 {
			span *= tx.perTable()
		}
		if err := c.pointer(n.IBlock(), slot, first, level, span); err != nil {
			return nil, err
		}
		first += span
	}
	for _, b := range c.tables {
		if err := tx.freeMeta(n, b); err != nil {
			return nil, err
		}
	}
	return c.old, nil
}

// pointer cuts what entry at of a table leads to, which spans file blocks from first on; if nothing of it is left, so is the entry.
func (c *indirectCut) pointer(table []byte, at int, first uint64, level int, span uint64) error {
	b := FSBlock(le32(table, at))
	if b == 0 || first+span <= c.from || first >= c.end {
		return nil
	}
	if level == 0 {
		putLE32(table, at, 0)
		return c.take(first, b)
	}
	if _, err := c.tx.indirectTable(c.n, b); err != nil {
		return err
	}
	if c.seen[b] {
		return corruptf("inode %d: indirect block %d is there twice", c.n.ino, b)
	}
	c.seen[b] = true
	below, err := c.tx.over.Edit(b)
	if err != nil {
		return err
	}
	span /= c.tx.perTable()
	for i := range int(c.tx.perTable()) {
		if err := c.pointer(below, i, first+uint64(i)*span, level-1, span); err != nil {
			return err
		}
	}
	for _, left := range below {
		if left != 0 {
			return nil
		}
	}
	putLE32(table, at, 0)
	c.tables = append(c.tables, b)
	return nil
}

func (c *indirectCut) take(fb uint64, b FSBlock) error {
	if fb >= mapEnd-1 || !c.tx.validRange(b, 1) {
		return corruptf("inode %d: file block %d at block %d", c.n.ino, fb, b)
	}
	if k := len(c.old); k > 0 {
		e := &c.old[k-1]
		if e.Len < math.MaxInt32 && uint64(e.Block)+uint64(e.Len) == fb && e.Start+FSBlock(e.Len) == b {
			e.Len++
			return nil
		}
	}
	c.old = append(c.old, format.Extent{Block: FileBlock(fb), Len: 1, Start: b})
	return nil
}

// indirectBlocks is how many tables a map of these blocks has. The ranges are ascending.
func (g *geometry) indirectBlocks(ranges []blockRange) uint64 {
	per := g.perTable()
	count := uint64(0)
	first := uint64(directBlocks) // of the blocks below the root's slot
	for level := 1; level <= indirectLevels; level++ {
		below := uint64(1)
		for range level {
			below *= per
		}
		for span := per; span <= below; span *= per { // tables that span this many blocks
			next := uint64(0) // the first such table that is not counted yet
			for _, r := range ranges {
				from, end := max(r.from, first), min(r.end, first+below)
				if from >= end {
					continue
				}
				one := max((from-first)/span, next)
				next = (end - first + span - 1) / span
				count += next - min(one, next)
			}
		}
		first += below
	}
	return count
}
