package ext4

// This file recovers a file system that was not unmounted: what the journal says lies over the device, so that nothing has to
// be written to read it.

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
	"boringboot/ext4/internal/jbd2"
)

// Recovery is what Open did to a file system that was not unmounted.
type Recovery struct {
	Transactions int // replayed from the journal's log
	Blocks       int // that they changed
	FastCommits  int // that followed them
	Deleted      int // inodes that had no name any more, but were still open
	Truncated    int // inodes whose truncation had not come to its end
}

// Recovery says what Open has recovered; nil where there was nothing to recover, or it has been written by now.
func (fsys *FS) Recovery() *Recovery {
	fsys.mu.RLock()
	defer fsys.mu.RUnlock()
	if !fsys.recovery.pending {
		return nil
	}
	r := fsys.recovery.Recovery
	return &r
}

// Recover writes what Open has recovered. It is Update without a change.
func (fsys *FS) Recover(opts ...UpdateOption) error {
	return fsys.Update(func(*Tx) error { return nil }, opts...)
}

// recovery reads a device as it will be when it is recovered: by what transactions changed, over it what the cleaning changed
// that follows, over it the superblock and the journal's. Where nothing is to be recovered it reads the device.
type recovery struct {
	Recovery
	dev       Device
	blockSize int
	found     format.Superblock // of the device when it was opened
	pending   bool              // there is something that has not been written
	marked    bool              // the device's superblock says that recovery is needed

	journal *journal // nil if not marked
	log     *jbd2.Replayed
	fast    *jbd2.FastCommits // what follows the log
	cleaned map[FSBlock][]byte

	journalAt    FSBlock // the block of the journal's superblock
	emptyJournal []byte  // nil: it stays
	superAt      FSBlock
	super        []byte // the block of the superblock, without the mark; nil: it stays
	markedSuper  []byte // the same with the mark
	loggedSuper  []byte // as the log has it, with the mark
}

// newRecovery replays the journal if the superblock, sb, says that it is needed.
func newRecovery(dev Device, sb format.Superblock) (*recovery, error) {
	r := &recovery{dev: dev, found: bytes.Clone(sb)}
	if !sb.HasIncompat(format.IncompatRecover) {
		return r, nil
	}
	if !sb.HasCompat(format.CompatHasJournal) {
		return nil, corruptf("superblock: needs_recovery without has_journal")
	}
	geo, err := newGeometry(sb, dev.Size())
	if err != nil {
		return nil, err
	}
	r.blockSize, r.pending, r.marked = geo.blockSize, true, true
	v := &view{geometry: geo, sb: sb, src: blocks.NewCache(dev, geo.blockSize, geo.blocks)}
	if err := r.replay(v); err != nil {
		return nil, err
	}
	return r, r.cleanSuperblock()
}

// replay reads the log.
func (r *recovery) replay(v *view) error {
	j, n, err := v.findJournal()
	if err != nil {
		return err
	}
	r.journal, r.journalAt, r.log = j, j.runs[0].start, j.Nothing()
	if j.Start() == 0 {
		return nil
	}
	if err := j.mapUpTo(v, n, j.Length); err != nil {
		return err
	}
	r.log, err = j.Replay(&logReader{j, r.dev, make([]byte, r.blockSize)}, FSBlock(r.dev.Size()/int64(r.blockSize)))
	if err != nil {
		return journalError(n.ino, err)
	}
	if r.fast, err = j.FastCommits(&logReader{j, r.dev, make([]byte, r.blockSize)}, r.log, v.inodeSize); err != nil {
		return journalError(n.ino, err)
	}
	r.FastCommits = r.fast.Commits
	r.Transactions, r.Blocks = int(r.log.Transactions), len(r.log.Copies)
	r.emptyJournal = j.Recovered(r.log)
	return r.checkCopies()
}

// journalError gives an error of a log its kind.
func journalError(ino Ino, err error) error {
	switch {
	case errors.Is(err, jbd2.ErrDamaged):
		return corruptf("journal: inode %d: %w", ino, err)
	case errors.Is(err, jbd2.ErrUnknown):
		return unsupportedf("journal: inode %d: %w", ino, err)
	}
	return fmt.Errorf("journal: %w", err)
}

// checkCopies: no transaction has a block of the journal itself.
func (r *recovery) checkCopies() error {
	for _, run := range r.journal.runs {
		for i := range FSBlock(run.count) {
			if _, ok := r.log.Copies[run.start+i]; ok {
				return corruptf("journal: a transaction has block %d, which is the journal's own", run.start+i)
			}
		}
	}
	return nil
}

// cleanSuperblock clears the mark that recovery is needed and sets the counts of what is free: the kernel keeps those of the
// superblock in memory while it has a file system mounted.
func (r *recovery) cleanSuperblock() error {
	sb, err := readSuperblock(r, r.dev.Size())
	if err != nil {
		return err
	}
	geo, err := newGeometry(sb, r.dev.Size())
	if err != nil {
		return err
	}
	if geo.blockSize != r.blockSize {
		return corruptf("journal: a transaction changes the block size from %d to %d bytes", r.blockSize, geo.blockSize)
	}
	v := &view{geometry: geo, sb: sb, src: blocks.NewCache(r, geo.blockSize, geo.blocks)}
	var freeBlocks, freeInodes uint64
	for g := range geo.groups {
		d, err := v.desc(g)
		if err != nil {
			return err
		}
		freeBlocks += uint64(d.FreeBlocks()) * uint64(geo.clusterBlocks)
		freeInodes += uint64(d.FreeInodes())
	}
	sb.SetFreeBlocks(freeBlocks)
	format.SFreeInodesCount.Set(sb, uint32(freeInodes))
	if err := r.setSuperblock(v, sb); err != nil {
		return err
	}
	r.loggedSuper = r.markedSuper
	return nil
}

// setSuperblock takes over sb as what the recovered device has, without the mark.
func (r *recovery) setSuperblock(v *view, sb format.Superblock) error {
	at, _ := v.superAt()
	old := make([]byte, r.blockSize)
	if _, err := r.dev.ReadAt(old, int64(at)*int64(r.blockSize)); err != nil {
		return fmt.Errorf("read block %d: %w", at, err)
	}
	r.superAt, r.super, r.markedSuper = at, v.superIn(old, sb, false), v.superIn(old, sb, true)
	return nil
}

// logReader gives the journal's blocks as the device has them.
type logReader struct {
	j   *journal
	dev io.ReaderAt
	buf []byte
}

func (l *logReader) Block(at uint32) ([]byte, error) {
	b, err := l.j.place(at)
	if err != nil {
		return nil, err
	}
	if _, err := l.dev.ReadAt(l.buf, int64(b)*int64(len(l.buf))); err != nil {
		return nil, fmt.Errorf("read block %d: %w", b, err)
	}
	return l.buf, nil
}

// ReadAt reads the recovered device. It may be used by several goroutines.
func (r *recovery) ReadAt(p []byte, off int64) (int, error) {
	if !r.pending {
		return r.dev.ReadAt(p, off)
	}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		skip := int(at % int64(r.blockSize))
		part := p[done:][:min(r.blockSize-skip, len(p)-done)]
		n, err := r.readPart(FSBlock(at/int64(r.blockSize)), skip, part, at)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readPart reads part of one block.
func (r *recovery) readPart(b FSBlock, skip int, part []byte, at int64) (int, error) {
	block, err := r.changed(b)
	switch {
	case err != nil:
		return 0, err
	case block == nil:
		return r.dev.ReadAt(part, at)
	}
	return copy(part, block[skip:]), nil
}

// changed is the content that recovery gives a block, nil where it leaves it alone.
func (r *recovery) changed(b FSBlock) ([]byte, error) {
	switch {
	case r.super != nil && b == r.superAt:
		return r.super, nil
	case r.emptyJournal != nil && b == r.journalAt:
		return r.emptyJournal, nil
	}
	if block, ok := r.cleaned[b]; ok {
		return block, nil
	}
	return r.replayed(b)
}

// replayed is the content that the log has of a block, nil where it has none.
func (r *recovery) replayed(b FSBlock) ([]byte, error) {
	if r.log == nil {
		return nil, nil
	}
	c, ok := r.log.Copies[b]
	if !ok {
		return nil, nil
	}
	l := logReader{r.journal, r.dev, make([]byte, r.blockSize)}
	block, err := l.Block(c.At)
	if err == nil && c.Escaped {
		format.JMagic.Set(block, format.JBD2Magic)
	}
	return block, err
}
