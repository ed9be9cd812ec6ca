package ext4

// This file is the commit: the order in which a transaction reaches the device.

import (
	"bytes"
	"fmt"

	"boringboot/ext4/internal/blocks"
)

// plan is what a transaction will write.
type plan struct {
	data []pending       // into blocks that are free until the metadata is there
	meta []blocks.Change // in ascending order
	zero []blockRun      // what was freed
}

// commit writes what a transaction has changed, if anything.
func (fsys *FS) commit(tx *Tx, o updateOptions) error {
	if len(tx.over.Changes()) == 0 && len(tx.data.list) == 0 && len(tx.freed) == 0 && bytes.Equal(tx.sb, fsys.view.sb) {
		return nil
	}
	if err := tx.stampSuperblock(); err != nil {
		return err
	}
	p := plan{data: tx.data.list, meta: tx.over.Changes(), zero: tx.freed}

	fsys.mu.Lock()
	defer fsys.mu.Unlock()
	w := writer{dev: fsys.dev, blockSize: tx.blockSize}
	var err error
	if o.noJournal {
		err = w.writeAll(p)
	} else {
		err = w.writeOrdered(p)
	}
	if err != nil {
		if w.touched {
			fsys.failed = fmt.Errorf("an update of this file system broke off: %w", err)
		}
		return err
	}
	for _, c := range p.meta {
		fsys.cache.Forget(c.Block)
	}
	for _, list := range [][]blockRun{runsOf(p.data), p.zero} {
		for _, r := range list {
			for i := range r.count {
				fsys.cache.Forget(r.start + FSBlock(i))
			}
		}
	}
	fsys.view = &view{geometry: tx.geometry, sb: tx.sb, src: fsys.cache}
	return nil
}

// stampSuperblock sets the time of the write and the checksum, and puts the superblock into its block.
func (tx *Tx) stampSuperblock() error {
	tx.sb.SetWtime(max(tx.now.Sec, 0))
	if tx.metadataCsum {
		tx.sb.SetChecksum()
	}
	b, off := tx.superAt()
	block, err := tx.over.Edit(b)
	if err != nil {
		return err
	}
	copy(block[off:], tx.sb)
	return nil
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
}

// writeAll is for a copy that nobody uses yet: everything, then one sync.
func (w *writer) writeAll(p plan) error {
	if err := w.writeData(p.data); err != nil {
		return err
	}
	return w.writeHome(p)
}

// writeOrdered is for a file system without a journal: data is durable before anything refers to it.
func (w *writer) writeOrdered(p plan) error {
	if err := w.writeData(p.data); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	return w.writeHome(p)
}

// writeHome writes metadata to its place, clears what was freed, and syncs.
func (w *writer) writeHome(p plan) error {
	w.touched = true
	for _, c := range p.meta {
		if err := w.write(c.Block, c.Data); err != nil {
			return err
		}
	}
	for _, r := range p.zero {
		if err := w.zero(r); err != nil {
			return err
		}
	}
	return w.sync()
}

// chunkBytes is how much file data is copied at once.
const chunkBytes = 1 << 20

// writeData streams file data to its blocks. If that fails they are cleared again: they are free, and what they would hold may
// be secret.
func (w *writer) writeData(list []pending) error {
	buf := make([]byte, 0)
	for i, p := range list {
		if need := min(int64(p.count)*int64(w.blockSize), chunkBytes); int64(len(buf)) < need {
			buf = make([]byte, need)
		}
		if err := w.copyContent(p, buf); err != nil {
			for _, q := range list[:i+1] {
				if zeroErr := w.zero(q.blockRun); zeroErr != nil {
					return fmt.Errorf("%w (and part of it could not be cleared from free blocks: %v)", err, zeroErr)
				}
			}
			return err
		}
	}
	return nil
}

func (w *writer) copyContent(p pending, buf []byte) error {
	perChunk := uint32(len(buf) / w.blockSize)
	for done := uint32(0); done < p.count; {
		n := min(perChunk, p.count-done)
		part := buf[:int(n)*w.blockSize]
		b := p.start + FSBlock(done)
		if err := p.read(b, part, w.blockSize); err != nil {
			return err
		}
		if err := w.write(b, part); err != nil {
			return err
		}
		done += n
	}
	return nil
}

func (w *writer) zero(r blockRun) error {
	buf := make([]byte, min(int64(r.count)*int64(w.blockSize), chunkBytes))
	for done := uint32(0); done < r.count; {
		n := min(uint32(len(buf)/w.blockSize), r.count-done)
		if err := w.write(r.start+FSBlock(done), buf[:int(n)*w.blockSize]); err != nil {
			return err
		}
		done += n
	}
	return nil
}

func (w *writer) write(b FSBlock, data []byte) error {
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
