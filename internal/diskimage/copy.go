// This file copies a raw image so that its holes stay holes.

package diskimage

import (
	"context"
	"fmt"
	"io"
	"os"

	"boringboot/internal/holes"
)

// copyFile copies the size bytes of src to dst, which is empty: by sharing src's blocks where the file system can, otherwise
// extent by extent.
func copyFile(ctx context.Context, dst, src *os.File, size int64, p Progress) error {
	if shareBlocks(dst, src) {
		p.Add(size)
		return nil
	}
	if err := dst.Truncate(size); err != nil {
		return err
	}
	for off := int64(0); off < size; {
		start, end, err := holes.NextData(src, off, size)
		if err != nil {
			return err
		}
		p.Add(start - off)
		if err := copyExtent(ctx, dst, src, start, end, p); err != nil {
			return err
		}
		off = end
	}
	return ctx.Err()
}

// copyExtent copies the bytes from start to end.
func copyExtent(ctx context.Context, dst, src *os.File, start, end int64, p Progress) error {
	for start < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := copyInKernel(dst, src, start, min(end-start, 8*copyChunk))
		if n <= 0 {
			break
		}
		p.Add(n)
		start += n
	}
	if start == end {
		return nil
	}
	return copyByHand(ctx, dst, src, start, end, p)
}

// copyByHand reads and writes the bytes from start to end, and leaves blocks of zeros out.
func copyByHand(ctx context.Context, dst, src *os.File, start, end int64, p Progress) error {
	buf := make([]byte, copyChunk)
	for start < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(int64(len(buf)), end-start)]
		if n, err := src.ReadAt(b, start); n < len(b) {
			if err == io.EOF {
				err = fmt.Errorf("%s became shorter while it was read: %w", src.Name(), io.ErrUnexpectedEOF)
			}
			return err
		}
		if err := writeSparse(dst, b, start); err != nil {
			return err
		}
		p.Add(int64(len(b)))
		start += int64(len(b))
	}
	return nil
}
