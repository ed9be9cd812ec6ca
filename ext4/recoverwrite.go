package ext4

// This file writes what was recovered, in an order in which a cut leaves something that can be recovered once more.

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

// commitRecovery writes what Open has recovered where a transaction has nothing to write.
func (fsys *FS) commitRecovery(o updateOptions) error {
	fsys.mu.Lock()
	defer fsys.mu.Unlock()
	if !fsys.recovery.pending || o.rehearsal {
		return nil
	}
	if err := fsys.checkUnchanged(); err != nil {
		return err
	}
	if err := fsys.writeRecovery(o); err != nil || !o.noJournal {
		return err
	}
	w := writer{dev: fsys.dev, blockSize: fsys.recovery.blockSize}
	return w.sync()
}

// writeRecovery writes what Open has recovered, if anything; with WithoutJournal it does not sync. fsys.mu is held.
func (fsys *FS) writeRecovery(o updateOptions) error {
	r := fsys.recovery
	if !r.pending {
		return nil
	}
	w := writer{dev: fsys.dev, blockSize: r.blockSize}
	var log []blockRun
	if r.marked {
		j, _, err := fsys.view.readJournal()
		if err == nil {
			log, err = fsys.view.logRuns(j)
		}
		if err != nil {
			return err
		}
	}
	var err error
	switch {
	case o.noJournal:
		err = r.writeAtOnce(&w, log)
	case r.marked:
		err = r.write(&w, fsys.view, log)
	default:
		err = r.writeCleaned(&w, fsys.view, o)
	}
	if err != nil {
		if w.touched {
			fsys.failed = fmt.Errorf("the recovery of this file system broke off: %w", err)
		}
		return err
	}
	*r = recovery{dev: r.dev, blockSize: r.blockSize}
	return nil
}

// write is for a device that is marked as in need of recovery. The log and the fast commits stay as they are until all that
// they have is at its place or in a transaction that follows them.
//
//	write the log's blocks home; sync
//	if there was something to clean:
//	    let the log begin anew, empty, with the number of the transaction that the fast commits follow; sync
//	    write the cleaning as that transaction, elsewhere in the log; sync
//	    let the log begin with it, without fast commits; sync
//	    write its blocks home; sync
//	empty the log; sync
//	scrub the log; sync
//	clear the mark; sync
func (r *recovery) write(w *writer, v *view, log []blockRun) error {
	var j *journal
	changes := r.cleaning(true)
	if len(r.cleaned) > 0 {
		j = &journal{Journal: r.journal.Continue(r.log), runs: r.journal.runs}
		if err := j.prepare(v, plan{meta: changes}, format.Timestamp{Sec: v.sb.Wtime()}); err != nil {
			return err
		}
		if need := len(j.log) + 2; need > j.Room() {
			return &NoSpaceError{Resource: journalBlocks, Needed: uint64(need), Free: uint64(j.Room())}
		}
	}
	w.touched = true
	if err := r.writeCopies(w); err != nil {
		return err
	}
	if err := w.write(r.superAt, r.loggedSuper); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	if j != nil {
		if err := w.writeAnew(j, r.FastCommits > 0); err != nil {
			return err
		}
		if err := w.writeHome(plan{meta: changes}); err != nil {
			return err
		}
	}
	if r.emptyJournal != nil || j != nil {
		empty := r.emptyJournal
		if j != nil {
			empty = j.Emptied()
		}
		if err := w.write(r.journalAt, empty); err != nil {
			return err
		}
		if err := w.sync(); err != nil {
			return err
		}
	}
	r.log = nil // all of it is at its place, and no more to be read
	if err := w.scrubMarked(log); err != nil {
		return err
	}
	if err := w.write(r.superAt, r.super); err != nil {
		return err
	}
	return w.sync()
}

// writeAnew commits a transaction to a log that begins anew. fastCommits are kept until then. What is behind the transaction's place
// has an older number or none, so a log that begins there is empty. (A log that has the transaction, beside fast commits that
// are older, is right to the kernel, but not to e2fsck 1.47.)
func (w *writer) writeAnew(j *journal, fastCommits bool) error {
	behind := j.First + uint32(len(j.log)) + 1
	if err := j.write(w, 0, j.Begun(behind, fastCommits)); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	for i, b := range append(slices.Clone(j.log), j.end) {
		if err := j.write(w, j.First+uint32(i), b); err != nil {
			return err
		}
	}
	if err := w.sync(); err != nil {
		return err
	}
	if err := j.write(w, 0, j.Started()); err != nil {
		return err
	}
	return w.sync()
}

// writeCleaned is for a device that was unmounted, or has no journal: what was cleaned is an update.
func (r *recovery) writeCleaned(w *writer, v *view, o updateOptions) error {
	j, err := v.openJournal()
	if err != nil {
		return err
	}
	if j == nil && !o.risk {
		return errNoJournal
	}
	if j == nil {
		return w.writeHome(plan{meta: r.cleaning(false)})
	}
	old := make([]byte, r.blockSize)
	if _, err := r.dev.ReadAt(old, int64(r.superAt)*int64(r.blockSize)); err != nil {
		return fmt.Errorf("read block %d: %w", r.superAt, err)
	}
	_, off := v.superAt()
	marked := v.superIn(old, old[off:][:format.SuperblockSize], true)
	p := plan{meta: r.cleaning(true)}
	if err := j.prepare(v, p, format.Timestamp{Sec: v.sb.Wtime()}); err != nil {
		return err
	}
	return w.writeJournaled(p, j, superblocks{at: r.superAt, old: old, marked: marked, new: r.super})
}

// cleaning is what the cleaning changed, in ascending order, with the superblock.
func (r *recovery) cleaning(marked bool) []blocks.Change {
	var list []blocks.Change
	for b, data := range r.cleaned {
		list = append(list, blocks.Change{Block: b, Data: data})
	}
	super := r.super
	if marked {
		super = r.markedSuper
	}
	list = append(list, blocks.Change{Block: r.superAt, Data: super})
	slices.SortFunc(list, func(a, b blocks.Change) int { return cmp.Compare(a.Block, b.Block) })
	return list
}

// writeAtOnce is for a device that nobody uses before all is done.
func (r *recovery) writeAtOnce(w *writer, log []blockRun) error {
	w.touched = true
	if err := r.writeCopies(w); err != nil {
		return err
	}
	for _, c := range r.cleaning(false) {
		if err := w.write(c.Block, c.Data); err != nil {
			return err
		}
	}
	if r.emptyJournal != nil {
		if err := w.write(r.journalAt, r.emptyJournal); err != nil {
			return err
		}
	}
	r.log = nil
	return w.scrub(log)
}

// writeCopies writes what the log has home, but for the superblock.
func (r *recovery) writeCopies(w *writer) error {
	if r.log == nil {
		return nil
	}
	for _, b := range slices.Sorted(maps.Keys(r.log.Copies)) {
		if b == r.superAt {
			continue // it is written in one sector
		}
		block, err := r.replayed(b)
		if err != nil {
			return err
		}
		if err := w.write(b, block); err != nil {
			return err
		}
	}
	return nil
}
