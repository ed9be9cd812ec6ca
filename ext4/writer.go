package ext4

// This file writes blocks in large pieces: what lies together on disk goes there together, whichever files it belongs to.

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"boringboot/ext4/internal/blocks"
)

// chunkBytes is how much is written at once at most.
const chunkBytes = 1 << 20

// batch collects what is written to consecutive blocks.
type batch struct {
	w     *writer
	buf   []byte
	start FSBlock
}

// newBatch has a buffer for at most so many bytes.
func (w *writer) newBatch(most int64) *batch {
	return &batch{w: w, buf: make([]byte, 0, min(most, chunkBytes))}
}

// next is where up to want bytes for block b and the ones behind it are to be put, whole blocks. What went before is written if it
// does not end there, or fills the buffer.
func (b *batch) next(at FSBlock, want int64) ([]byte, error) {
	bs := b.w.blockSize
	if len(b.buf)+bs > cap(b.buf) || at != b.start+FSBlock(len(b.buf)/bs) {
		if err := b.flush(); err != nil {
			return nil, err
		}
		b.start = at
	}
	have := len(b.buf)
	n := int(min(want, int64((cap(b.buf)-have)/bs*bs)))
	b.buf = b.buf[:have+n]
	return b.buf[have:], nil
}

func (b *batch) flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	err := b.w.write(b.start, b.buf)
	b.buf = b.buf[:0]
	return err
}

// writeData streams file data to its blocks. If that fails they are cleared again: they are free, and what they would hold may
// be secret.
func (w *writer) writeData(list []pending) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b pending) int { return cmp.Compare(a.start, b.start) })
	total := int64(0)
	for _, p := range list {
		total += int64(p.count) * int64(w.blockSize)
	}
	to := w.newBatch(total)
	for i, p := range list {
		err := to.copyContent(p)
		if err == nil && i == len(list)-1 {
			err = to.flush()
		}
		if err == nil {
			continue
		}
		for _, q := range list[:i+1] {
			if zeroErr := w.zero(q.blockRun); zeroErr != nil {
				return fmt.Errorf("%w (and part of it could not be cleared from free blocks: %v)", err, zeroErr)
			}
		}
		return err
	}
	return nil
}

func (b *batch) copyContent(p pending) error {
	bs := int64(b.w.blockSize)
	for done := uint32(0); done < p.count; {
		part, err := b.next(p.start+FSBlock(done), int64(p.count-done)*bs)
		if err != nil {
			return err
		}
		if err := p.read(p.start+FSBlock(done), part, b.w.blockSize); err != nil {
			return err
		}
		done += uint32(int64(len(part)) / bs)
	}
	return nil
}

// writeMeta writes blocks of metadata, in ascending order, to their places.
func (w *writer) writeMeta(list []blocks.Change) error {
	var buf []byte
	for len(list) > 0 {
		n := 1 // how many of them follow each other
		for n < len(list) && n < chunkBytes/w.blockSize && list[n].Block == list[0].Block+FSBlock(n) {
			n++
		}
		data := list[0].Data
		if n > 1 {
			buf = slices.Grow(buf[:0], n*w.blockSize)
			for _, c := range list[:n] {
				buf = append(buf, c.Data...)
			}
			data = buf
		}
		if err := w.write(list[0].Block, data); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// zero clears consecutive blocks.
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

// joinRuns sorts runs that do not overlap and makes one of those that follow each other.
func joinRuns(runs []blockRun) []blockRun {
	runs = slices.Clone(runs)
	slices.SortFunc(runs, func(a, b blockRun) int { return cmp.Compare(a.start, b.start) })
	var out []blockRun
	for _, r := range runs {
		if k := len(out); k > 0 && out[k-1].start+FSBlock(out[k-1].count) == r.start && uint64(out[k-1].count)+uint64(r.count) <= math.MaxUint32 {
			out[k-1].count += r.count
			continue
		}
		out = append(out, r)
	}
	return out
}
