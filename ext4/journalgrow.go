package ext4

// This file gives the journal more blocks for one update: free ones that the update neither takes nor frees. What the update itself
// will have made of the file system does not depend on them, so afterwards all can be as if the log had always been that long.

import (
	"bytes"
	"errors"
	"math"
	"time"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

// growth is the file system as it was before an update, with a larger journal.
type growth struct {
	*Tx
	n     node
	had   uint64        // blocks of the journal's file before
	has   uint64        // and now
	next  format.Extent // of these, what is not mapped yet
	limit uint64        // of what the file can have
}

// newGrowth begins with the journal as it is. The update has been sealed.
//
// A log is found through the inode that it may be about to change. So nothing of the map is changed that leads to the log's own
// blocks, but for i_block, which is in one sector: extents beyond those four that i_block has room for are put into new nodes, and a
// journal that has nodes already is given nothing.
func (tx *Tx) newGrowth() (*growth, error) {
	g := &growth{Tx: newTx(tx.base, tx.data.cache, time.Time{})}
	if err := g.keepOff(tx); err != nil {
		return nil, err
	}
	var err error
	if g.n, err = g.editInode(format.JournalIno); err != nil {
		return nil, err
	}
	_, _, end, err := g.clustersOf(g.n)
	if err != nil {
		return nil, err
	}
	g.had = g.n.Size() / uint64(g.blockSize)
	g.has = g.had
	extents := g.n.flag(format.InodeExtents)
	if extents && format.ExtentNode(g.n.IBlock()).Depth() > 0 {
		g.limit = g.had
		return g, nil
	}
	g.limit = g.maxBytes(extents) / uint64(g.blockSize)
	if !g.sb.HasROCompat(format.ROCompatLargeFile) {
		g.limit = min(g.limit, math.MaxInt32/uint64(g.blockSize))
	}
	if end > g.had { // an update was cut off when its log had been given up and was not free yet
		g.has = end
		root := format.ExtentNode(g.n.IBlock())
		for i := range root.Entries() {
			if e := root.Extent(i); uint64(e.Block) >= g.had {
				e.Unwritten = false
				root.SetExtent(i, e)
			}
		}
	}
	return g, nil
}

// keepOff has no block allocated that another transaction has taken or freed.
func (tx *Tx) keepOff(other *Tx) error {
	for group, s := range other.state {
		if s.bits == nil {
			continue // it has only looked
		}
		own, err := tx.loadBlocks(group)
		if err != nil {
			return err
		}
		for i := range own.taken {
			own.taken[i] |= s.taken[i]
		}
		own.kept = true
	}
	return nil
}

// grow lets the journal's file have so many blocks. Where that fails with ErrNoSpace it has as many as there are.
func (g *growth) grow(to uint64) error {
	if to > g.limit {
		to = g.limit
		if err := g.grow(to); err != nil {
			return err
		}
		return &NoSpaceError{Resource: journalBlocks}
	}
	goal := FSBlock(0)
	if last, err := g.lookup(g.n, FileBlock(g.had-1)); err != nil {
		return err
	} else {
		goal = last.start + 1
	}
	most := uint64(longestExtent &^ (g.clusterBlocks - 1))
	for g.has < to {
		if g.next.Len > 0 {
			goal = g.next.Start + FSBlock(g.next.Len)
		}
		r, err := g.allocFile(g.n, FileBlock(g.has), uint32(min(to-g.has, most)), goal)
		if err == nil {
			err = g.add(format.Extent{Block: r.block, Len: r.count, Start: r.start})
		}
		if err != nil {
			return err
		}
		g.has += uint64(r.count)
	}
	return g.flush()
}

// add maps blocks behind the last ones.
func (g *growth) add(e format.Extent) error {
	if joined, ok := join(g.next, e); ok && g.next.Len > 0 {
		g.next = joined
		return nil
	}
	if err := g.flush(); err != nil {
		return err
	}
	g.next = e
	return nil
}

// flush maps what has been taken. No extent has blocks that the file had before and others too, so that either can be changed without
// another entry.
func (g *growth) flush() error {
	e := g.next
	g.next = format.Extent{}
	if e.Len == 0 || !g.n.flag(format.InodeExtents) {
		return g.mapIndirect(g.n, e)
	}
	edge, err := g.rightEdge(g.n)
	if err != nil {
		return err
	}
	return g.appendExtent(g.n, edge, e)
}

// finish completes what grow has begun.
func (g *growth) finish() {
	g.n.SetSize(g.has * uint64(g.blockSize))
	g.seal(g.n)
	g.sb.SetJournalBackup(g.n.Inode)
	g.sealGroups()
}

// taken lists the clusters that the journal has been given, its map's among them.
func (g *growth) taken() ([]blockRun, error) {
	before := newTx(g.base, g.data.cache, time.Time{})
	var list []blockRun
	for group := range g.groups {
		s := g.state[group]
		if s == nil || s.bits == nil {
			continue
		}
		old, err := before.loadBlocks(group)
		if err != nil {
			return nil, err
		}
		end := g.groupClusters(group)
		for at := uint32(0); ; {
			at = old.taken.next(false, at, end)
			first := s.bits.next(true, at, end)
			if first == end {
				break
			}
			if at = old.taken.next(false, first, end); at != first {
				continue
			}
			at = min(s.bits.next(false, first, end), old.taken.next(true, first, end))
			list = append(list, blockRun{g.clusterStart(group, first), (at - first) * g.clusterBlocks})
		}
		before.unload(group)
	}
	return list, nil
}

// journalMap is the journal's inode in one of its states, with what leads to it from the one before: blocks of its map, and which
// clusters are taken.
type journalMap struct {
	inode []byte
	nodes []blocks.Change
	taken []blockRun
}

// mapOf is the journal's inode as a transaction has it, and the blocks of its map that it has changed.
func (tx *Tx) mapOf(n node) (journalMap, error) {
	m := journalMap{inode: bytes.Clone(n.Inode)}
	own := map[FSBlock]bool{}
	err := tx.walkMap(n, func(format.Extent) error { return nil }, func(b FSBlock) error {
		own[b] = true
		return nil
	})
	for _, c := range tx.over.Changes() {
		if own[c.Block] {
			m.nodes = append(m.nodes, c)
		}
	}
	return m, err
}

// newNodes are the blocks that the map has been given.
func (m journalMap) newNodes() []blockRun {
	var list []blockRun
	for _, c := range m.nodes {
		if c.Fresh {
			list = append(list, blockRun{c.Block, 1})
		}
	}
	return list
}

// withMap gives the journal another map.
func (tx *Tx) withMap(m journalMap) error {
	for _, r := range m.taken {
		g, first := tx.clusterOf(r.start)
		if err := tx.setClusters(g, first, r.count/tx.clusterBlocks, true); err != nil {
			return err
		}
	}
	n, err := tx.editRaw(format.JournalIno)
	if err != nil {
		return err
	}
	copy(n.Inode, m.inode)
	for _, c := range m.nodes {
		var block []byte
		if c.Fresh {
			block = tx.over.Fresh(c.Block)
		} else if block, err = tx.over.Edit(c.Block); err != nil {
			return err
		}
		copy(block, c.Data)
	}
	tx.sb.SetJournalBackup(n.Inode)
	tx.sealGroups()
	return nil
}

// grown is the journal as grow has left it.
func (g *growth) grown() (journalMap, error) {
	m, err := g.mapOf(g.n)
	if err != nil {
		return m, err
	}
	m.taken, err = g.taken()
	return m, err
}

// parked is the journal when it has given up what it got, and still has it: unwritten, behind the file's end. Its nodes are others than
// those of grown, because a block that is written in part would lead to the log no more. And those of grown are not free: they are
// among what is parked, since whoever replays this has the inode that grown made in memory, and finds the log through them. With
// indirect blocks there is no such state, see largeUpdate.
func (g *growth) parked(grown journalMap, update *Tx, need int) (*journalMap, error) {
	if !g.n.flag(format.InodeExtents) || g.has == g.had {
		return nil, nil
	}
	tx := g.onTop()
	if err := tx.keepOff(update); err != nil {
		return nil, err
	}
	n, err := tx.editRaw(format.JournalIno)
	if err != nil {
		return nil, err
	}
	tree, err := tx.listExtents(n)
	if err != nil {
		return nil, err
	}
	list := tree.extents
	for i := range list {
		list[i].Unwritten = uint64(list[i].Block) >= g.had
	}
	for _, r := range grown.newNodes() {
		last := &list[len(list)-1]
		e := format.Extent{
			Block: FileBlock(tx.roundedToClusters(uint64(last.Block) + uint64(last.Len))), Len: tx.clusterBlocks, Start: r.start, Unwritten: true,
		}
		if joined, ok := join(*last, e); ok {
			*last = joined
			continue
		}
		list = append(list, e)
	}
	if err := tx.flatEnough(list, need); err != nil {
		return nil, err
	}
	format.ExtentNode(n.IBlock()).Init(0)
	for _, e := range list {
		edge, err := tx.rightEdge(n)
		if err == nil {
			err = tx.appendExtent(n, edge, e)
		}
		if errors.Is(err, ErrNoSpace) {
			got := (g.sb.FreeBlocks() - tx.sb.FreeBlocks()) / uint64(tx.clusterBlocks)
			return nil, &NoSpaceError{Resource: journalBlocks, Needed: uint64(need + tx.nodesFor(len(list))), Free: uint64(need) + got}
		}
		if err != nil {
			return nil, err
		}
	}
	n.SetSize(g.had * uint64(g.blockSize))
	tx.seal(n)
	m, err := tx.mapOf(n)
	for _, r := range m.newNodes() {
		m.taken = append(m.taken, blockRun{r.start, tx.clusterBlocks})
	}
	return &m, err
}

// flatEnough refuses what needs more than one level of nodes. Below the root e2fsck allows no node that begins behind the file's end:
// on what a cut left it would stop, and ask.
func (v *view) flatEnough(list []format.Extent, need int) error {
	most := format.ExtentCapacity(format.IBlockSize) * format.ExtentCapacity(v.blockSize)
	if len(list) <= most {
		return nil
	}
	over := uint64(0)
	for _, e := range list[most:] {
		over += uint64(e.Len)
	}
	return &NoSpaceError{Resource: journalBlocks, Needed: uint64(need), Free: uint64(need) - min(over, uint64(need))}
}

// nodesFor is how many nodes a tree of so many extents has, beside its root.
func (v *view) nodesFor(extents int) int {
	count, perNode := 0, format.ExtentCapacity(v.blockSize)
	for extents > format.ExtentCapacity(format.IBlockSize) {
		extents = (extents + perNode - 1) / perNode
		count += extents
	}
	return count
}

// onTop is a transaction over what this one, which is sealed, has made of the file system.
func (tx *Tx) onTop() *Tx {
	next := newTx(tx.view, tx.data.cache, time.Time{})
	next.over = tx.over.OnTop()
	next.data.over = next.over
	return next
}

// cannotGrow makes of an error of grow the one that says what the log would have had to be.
func (g *growth) cannotGrow(j *journal, need int, err error) error {
	if !errors.Is(err, ErrNoSpace) && !errors.Is(err, ErrTooLarge) {
		return err
	}
	room := uint64(j.Room())
	if over := j.LengthFor(need) - uint64(need); g.has > over {
		room = max(room, g.has-over)
	}
	return &NoSpaceError{Resource: journalBlocks, Needed: uint64(need), Free: min(room, uint64(need)-1)}
}
