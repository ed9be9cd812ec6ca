package ext4

// This file is file data that a transaction will write: where it goes and what it is read from. It is also how the transaction
// reads, so that it sees its own data.

import (
	"fmt"
	"io"
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
	cache  *blocks.Cache
	over   *blocks.Overlay
	list   []pending
	sorted bool
}

func (d *fileData) add(p pending) {
	d.list = append(d.list, p)
	d.sorted = false
}

// drop forgets data for blocks that are freed again.
func (d *fileData) drop(start FSBlock, n uint32) {
	end := start + FSBlock(n)
	var rest []pending // of what begins before these blocks or goes on behind them
	d.list = slices.DeleteFunc(d.list, func(p pending) bool {
		pEnd := p.start + FSBlock(p.count)
		if p.start >= end || pEnd <= start {
			return false
		}
		if p.start < start {
			before := p
			before.count = uint32(start - p.start)
			rest = append(rest, before)
		}
		if pEnd > end {
			after := p
			after.blockRun = blockRun{end, uint32(pEnd - end)}
			after.off += int64(end-p.start) * int64(d.cache.BlockSize())
			rest = append(rest, after)
		}
		return true
	})
	for _, p := range rest {
		d.add(p)
	}
}

// shorten lets block b, the last of a file, hold only its first bytes; the rest are zeros. It tells whether the block has such data.
func (d *fileData) shorten(b FSBlock, bytes int) bool {
	i, found := d.search(b)
	if found {
		p := &d.list[i]
		p.size = min(p.size, p.off+int64(b-p.start)*int64(d.cache.BlockSize())+int64(bytes))
	}
	return found
}

// search finds where in the list the data is that block b belongs to.
func (d *fileData) search(b FSBlock) (int, bool) {
	if !d.sorted {
		slices.SortFunc(d.list, func(x, y pending) int {
			if x.start < y.start {
				return -1
			}
			return 1
		})
		d.sorted = true
	}
	return slices.BinarySearchFunc(d.list, b, func(p pending, b FSBlock) int {
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

// Read is source's.
func (d *fileData) Read(n FSBlock, b []byte) error {
	if len(d.list) == 0 && d.over.Len() == 0 {
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
	if i, ok := d.search(n); ok {
		return d.list[i].read(n, b, d.cache.BlockSize())
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
