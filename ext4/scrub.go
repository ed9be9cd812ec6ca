package ext4

// This file clears the journal's log: it has copies of blocks as they were, so what a file was replaced by or removed with would
// still be there. Only a transaction that takes something away has the log read, and only what is not zeros is written. Where an update
// or a recovery was cut off the log may have what should never have been there: recovery, which we write anyway, clears it, too, and so
// does any update after somebody else's recovery, if the journal shows that there was a cut.

import (
	"fmt"
	"math"

	"boringboot/ext4/internal/format"
)

// leavesTraces notes that the transaction takes away what was there before it.
func (tx *Tx) leavesTraces() { tx.erasing = true }

// lent tells whether the journal's file has more blocks than the journal: a cut left it those that it was lent (see largeUpdate), with
// what the log had there.
func (j *journal) lent() bool { return j.size > uint64(j.Length) }

// logRuns is where the journal's blocks are but for the first, its superblock, up to the end of its file. Nothing in them counts while
// the log is empty.
func (v *view) logRuns(j *journal) ([]blockRun, error) {
	n, err := v.inode(format.JournalIno)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.mapUpTo(v, n, j.Length); err != nil {
		return nil, err
	}
	list := j.between(j.First, j.Length)
	for at, end := uint64(j.Length), min(j.size, math.MaxUint32); at < end; {
		r, err := v.lookup(n, FileBlock(at))
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		count := min(uint64(r.count), end-at)
		if r.start != 0 { // nobody needs to have mapped what the log does not reach
			list = append(list, blockRun{r.start, uint32(count)})
		}
		at += count
	}
	return list, nil
}

// between is where some of the journal's blocks are, which are mapped.
func (j *journal) between(first, behind uint32) []blockRun {
	var list []blockRun
	for _, r := range j.runs {
		from, end := max(uint64(r.block), uint64(first)), min(uint64(r.block)+uint64(r.count), uint64(behind))
		if from < end {
			list = append(list, blockRun{r.start + FSBlock(from-uint64(r.block)), uint32(end - from)})
		}
	}
	return list
}

// scrubMarked scrubs the log durably, before the mark that recovery is needed is cleared: a scrub that is cut off is then not the last.
func (w *writer) scrubMarked(log []blockRun) error {
	before := w.writes
	if err := w.scrub(log); err != nil || w.writes == before {
		return err
	}
	return w.sync()
}

// scrub zeroes what is not zeros in runs of blocks. It does not sync.
func (w *writer) scrub(runs []blockRun) error {
	if len(runs) == 0 {
		return nil
	}
	buf := make([]byte, max(w.blockSize, chunkBytes))
	for _, r := range runs {
		for r.count > 0 {
			n := min(r.count, uint32(len(buf)/w.blockSize))
			part := buf[:int(n)*w.blockSize]
			if _, err := w.dev.ReadAt(part, int64(r.start)*int64(w.blockSize)); err != nil {
				return fmt.Errorf("read block %d: %w", r.start, err)
			}
			if err := w.zeroUsed(r.start, part); err != nil {
				return err
			}
			r.start += FSBlock(n)
			r.count -= n
		}
	}
	return nil
}

// zeroUsed zeroes those of the blocks from b on that hold something, by runs of them.
func (w *writer) zeroUsed(b FSBlock, data []byte) error {
	bs := w.blockSize
	run := blockRun{}
	flush := func() error {
		if run.count == 0 {
			return nil
		}
		err := w.zero(run)
		run.count = 0
		return err
	}
	for at := 0; at < len(data); at += bs {
		if isZero(data[at : at+bs]) {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		if run.count == 0 {
			run.start = b + FSBlock(at/bs)
		}
		run.count++
	}
	return flush()
}
