// This file unpacks compressed images: which library for which format, their limits, and what their errors mean.

package diskimage

import (
	"bufio"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

const (
	minWindow  = 128 << 20 // zstd's own limit unless it is told otherwise (--long); twice what xz -9 needs
	maxWindow  = 2 << 30   // what zstd --long=31 makes, the most there is
	readBuffer = 1 << 20
)

// windowLimit is the window (zstd) or dictionary (xz) that a file of so many bytes may ask for. A decoder allocates what the
// stream states, and a few bytes can state anything: so much memory is given only to a file that is not small itself.
func windowLimit(fileSize int64) uint64 {
	return uint64(min(max(minWindow, min(fileSize, maxWindow)*64), maxWindow))
}

// newDecompressor reads format f from r, which has fileSize bytes.
func newDecompressor(f Format, r io.Reader, fileSize int64) (io.ReadCloser, error) {
	switch f {
	case Zstd:
		d, err := zstd.NewReader(r,
			zstd.WithDecoderMaxWindow(windowLimit(fileSize)),
			zstd.WithDecoderConcurrency(min(4, runtime.GOMAXPROCS(0))), // blocks in flight
			zstd.WithDecodeBuffersBelow(0),
		)
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case XZ:
		// mikelolasagasti/xz, a port of XZ Embedded, rather than ulikunitz/xz: a third faster on a tree of binaries and more than
		// twice as fast on zeros, it knows the BCJ filters but those of ARM64 and RISC-V, and it takes a limit for the dictionary, which the stream states.
		return newXZReader(r, uint32(windowLimit(fileSize)))
	case Gzip:
		return newGzipReader(r)
	case Bzip2:
		return io.NopCloser(bzip2.NewReader(r)), nil
	}
	return nil, fmt.Errorf("no decompressor for format %q", f)
}

// unpack writes what src holds, compressed with f, to dst, leaving out blocks of zeros, and returns its length in bytes.
// name is the file's, for errors.
func unpack(ctx context.Context, dst io.WriterAt, src *os.File, f Format, name string, p Progress) (int64, error) {
	fileSize, err := sizeOf(src)
	if err != nil {
		return 0, err
	}
	in := &sourceReader{ctx: ctx, r: src, p: p}
	size, err := unpackStream(in, dst, f, fileSize)
	var sink *sinkError
	switch {
	case err == nil:
		return size, nil
	case in.err != nil:
		return 0, fmt.Errorf("%s: %w", name, in.err)
	case errors.As(err, &sink):
		return 0, sink.err
	case ctx.Err() != nil && errors.Is(err, ctx.Err()): // noticed between two reads of the source, or by a decoder that was fed already
		return 0, fmt.Errorf("%s: %w", name, ctx.Err())
	}
	return 0, &streamError{name, f, err}
}

func unpackStream(in *sourceReader, dst io.WriterAt, f Format, fileSize int64) (size int64, err error) {
	// The decoders are fuzzed by their makers, and still index by what the stream says.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the decoder failed: %v", r)
		}
	}()
	d, err := newDecompressor(f, bufio.NewReaderSize(in, readBuffer), fileSize)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	return copySparse(in.ctx, dst, d)
}

// streamError says what is wrong with a compressed stream.
type streamError struct {
	name   string
	format Format
	err    error // of the library
}

func (e *streamError) Error() string {
	switch {
	case e.truncated():
		return fmt.Sprintf("%s: the %s stream is truncated", e.name, e.format)
	case errors.Is(e.err, zstd.ErrMagicMismatch), errors.Is(e.err, gzip.ErrHeader), errors.Is(e.err, xz.ErrFormat),
		e.err == bzip2.StructuralError("bad magic value in continuation file"):
		return fmt.Sprintf("%s: the %s stream is followed by bytes that belong to none", e.name, e.format)
	case errors.Is(e.err, zstd.ErrWindowSizeExceeded), errors.Is(e.err, zstd.ErrDecoderSizeExceeded), errors.Is(e.err, xz.ErrMemlimit):
		return fmt.Sprintf("%s: the %s stream asks for more memory than is given to a file of its size: %v", e.name, e.format, e.err)
	case errors.Is(e.err, xz.ErrOptions): // or bits of its header are wrong: the library cannot tell
		return fmt.Sprintf("%s: the xz stream has filters that are not supported (xz -d may know them)", e.name)
	case errors.Is(e.err, errTooLarge):
		return fmt.Sprintf("%s: %v", e.name, e.err)
	}
	return fmt.Sprintf("%s: the %s stream is damaged: %v", e.name, e.format, e.err)
}

// truncated: xz's ErrBuf means that the decoder wants more and there is no more.
func (e *streamError) truncated() bool {
	return errors.Is(e.err, io.ErrUnexpectedEOF) || errors.Is(e.err, xz.ErrBuf)
}

func (e *streamError) Unwrap() []error {
	errs := []error{ErrDamaged, e.err}
	if e.truncated() {
		errs = append(errs, io.ErrUnexpectedEOF)
	}
	return errs
}
