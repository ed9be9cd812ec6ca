package ext4

// This file is file data that a transaction will write: where it goes and what it is read from. It is also how the transaction
// reads, so that it sees its own data.

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"boringboot/ext4/internal/blocks"
)

// pending is data for consecutive blocks: the part of a content from off on. What the last block has beyond size is zeros.
type pending struct {
	blockRun
	content Content
	off     int64
	size    int64 // of the content, or what is left of it
}

// fileData is the source that a transaction reads from.
type fileData struct {
	cache *blocks.Cache
	over  *blocks.Overlay
	// Data by the piece of the disk that it is for, in ascending order: what is in two pieces is divided, so that finding,
	// adding and dropping cost the same however much there is.
	pieces map[FSBlock][]pending
	count  int
}

// pieceBlocks is how many blocks a piece of the disk has.
const pieceBlocks = 1024

func (d *fileData) empty() bool { return d.count == 0 }

// all lists the data in ascending order of its blocks.
func (d *fileData) all() []pending {
	list := make([]pending, 0, d.count)
	for _, key := range slices.Sorted(maps.Keys(d.pieces)) {
		list = append(list, d.pieces[key]...)
	}
	return list
}

func (d *fileData) add(p pending) {
	if d.pieces == nil {
		d.pieces = map[FSBlock][]pending{}
	}
	for p.count > 0 {
		key := p.start / pieceBlocks
		first, rest := d.cut(p, (key+1)*pieceBlocks)
		i, _ := search(d.pieces[key], p.start)
		d.pieces[key] = slices.Insert(d.pieces[key], i, first)
		d.count++
		p = rest
	}
}

// cut divides data into what is for blocks before at and the rest, of which either may have no blocks.
func (d *fileData) cut(p pending, at FSBlock) (before, rest pending) {
	before, rest = p, p
	before.count = uint32(min(FSBlock(p.count), max(at, p.start)-p.start))
	rest.start += FSBlock(before.count)
	rest.count -= before.count
	rest.off += int64(before.count) * int64(d.cache.BlockSize())
	return before, rest
}

// drop forgets data for blocks that are freed again.
func (d *fileData) drop(start FSBlock, n uint32) {
	if d.empty() {
		return
	}
	end := start + FSBlock(n)
	for key := start / pieceBlocks; key*pieceBlocks < end; key++ {
		list := d.pieces[key]
		from, _ := search(list, start)
		to := from
		var left []pending // of what begins before these blocks or goes on behind them
		for ; to < len(list) && list[to].start < end; to++ {
			before, rest := d.cut(list[to], start)
			_, after := d.cut(rest, end)
			for _, p := range []pending{before, after} {
				if p.count > 0 {
					left = append(left, p)
				}
			}
		}
		if from < to {
			d.pieces[key] = slices.Replace(list, from, to, left...)
			d.count += len(left) - (to - from)
		}
	}
}

// shorten lets block b, the last of a file, hold only its first bytes; the rest are zeros. It tells whether the block has such data.
func (d *fileData) shorten(b FSBlock, bytes int) bool {
	p := d.find(b)
	if p != nil {
		p.size = min(p.size, p.off+int64(b-p.start)*int64(d.cache.BlockSize())+int64(bytes))
	}
	return p != nil
}

// find is the data that block b belongs to, nil if there is none.
func (d *fileData) find(b FSBlock) *pending {
	list := d.pieces[b/pieceBlocks]
	if i, found := search(list, b); found {
		return &list[i]
	}
	return nil
}

// search is where in a list the data is that block b belongs to, or would be.
func search(list []pending, b FSBlock) (int, bool) {
	return slices.BinarySearchFunc(list, b, func(p pending, b FSBlock) int {
		switch {
		case p.start+FSBlock(p.count) <= b:
			return -1
		case p.start > b:
			return 1
		}
		return 0
	})
}

func (d *fileData) Block(n FSBlock) ([]byte, error) { return d.over.Block(n) }

func (d *fileData) Ahead(n FSBlock, count int) { d.cache.Ahead(n, count) }

// Read is source's.
func (d *fileData) Read(n FSBlock, b []byte) error {
	if d.empty() && d.over.Len() == 0 {
		return d.cache.Read(n, b)
	}
	size := d.cache.BlockSize()
	for ; len(b) > 0; n++ {
		part := b[:min(size, len(b))]
		if err := d.readBlock(n, part); err != nil {
			return err
		}
		b = b[len(part):]
	}
	return nil
}

func (d *fileData) readBlock(n FSBlock, b []byte) error {
	if d.over.Has(n) {
		block, err := d.over.Block(n)
		copy(b, block)
		return err
	}
	if p := d.find(n); p != nil {
		return p.read(n, b, d.cache.BlockSize())
	}
	return d.cache.Read(n, b)
}

// read fills b with what the blocks from n on will hold.
func (p pending) read(n FSBlock, b []byte, blockSize int) error {
	off := p.off + int64(n-p.start)*int64(blockSize)
	have := min(int64(len(b)), max(p.size-off, 0))
	clear(b[have:])
	k, err := p.content.ReadAt(b[:have], off)
	if int64(k) == have {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("content of %d bytes: read at %d: %w", p.size, off, err)
}
