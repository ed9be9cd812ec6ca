package ext4

// This file is what a regular file is filled with: bytes from a source that is read when the transaction commits, and holes where the
// source says that it has some.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"boringboot/ext4/internal/format"
)

// Content is a file's bytes, read when the transaction commits, or at once where they are kept in the inode: *bytes.Reader,
// *io.SectionReader. It must not change before.
type Content interface {
	io.ReaderAt
	Size() int64 // bytes
}

// SparseContent is a Content that knows where it has data; what is between reads as zeros, and becomes a hole of the file where it
// covers whole blocks.
type SparseContent interface {
	Content
	// NextData gives the first data that ends behind off: bytes from start up to end, end excluded. Behind the last data the error
	// is io.EOF.
	NextData(off int64) (start, end int64, err error)
}

// fileContent is a content whose size and data have been looked at.
type fileContent struct {
	Content
	size int64
	data []blockRange // ascending, apart from each other
}

// measure finds which blocks of a new file will have data, and whether there is room for them.
func (tx *Tx) measure(c Content) (fileContent, error) {
	f := fileContent{Content: c, size: c.Size()}
	if f.size < 0 {
		return f, fs.ErrInvalid
	}
	extents := tx.sb.HasIncompat(format.IncompatExtents)
	if uint64(f.size) > tx.maxBytes(extents) {
		return f, ErrTooLarge
	}
	if f.size > 0 && f.size <= int64(tx.newInlineRoom()) {
		f.data = []blockRange{{0, 1}} // for an inode that has less room
		return f, nil
	}
	free := tx.freeBlocks()
	var need uint64
	var err error
	if f.data, need, err = dataRanges(c, f.size, tx.blockSize, free); err != nil {
		return f, err
	}
	if !extents {
		need += tx.indirectBlocks(f.data)
	}
	if need > free {
		return f, &NoSpaceError{Resource: "blocks", Needed: need, Free: free}
	}
	return f, nil
}

// DataBlocks counts the blocks of blockSize bytes that a file with this content has: all, or of a SparseContent those with data.
// Blocks of the file's map come on top.
func DataBlocks(c Content, blockSize int) (uint64, error) {
	_, count, err := dataRanges(c, c.Size(), blockSize, math.MaxUint64)
	return count, err
}

// dataRanges lists the blocks of a content that have data, and counts them, not far beyond limit.
func dataRanges(c Content, size int64, blockSize int, limit uint64) (list []blockRange, count uint64, err error) {
	bs := uint64(blockSize)
	sparse, ok := c.(SparseContent)
	if !ok {
		if count = (uint64(size) + bs - 1) / bs; count > 0 {
			list = []blockRange{{0, count}}
		}
		return list, count, nil
	}
	for off := int64(0); off < size && count <= limit; {
		start, end, err := sparse.NextData(off)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && (end <= off || start >= end) {
			err = fmt.Errorf("from %d up to %d, behind %d", start, end, off)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("content of %d bytes: its next data: %w", size, err)
		}
		if start = max(start, off); start >= size {
			break
		}
		off = min(end, size)
		r := blockRange{uint64(start) / bs, (uint64(off) + bs - 1) / bs}
		if k := len(list); k > 0 && list[k-1].end >= r.from {
			r.from = list[k-1].end
			list[k-1].end = max(list[k-1].end, r.end)
		} else {
			list = append(list, r)
		}
		count += r.end - min(r.from, r.end)
	}
	return list, count, nil
}

// fill gives an empty file its content.
func (tx *Tx) fill(n node, c fileContent) error {
	if done, err := tx.fillInline(n, c); done || err != nil {
		return err
	}
	for _, r := range c.data {
		err := tx.appendBlocks(n, FileBlock(r.from), uint32(r.end-r.from), func(r run) {
			off := int64(r.block) * int64(tx.blockSize)
			tx.data.add(pending{blockRun{r.start, r.count}, c.Content, off, c.size})
		})
		if err != nil {
			return err
		}
	}
	tx.setSize(n, uint64(c.size))
	tx.seal(n)
	return nil
}

// setSize sets i_size, and the feature that a file of more than 31 bits needs.
func (tx *Tx) setSize(n node, size uint64) {
	n.SetSize(size)
	if size > math.MaxInt32 {
		format.SFeatureROCompat.Set(tx.sb, format.SFeatureROCompat.Get(tx.sb)|format.ROCompatLargeFile)
	}
}
