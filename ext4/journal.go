package ext4

// This file is the way through the journal: one transaction, after which a cut at any moment leaves either the old state or
// one that the kernel or e2fsck completes from the log.

import (
	"errors"
	"fmt"
	"slices"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
	"boringboot/ext4/internal/jbd2"
)

// journal is the file system's own log and where its blocks are.
type journal struct {
	*jbd2.Journal
	runs []run  // of the journal's file
	size uint64 // of the file, in blocks
	log  [][]byte
	end  []byte // the commit block
}

// openJournal reads the journal's superblock, and the log has to be empty. Nil where the file system has no journal.
func (v *view) openJournal() (*journal, error) {
	if !v.sb.HasCompat(format.CompatHasJournal) {
		return nil, nil
	}
	j, _, err := v.readJournal()
	if err == nil && j.Start() != 0 {
		return nil, corruptf("journal: inode %d: superblock: s_start %d: the log is not empty", format.JournalIno, j.Start())
	}
	return j, err
}

// readJournal reads the journal's superblock, whatever the log holds.
func (v *view) readJournal() (*journal, node, error) {
	j, n, err := v.findJournal()
	if err != nil {
		return nil, n, err
	}
	if err := v.checkMapped(n); err != nil {
		return nil, n, fmt.Errorf("journal: %w", err)
	}
	return j, n, nil
}

// findJournal is readJournal for before a log is replayed, which may have the journal's own inode.
func (v *view) findJournal() (*journal, node, error) {
	ino := format.JournalIno
	n, err := v.inode(ino)
	if err != nil {
		return nil, n, fmt.Errorf("journal: %w", err)
	}
	if n.Type() != format.ModeRegular {
		return nil, n, corruptf("journal: inode %d is not a regular file", ino)
	}
	if n.Size()%uint64(v.blockSize) != 0 || n.Size()/uint64(v.blockSize) > uint64(v.blocks) {
		return nil, n, corruptf("journal: inode %d has %d bytes", ino, n.Size())
	}
	j := &journal{size: n.Size() / uint64(v.blockSize)}
	first, err := v.lookup(n, 0)
	if err != nil {
		return nil, n, fmt.Errorf("journal: %w", err)
	}
	if first.start == 0 {
		return nil, n, corruptf("journal: inode %d: its first block is a hole", ino)
	}
	block, err := v.src.Block(first.start)
	if err != nil {
		return nil, n, fmt.Errorf("journal: %w", err)
	}
	if j.Journal, err = jbd2.Parse(block, j.size, v.blocks > 1<<32); err != nil {
		if errors.Is(err, jbd2.ErrUnknown) {
			return nil, n, unsupportedf("journal: inode %d: %w", ino, err)
		}
		return nil, n, corruptf("journal: inode %d: %w", ino, err)
	}
	j.runs = []run{first}
	return j, n, j.mapUpTo(v, n, 1)
}

// mapUpTo finds where the journal's first count blocks are.
func (j *journal) mapUpTo(v *view, n node, count uint32) error {
	for {
		last := j.runs[len(j.runs)-1]
		next := last.block + FileBlock(last.count)
		if uint32(next) >= count {
			return nil
		}
		r, err := v.lookup(n, next)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		if r.start == 0 {
			return corruptf("journal: inode %d: block %d is a hole", n.ino, next)
		}
		j.runs = append(j.runs, r)
	}
}

// freed is how many blocks are to be cleared.
func (p *plan) freed() uint64 {
	count := uint64(0)
	for _, r := range p.zero {
		count += uint64(r.count)
	}
	return count
}

// holds tells whether the log has room for a transaction as one.
func (j *journal) holds(p plan) bool { return j.Needed(len(p.meta)) <= j.Room() }

// prepare lays a transaction into the log. Blocks that were freed are logged as zeros, so that they are cleared even if the
// log is replayed; where they are more than half of the log has room for, they are left to be cleared behind the commit.
func (j *journal) prepare(v *view, p plan, t format.Timestamp) error {
	all := slices.Concat(p.meta, p.last)
	zero := make([]byte, v.blockSize)
	count := p.freed()
	if count <= uint64(j.Room()/2) && j.Needed(len(all)+int(count)) <= j.Room() {
		for _, r := range p.zero {
			for i := range r.count {
				all = append(all, blocks.Change{Block: r.start + FSBlock(i), Data: zero})
			}
		}
	}
	need := j.Needed(len(all))
	if need > j.Room() {
		return &NoSpaceError{Resource: journalBlocks, Needed: uint64(need), Free: uint64(j.Room())}
	}
	n, err := v.inode(format.JournalIno)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := j.mapUpTo(v, n, j.First+uint32(need)); err != nil {
		return err
	}
	j.log, j.end = j.Transaction(all, t)
	return nil
}

// place is where a block of the journal is.
func (j *journal) place(at uint32) (FSBlock, error) {
	i, found := slices.BinarySearchFunc(j.runs, at, func(r run, at uint32) int {
		switch {
		case uint64(r.block)+uint64(r.count) <= uint64(at):
			return -1
		case uint32(r.block) > at:
			return 1
		}
		return 0
	})
	if !found {
		return 0, corruptf("journal: block %d is not mapped", at)
	}
	return j.runs[i].start + FSBlock(at-uint32(j.runs[i].block)), nil
}

// used is where the transaction is in the log.
func (j *journal) used() []blockRun { return j.between(j.First, j.First+uint32(len(j.log))+1) }

func (j *journal) write(w *writer, at uint32, data []byte) error {
	b, err := j.place(at)
	if err != nil {
		return err
	}
	return w.write(b, data)
}

// writeJournaled commits through the journal. The order is what makes a cut harmless:
//
//	write file data and new metadata into free blocks, the transaction into the empty log, and the mark that recovery is needed; sync
//	write the commit block, and the journal's superblock that lets the log begin; sync: now the transaction is done
//	write the blocks home and clear what was freed; sync; where the journal's own map changes, what has to follow it; sync
//	empty the journal; sync
//	if something was taken away scrub the log; sync
//	clear the mark; sync
//
// Only blocks that were in use are in the transaction: what was free before, the old state does not look at. So it is small even
// for many files, and bounded by the bitmaps, inode tables and directories that were there.
//
// A mark with an empty log is nothing to recover, and without its commit block a transaction is not one. While the log is scrubbed the
// mark stays: where that is cut off, whoever opens the file system next with this package scrubs the rest.
//
// A device may write some of a block's sectors of 512 bytes and not others. What a mount reads before it replays the log changes in
// one sector each: the superblock (SetChecksumLike), the journal's, a descriptor. So does the commit block, whose place is cleared
// before: one that is there in part would be taken for damage.
//
// What empties the log and what clears the mark must not be made one: of a pair that is torn the mark may be cleared and the log still be there, and on
// that "e2fsck -p" at boot stops and asks.
func (w *writer) writeJournaled(p plan, j *journal, super superblocks) error {
	if err := w.writeFree(p); err != nil {
		return err
	}
	if err := w.prepareLog(j, super); err != nil {
		return w.giveUp(err, p, j, super)
	}
	w.touched = true
	if err := j.write(w, j.First+uint32(len(j.log)), j.end); err != nil {
		return err
	}
	if err := j.write(w, 0, j.Started()); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	w.committed = true
	if err := w.writeHome(p); err != nil {
		return err
	}
	if len(p.last) > 0 {
		if err := w.writeHome(plan{meta: p.last}); err != nil {
			return err
		}
	}
	if err := j.write(w, 0, j.Emptied()); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	if err := w.scrubMarked(p.log); err != nil {
		return err
	}
	if err := w.write(super.at, super.new); err != nil {
		return err
	}
	return w.sync()
}

func (w *writer) prepareLog(j *journal, super superblocks) error {
	if err := w.write(super.at, super.marked); err != nil {
		return err
	}
	for i, b := range j.log {
		if err := j.write(w, j.First+uint32(i), b); err != nil {
			return err
		}
	}
	if err := j.write(w, j.First+uint32(len(j.log)), make([]byte, w.blockSize)); err != nil {
		return err
	}
	return w.sync()
}

// giveUp takes back what a commit has written that did not come as far as its commit block: the file system is as it was.
func (w *writer) giveUp(err error, p plan, j *journal, super superblocks) error {
	errs := []error{err}
	if undo := w.write(super.at, super.old); undo != nil {
		w.touched = true
		errs = append(errs, fmt.Errorf("the mark that recovery is needed could not be taken back: %w", undo))
	}
	if undo := w.clearFree(p); undo != nil {
		errs = append(errs, undo)
	}
	if undo := w.scrub(j.used()); undo != nil {
		errs = append(errs, fmt.Errorf("the journal's log could not be cleared: %w", undo))
	}
	return errors.Join(errs...)
}

// superblocks is the block that the superblock is in, in each of its states.
type superblocks struct {
	at               FSBlock
	old, marked, new []byte
}
