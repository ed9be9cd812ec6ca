package ext4

// This file is the commit: the order in which a transaction reaches the device.

import (
	"bytes"
	"fmt"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

// plan is what a transaction will write.
type plan struct {
	data  []pending       // into blocks that are free until the metadata is there
	fresh []blocks.Change // metadata, too, in ascending order
	meta  []blocks.Change // into blocks that are in use, in ascending order
	last  []blocks.Change // of meta, what is not to be written home before all else is
	zero  []blockRun      // what was freed
	log   []blockRun      // of the journal, to be scrubbed
}

// commit writes what Open has recovered, and what a transaction has changed: at once, through the journal, or in order.
func (fsys *FS) commit(tx *Tx, o updateOptions) error {
	if err := tx.clearSlack(); err != nil {
		return err
	}
	if err := tx.settleQuota(); err != nil {
		return err
	}
	tx.sealGroups()
	if len(tx.over.Changes()) == 0 && tx.data.empty() && len(tx.freed) == 0 && bytes.Equal(tx.sb, fsys.view.sb) {
		return fsys.commitRecovery(o)
	}
	j, err := fsys.view.openJournal() // checked in any case: a log that is not empty would undo the update
	if err != nil {
		return err
	}
	if j == nil && !o.noJournal && !o.risk && !o.rehearsal {
		return errNoJournal
	}
	var log []blockRun
	if j != nil && (tx.erasing || j.lent()) {
		if log, err = fsys.view.logRuns(j); err != nil {
			return err
		}
	}
	if o.noJournal {
		j = nil
	}
	super, err := tx.stampSuperblock(fsys.view, j != nil)
	if err != nil {
		return err
	}
	p := plan{meta: tx.over.Changes()}
	if !o.noJournal {
		p = divide(p.meta)
	}
	p.data, p.zero, p.log = tx.data.all(), joinRuns(tx.freed), log
	var large *largeUpdate
	switch {
	case j == nil:
	case j.holds(p):
		err = j.prepare(fsys.view, p, tx.now)
	default:
		large, err = tx.enlarge(j, p, super)
	}
	if err != nil || o.rehearsal {
		return err
	}

	fsys.mu.Lock()
	defer fsys.mu.Unlock()
	if err := fsys.checkUnchanged(); err != nil {
		return err
	}
	if err := fsys.writeRecovery(o); err != nil {
		return err
	}
	w := writer{dev: fsys.dev, blockSize: tx.blockSize}
	switch {
	case o.noJournal:
		err = w.writeAll(p)
	case large != nil:
		super = large.steps[len(large.steps)-1].super
		err = large.write(&w)
	case j != nil:
		err = w.writeJournaled(p, j, super)
	default:
		err = w.writeOrdered(p)
	}
	if err != nil {
		if w.touched {
			fsys.failed = fmt.Errorf("an update of this file system broke off: %w", err)
		}
		fsys.cache.ForgetAll() // what has been taken back may be other than it was: the journal's superblock
		return err
	}
	fsys.cache.ForgetAll()
	if j != nil { // what is on the device now
		_, off := tx.superAt()
		tx.sb = super.new[off:][:format.SuperblockSize]
	}
	fsys.view = &view{geometry: tx.geometry, sb: tx.sb, src: fsys.cache}
	return nil
}

// checkUnchanged: the superblock is as it was read or written last. Somebody else who opened the file system and changed it would
// otherwise be overruled, with counts of what is free that are wrong then.
func (fsys *FS) checkUnchanged() error {
	now, want := make([]byte, format.SuperblockSize), fsys.view.sb
	if fsys.recovery.pending {
		want = fsys.recovery.found
	}
	if _, err := fsys.dev.ReadAt(now, format.SuperblockOffset); err != nil {
		return fmt.Errorf("read superblock: %w", err)
	}
	if !bytes.Equal(now, want) {
		return kindf(ErrInUse, "somebody else has changed it since it was opened")
	}
	return nil
}

var errNoJournal = kindf(ErrNoJournal, "a cut would leave half of the update")

// stampSuperblock sets the time of the write and the checksum, and puts the superblock into its block; while a journal is in
// use, with the mark that recovery is needed.
func (tx *Tx) stampSuperblock(base *view, journaled bool) (superblocks, error) {
	tx.sb.SetWtime(max(tx.now.Sec, 0))
	if tx.metadataCsum {
		tx.sb.SetChecksum()
	}
	at, _ := tx.superAt()
	old, err := base.src.Block(at)
	if err != nil {
		return superblocks{}, err
	}
	s := superblocks{at: at, old: old, marked: tx.superIn(old, base.sb, true), new: tx.superIn(old, tx.sb, false)}
	block, err := tx.over.Edit(at)
	if err != nil {
		return superblocks{}, err
	}
	if journaled {
		copy(block, tx.superIn(old, tx.sb, true))
		return s, nil
	}
	_, off := tx.superAt()
	copy(block[off:], tx.sb)
	return s, nil
}

// superIn is a copy of the superblock's block as the device has it, with sb in it: with the mark that recovery is needed or without.
// Where it can be, they differ in one sector.
func (v *view) superIn(block []byte, sb format.Superblock, mark bool) []byte {
	_, off := v.superAt()
	old := format.Superblock(block[off:][:format.SuperblockSize])
	block = bytes.Clone(block)
	sb = format.Superblock(block[off:][:copy(block[off:], sb)])
	features := format.SFeatureIncompat.Get(sb) &^ format.IncompatRecover
	if mark {
		features |= format.IncompatRecover
	}
	format.SFeatureIncompat.Set(sb, features)
	if v.metadataCsum {
		sb.SetChecksumLike(old)
	}
	return block
}

func runsOf(list []pending) []blockRun {
	runs := make([]blockRun, 0, len(list))
	for _, p := range list {
		runs = append(runs, p.blockRun)
	}
	return runs
}

// writer is the only code that writes to the device.
type writer struct {
	dev       Device
	blockSize int
	touched   bool // something that the file system refers to has been written
	committed bool // a transaction of the journal, durably
	writes    int  // calls of write
}

// writeAll is for a copy that nobody uses yet: everything, then one sync.
func (w *writer) writeAll(p plan) error {
	if err := w.writeData(p.data); err != nil {
		return err
	}
	if err := w.scrub(p.log); err != nil {
		return err
	}
	return w.writeHome(p)
}

// writeOrdered is for a file system without a journal: data is durable before anything refers to it.
func (w *writer) writeOrdered(p plan) error {
	if err := w.writeFree(p); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	return w.writeHome(p)
}

// writeFree writes what goes into blocks that are free before the commit: file data, and metadata that only the commit leads to. If
// it fails they are cleared again: what they hold may be secret.
func (w *writer) writeFree(p plan) error {
	if err := w.writeData(p.data); err != nil {
		return err
	}
	if err := w.writeMeta(p.fresh); err != nil {
		if undo := w.clearFree(p); undo != nil {
			return fmt.Errorf("%w (and %w)", err, undo)
		}
		return err
	}
	return nil
}

// clearFree takes back what writeFree has written.
func (w *writer) clearFree(p plan) error {
	runs := runsOf(p.data)
	for _, c := range p.fresh {
		runs = append(runs, blockRun{c.Block, 1})
	}
	for _, r := range joinRuns(runs) {
		if err := w.zero(r); err != nil {
			return fmt.Errorf("data could not be cleared from free blocks: %w", err)
		}
	}
	return nil
}

// writeHome writes metadata to its place, clears what was freed, and syncs.
func (w *writer) writeHome(p plan) error {
	w.touched = true
	if err := w.writeMeta(p.meta); err != nil {
		return err
	}
	for _, r := range p.zero {
		if err := w.zero(r); err != nil {
			return err
		}
	}
	return w.sync()
}

func (w *writer) write(b FSBlock, data []byte) error {
	w.writes++
	if _, err := w.dev.WriteAt(data, int64(b)*int64(w.blockSize)); err != nil {
		return fmt.Errorf("write block %d: %w", b, err)
	}
	return nil
}

func (w *writer) sync() error {
	if err := w.dev.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}
