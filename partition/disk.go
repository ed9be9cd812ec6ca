// This file holds the bounded view of the image that the decoders read through.

package partition

import (
	"errors"
	"fmt"
	"io"
)

// disk is an image of known size.
type disk struct {
	r    io.ReaderAt
	size int64
}

// read fills b from byte off. It never asks for bytes beyond the size.
func (d disk) read(b []byte, off int64) error {
	if off < 0 || off > d.size || int64(len(b)) > d.size-off {
		return failf(ErrTruncated, "bytes %d to %d lie outside the image of %d bytes", off, off+int64(len(b)), d.size)
	}
	n, err := d.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return failf(ErrTruncated, "the image ends at byte %d, before its stated size of %d bytes", off+int64(n), d.size)
	}
	return fmt.Errorf("read at byte %d: %w", off, err)
}

// peek is read for a place that need not exist: ok tells whether the image is long enough.
func (d disk) peek(b []byte, off int64) (ok bool, err error) {
	if off < 0 || off > d.size || int64(len(b)) > d.size-off {
		return false, nil
	}
	return true, d.read(b, off)
}

// section is the part of d from off, n bytes long, cut at d's end.
func (d disk) section(off, n int64) disk {
	off = min(max(off, 0), d.size)
	n = min(max(n, 0), d.size-off)
	return disk{io.NewSectionReader(d.r, off, n), n}
}
