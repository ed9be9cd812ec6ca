package ext4

// This file is the update that needs more log than there is: it lends the journal free blocks.

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

// largeUpdate is an update in several transactions of the journal, of which one is the update and the others change nothing but the
// journal's inode and what is free:
//
//	give the journal's inode more blocks, in the log that is there
//	the update, in a log that goes on into them: the write that lets the log begin says how long it is, the one that empties it
//	takes that back, each in one sector; clear the blocks
//	with extents: mark them as unwritten, behind the end of the journal's file
//	take them back
//
// A cut before the update is committed leaves nothing of it, one after that all of it; at worst with a journal that has more blocks
// than before, or a longer log if the kernel or e2fsck have replayed the update from it. To both, and to us, that is a journal like
// any other. An update that needs more log uses what it finds.
//
// Whoever mounts replays a log with the journal's inode in memory as it was before. The kernel goes on with that inode: it does not
// let a file have blocks that the inode has, up to its size. Taken back in one transaction, the blocks would be free in the bitmap and
// forbidden to files, until it is mounted again: the first file that is given one would be an error of the file system. So they are
// behind the inode's end, which is as far as the kernel forbids them, before they are free. With indirect blocks e2fsck allows nothing
// there; but then the inode in memory is only the numbers in i_block, and the tables that these name are zeros in the log: the kernel
// finds holes.
//
// It is also through that inode that such a kernel finds the blocks of its log from then on. An inode of more than four extents has
// nodes, and with extents only the last transaction frees any: the inode in memory before it is that of the third, whose nodes lead
// to the log's own blocks, too. A kernel that replays just this last transaction (the cut was between its commit and the write that
// empties the log) works while it has the nodes in its cache; if it has dropped them and given their blocks to something else, its
// journal stops with an error until the next mount. That is left as it is: the blocks are taken in the longest runs there are, so that
// four extents mostly do.
//
// What each transaction writes is known before the first one begins, so nothing but the device can break it off. What the update
// leaves is what it would have left in a log that was long enough.
type largeUpdate struct {
	steps  []journaled
	update int         // which of them is the update
	undo   []journaled // instead of what follows it, where it fails before its commit
	unused []blockRun  // of the longer log, behind the update
	added  []blockRun  // the log's blocks that were not its own
}

// journaled is one transaction of the journal.
type journaled struct {
	p     plan
	j     *journal
	super superblocks
}

// enlarge prepares an update that the log has no room for. p is what it would write in one step, super the block of the superblock
// with it. The log has room for the zeros that clear what the update frees, too, if they are no more than the rest and there is space
// for all that this takes.
func (tx *Tx) enlarge(j *journal, p plan, super superblocks) (*largeUpdate, error) {
	if freed := p.freed(); freed > 0 && freed <= uint64(len(p.meta)) {
		if l, err := tx.lend(j, p, super, int(freed)); !errors.Is(err, ErrNoSpace) {
			return l, err
		}
	}
	return tx.lend(j, p, super, 0)
}

// lend is enlarge with room for so many zeros.
func (tx *Tx) lend(j *journal, p plan, super superblocks, zeros int) (*largeUpdate, error) {
	g, need, err := tx.growFor(j, p, zeros)
	if err != nil {
		return nil, err
	}
	length := uint32(j.LengthFor(need))
	grown, err := g.grown()
	if err != nil {
		return nil, err
	}
	parked, err := g.parked(grown, tx, need)
	if err != nil {
		return nil, err
	}
	over := tx.onTop() // the update, over the larger journal
	if err := over.withMap(grown); err != nil {
		return nil, err
	}

	l := &largeUpdate{}
	c := chain{v: tx.base, j: j, at: super.at, super: super.old, now: tx.now}
	if g.has > g.had {
		if err := c.grow(g); err != nil {
			return nil, err
		}
	}
	l.update = len(c.steps)
	undo := c
	if err := c.update(tx, g, over, p, length); err != nil {
		return nil, err
	}
	last := &c.steps[l.update]
	l.unused = last.j.between(last.j.First+uint32(len(last.j.log))+1, length)
	l.added = last.j.between(j.Length, length)
	last.p.log = slices.Concat(p.log, l.added)
	if l.update > 0 {
		undo.steps = nil
		if err := errors.Join(c.takeBack(over, parked, grown, tx.sb), undo.takeBack(g.Tx, parked, grown, tx.base.sb)); err != nil {
			return nil, err
		}
		l.undo = undo.steps
	}
	if len(p.log) > 0 { // a copy of the journal's inode has those beside it, and what is in them
		for i := l.update + 1; i < len(c.steps); i++ {
			c.steps[i].p.log = append(c.steps[i].p.log, c.steps[i].j.used()...)
		}
	}
	l.steps = c.steps
	return l, nil
}

// growFor lets the journal have room for an update and so many zeros. need is how much of the log they take.
func (tx *Tx) growFor(j *journal, p plan, zeros int) (g *growth, need int, err error) {
	need = j.Needed(len(p.meta) + zeros)
	for {
		// Each time from the beginning: what is taken at once lies in as few extents as can be.
		if g, err = tx.newGrowth(); err != nil {
			return nil, 0, err
		}
		if err := g.grow(j.LengthFor(need)); err != nil {
			return nil, 0, g.cannotGrow(j, need, err)
		}
		inUse := 0
		for _, c := range p.fresh {
			if g.over.Has(c.Block) {
				inUse++
			}
		}
		more := j.Needed(len(p.meta) + inUse + zeros)
		if more <= need {
			g.finish()
			return g, need, nil
		}
		need = more
	}
}

// chain makes transactions that follow each other.
type chain struct {
	v     *view // whatever has the journal's own blocks
	j     *journal
	at    FSBlock
	super []byte // the block of the superblock, as the last one leaves it
	now   format.Timestamp
	count uint32
	steps []journaled
}

// step adds a transaction, after which the superblock is sb.
func (c *chain) step(p plan, sb format.Superblock) error {
	return c.add(p, sb, &journal{Journal: c.j.After(c.count), runs: slices.Clone(c.j.runs)}, c.v)
}

func (c *chain) add(p plan, sb format.Superblock, j *journal, v *view) error {
	_, off := c.v.superAt()
	before := format.Superblock(c.super[off:][:format.SuperblockSize])
	s := superblocks{at: c.at, old: c.super, marked: c.v.superIn(c.super, before, true), new: c.v.superIn(c.super, sb, false)}
	i, found := slices.BinarySearchFunc(p.meta, c.at, func(c blocks.Change, at FSBlock) int { return cmp.Compare(c.Block, at) })
	if !found {
		p.meta = slices.Insert(p.meta, i, blocks.Change{})
	}
	p.meta[i] = blocks.Change{Block: c.at, Data: c.v.superIn(c.super, sb, true)}
	if err := j.prepare(v, p, c.now); err != nil {
		return err
	}
	c.steps = append(c.steps, journaled{p, j, s})
	c.super = s.new
	c.count++
	return nil
}

// update adds the update itself: what it changes, but where the larger journal has changed the same block that block as it is with
// both. What was free to the update alone may have become a bitmap in use.
func (c *chain) update(tx *Tx, g *growth, over *Tx, p plan, length uint32) error {
	p.fresh, p.meta = nil, nil
	for _, change := range tx.over.Changes() {
		if over.over.Has(change.Block) {
			data, err := over.over.Block(change.Block)
			if err != nil {
				return err
			}
			change.Data = data
		}
		if change.Fresh && !g.over.Has(change.Block) {
			p.fresh = append(p.fresh, change)
		} else {
			p.meta = append(p.meta, change)
		}
	}
	longer := &journal{Journal: c.j.After(c.count).Longer(length), runs: slices.Clone(c.j.runs)}
	n, err := over.inode(format.JournalIno)
	if err != nil {
		return err
	}
	if err := longer.mapUpTo(over.view, n, length); err != nil {
		return err
	}
	return c.add(p, over.sb, longer, over.view)
}

// grow adds what gives the journal its blocks. The log is found through the inode: it says how long the file is when the map has
// so many.
func (c *chain) grow(g *growth) error {
	p := divide(g.over.Changes())
	at, _, err := g.inodeAt(format.JournalIno)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(p.meta, func(c blocks.Change) bool { return c.Block == at }); i >= 0 {
		p.last = slices.Clone(p.meta[i : i+1])
		p.meta = slices.Delete(p.meta, i, i+1)
	}
	return c.step(p, g.sb)
}

// takeBack adds what makes of tx, which has the larger journal, what it is over. Blocks of the map are cleared when nothing leads to
// them any more: those of extents behind the transaction, the others, which the kernel may look at when it has replayed it, in it.
func (c *chain) takeBack(tx *Tx, parked *journalMap, grown journalMap, sb format.Superblock) error {
	back, err := tx.over.Reverted()
	if err != nil {
		return err
	}
	p := plan{log: grown.newNodes()}
	if parked != nil {
		behind := tx.onTop()
		if err := behind.withMap(*parked); err != nil {
			return err
		}
		if err := c.step(divide(behind.over.Changes()), behind.sb); err != nil {
			return err
		}
		more, err := behind.over.Reverted()
		if err != nil {
			return err
		}
		for _, change := range more {
			if !tx.over.Has(change.Block) {
				back = append(back, change)
			}
		}
		p.log = slices.Concat(p.log, parked.newNodes())
	}
	nodes := map[FSBlock]bool{}
	for _, r := range p.log {
		nodes[r.start] = true
	}
	tables := map[FSBlock]bool{} // that were there: they lose their numbers after the inode says that the file ends before
	if parked == nil {
		for _, n := range grown.nodes {
			tables[n.Block] = !n.Fresh
		}
	}
	for _, change := range back {
		switch {
		case tables[change.Block]:
			p.last = append(p.last, change)
		case !nodes[change.Block]:
			p.meta = append(p.meta, change)
		case parked == nil:
			p.last = append(p.last, blocks.Change{Block: change.Block, Data: make([]byte, tx.blockSize)})
		}
	}
	slices.SortFunc(p.meta, func(a, b blocks.Change) int { return cmp.Compare(a.Block, b.Block) })
	return c.step(p, sb)
}

// divide makes a plan of changes.
func divide(changes []blocks.Change) plan {
	var p plan
	for _, c := range changes {
		if c.Fresh {
			p.fresh = append(p.fresh, c)
		} else {
			p.meta = append(p.meta, c)
		}
	}
	return p
}

// write carries the update out. If it fails before its commit all is taken back.
func (l *largeUpdate) write(w *writer) error {
	if err := w.scrub(l.unused); err != nil {
		return err
	}
	for i, s := range l.steps {
		one := writer{dev: w.dev, blockSize: w.blockSize}
		err := one.writeJournaled(s.p, s.j, s.super)
		switch {
		case err == nil:
			continue
		case i > l.update:
			err = fmt.Errorf("all of the update is there, but the journal may still have the blocks that it was lent: %w", err)
		case one.committed && i == l.update:
			err = fmt.Errorf("all of the update is there when the file system has been recovered, perhaps with a larger journal: %w", err)
		case one.touched && i == l.update:
			err = fmt.Errorf("all or nothing of the update is there when the file system has been recovered, perhaps with a larger journal: %w", err)
		case one.touched:
			err = fmt.Errorf("nothing of the update is there, but the journal may be larger now: %w", err)
		case i == l.update:
			undo := l.giveUp(w)
			if undo == nil {
				return err
			}
			err = fmt.Errorf("%w (and the journal may still have the blocks that it was lent: %w)", err, undo)
		}
		w.touched = one.touched || i > 0
		return err
	}
	return nil
}

// giveUp takes back what the journal was lent for an update that did not come as far as its commit. What the log holds of it is
// cleared even where the journal had these blocks before.
func (l *largeUpdate) giveUp(w *writer) error {
	one := writer{dev: w.dev, blockSize: w.blockSize}
	if err := one.scrub(l.added); err != nil {
		return err
	}
	if err := one.sync(); err != nil {
		return err
	}
	for _, s := range l.undo {
		if err := one.writeJournaled(s.p, s.j, s.super); err != nil {
			return err
		}
	}
	return nil
}
