// This file compresses an output with zstd and makes sure that it unpacks to the same bytes.

package diskimage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"boringboot/internal/atomicfile"
)

// pack compresses the raw image into a second temporary file, unpacks that again and compares. The same image gives the same
// bytes on every machine: the stream is cut into jobs by its length alone, however many are worked on at once.
func (o *Output) pack(ctx context.Context, p Progress) (t *atomicfile.Temp, err error) {
	if t, err = createTemp(o.target); err != nil {
		return nil, err
	}
	if err = o.compress(ctx, t, p); err == nil {
		err = o.compare(ctx, t, p)
	}
	if err != nil {
		return nil, errors.Join(err, t.Remove())
	}
	return t, nil
}

func (o *Output) compress(ctx context.Context, t *atomicfile.Temp, p Progress) error {
	p.Start("compressing "+filepath.Base(o.dest), o.size)
	defer p.Done()
	w := bufio.NewWriterSize(t.File, copyChunk)
	z, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithEncoderCRC(true),
		zstd.WithZeroFrames(true),
		// With one job at a time the library would write another stream.
		zstd.WithConcurrentBlocks(true), zstd.WithEncoderConcurrency(min(max(2, runtime.GOMAXPROCS(0)), 8)),
	)
	if err != nil {
		return err
	}
	z.ResetContentSize(w, o.size)
	err = copyAll(ctx, z, io.NewSectionReader(o.raw.File, 0, o.size), p)
	if closeErr := z.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// copyAll copies r to w, ends when ctx does, and tells p of each chunk.
func copyAll(ctx context.Context, w io.Writer, r io.Reader, p Progress) error {
	in := &sourceReader{ctx: ctx, r: r, p: p}
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{in}, make([]byte, copyChunk))
	return err
}

var errComparison = errors.New("the compressed image does not unpack to the image")

func (o *Output) compare(ctx context.Context, t *atomicfile.Temp, p Progress) error {
	p.Start("checking "+filepath.Base(o.dest), o.size)
	defer p.Done()
	if _, err := t.File.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := newDecompressor(Zstd, bufio.NewReaderSize(t.File, readBuffer), o.size)
	if err != nil {
		return err
	}
	defer z.Close()
	got, want := make([]byte, copyChunk), make([]byte, copyChunk)
	for off := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := fill(z, got)
		if err != nil && err != io.EOF {
			return fmt.Errorf("%w: at byte %d: %w", errComparison, off, err)
		}
		if off+int64(n) > o.size {
			return fmt.Errorf("%w: it is longer than %d bytes", errComparison, o.size)
		}
		if _, err := o.raw.File.ReadAt(want[:n], off); err != nil && err != io.EOF {
			return err
		}
		if !bytes.Equal(got[:n], want[:n]) {
			return fmt.Errorf("%w: it differs between bytes %d and %d", errComparison, off, off+int64(n))
		}
		off += int64(n)
		p.Add(int64(n))
		if err == io.EOF {
			if off != o.size {
				return fmt.Errorf("%w: it has %d bytes instead of %d", errComparison, off, o.size)
			}
			return nil
		}
	}
}
