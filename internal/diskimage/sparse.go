// This file writes a stream so that blocks of zeros become holes.

package diskimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

const (
	// What becomes a hole: the block size of most file systems, which also is the smallest hole they can have.
	holeBlock = 4096
	copyChunk = 1 << 20
	// maxImageSize bounds what a compressed stream may expand to: no SD card or disk image comes near it, and a few kilobytes
	// of a hostile stream expand to any number of zeros, which cost time even where they cost no space.
	maxImageSize = 8 << 40
)

var errTooLarge = errors.New("the unpacked image is too large")

var zeroBlock [holeBlock]byte

// sinkError is an error of the place that is written to, not of what is read.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// copySparse writes r to dst from byte 0 and returns its length. Where r has a block of zeros, dst is not written.
func copySparse(ctx context.Context, dst io.WriterAt, r io.Reader) (int64, error) {
	buf := make([]byte, copyChunk)
	var off int64
	for {
		if err := ctx.Err(); err != nil {
			return off, err
		}
		n, err := fill(r, buf)
		if err != nil && err != io.EOF {
			return off, err
		}
		if off+int64(n) > maxImageSize {
			return off, fmt.Errorf("%w: more than %d bytes", errTooLarge, int64(maxImageSize))
		}
		if err := writeSparse(dst, buf[:n], off); err != nil {
			return off, &sinkError{err}
		}
		off += int64(n)
		if err == io.EOF {
			return off, nil
		}
	}
}

// fill reads until b is full or r ends. Unlike io.ReadFull it passes r's own error on as it is, so that io.EOF (r ends) and
// io.ErrUnexpectedEOF (r is cut short) stay apart.
func fill(r io.Reader, b []byte) (n int, err error) {
	for idle := 0; n < len(b) && err == nil; {
		var m int
		m, err = r.Read(b[n:])
		n += m
		if idle++; m > 0 {
			idle = 0
		}
		if idle > 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, err
}

// writeSparse writes b at off, a multiple of holeBlock, in runs that leave out blocks of zeros.
func writeSparse(dst io.WriterAt, b []byte, off int64) error {
	for start := 0; start < len(b); {
		end := min(start+holeBlock, len(b))
		if isZero(b[start:end]) {
			start = end
			continue
		}
		for end < len(b) && !isZero(b[end:min(end+holeBlock, len(b))]) {
			end = min(end+holeBlock, len(b))
		}
		if _, err := dst.WriteAt(b[start:end], off+int64(start)); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// isZero reports whether b, at most one block, holds zeros only.
func isZero(b []byte) bool { return bytes.Equal(b, zeroBlock[:len(b)]) }
