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

// Content is a file's bytes, read when the transaction commits: *bytes.Reader, *io.SectionReader. It must not change before.
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
	free := tx.freeBlocks()
	need, err := tx.dataBlocks(&f, free)
	if err != nil {
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

// dataBlocks lists the blocks of a content that have data, and counts them, not far beyond limit.
func (tx *Tx) dataBlocks(f *fileContent, limit uint64) (uint64, error) {
	bs := uint64(tx.blockSize)
	sparse, ok := f.Content.(SparseContent)
	if !ok {
		count := (uint64(f.size) + bs - 1) / bs
		if count > 0 {
			f.data = []blockRange{{0, count}}
		}
		return count, nil
	}
	count := uint64(0)
	for off := int64(0); off < f.size && count <= limit; {
		start, end, err := sparse.NextData(off)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && (end <= off || start >= end) {
			err = fmt.Errorf("from %d up to %d, behind %d", start, end, off)
		}
		if err != nil {
			return 0, fmt.Errorf("content of %d bytes: its next data: %w", f.size, err)
		}
		if start = max(start, off); start >= f.size {
			break
		}
		off = min(end, f.size)
		r := blockRange{uint64(start) / bs, (uint64(off) + bs - 1) / bs}
		if k := len(f.data); k > 0 && f.data[k-1].end >= r.from {
			r.from = f.data[k-1].end
			f.data[k-1].end = max(f.data[k-1].end, r.end)
		} else {
			f.data = append(f.data, r)
		}
		count += r.end - min(r.from, r.end)
	}
	return count, nil
}

// fill gives an empty file its content.
func (tx *Tx) fill(n node, c fileContent) error {
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
