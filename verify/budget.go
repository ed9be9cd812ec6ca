// The disk as a library sees it: read-only, and only so much of it for so long.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// What a library may read and how long it may take, whatever it is asked. It bounds the loops and the recursion that a damaged image
// can send a library into: the libraries have no bounds of their own.
const (
	baseBytes      = 64 << 20 // for superblock, descriptors, inodes and directories
	contentShare   = 4        // and so many times the bytes of the files that are wanted, and of the directories on the way to each
	minCharge      = 1024     // bytes; a read costs at least these, so that many small ones end as well
	bytesPerSecond = 4 << 20  // with a second for so much of them: a tenth of what the slowest library reads
)

// baseTime is for all but the content; tests make it shorter.
var baseTime = 5 * time.Second

var (
	errBudget  = errors.New("gave up: it read more of the image than the files can need")
	errTooLong = errors.New("gave up: it took longer than the files can need")
)

// budget is an io.ReaderAt over the file system that stops answering when a library has had its share: from then on every read is
// an error, which ends a loop that nothing else can end.
//
// The disk's own errors are kept apart, so that a failing disk is never taken for a library's weakness.
type budget struct {
	ctx  context.Context
	disk io.ReaderAt
	size int64 // bytes

	mu       sync.Mutex // a library that was abandoned may still be reading
	left     int64
	deadline time.Time
	read     int64 // bytes that were handed out
	over     error // why reading ended
	io       error // the first error of the disk itself
}

func newBudget(ctx context.Context, disk io.ReaderAt, size int64) *budget {
	return &budget{ctx: ctx, disk: disk, size: size, left: baseBytes, deadline: time.Now().Add(baseTime)}
}

// grow allows for reading n bytes more, of a file or of the directories on the way to it.
func (b *budget) grow(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += contentShare * n
	b.deadline = b.deadline.Add(time.Duration(float64(n) / bytesPerSecond * float64(time.Second)))
}

// until returns when the time is over.
func (b *budget) until() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deadline
}

// ReadAt fills p or fails; it is never short without an error.
func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if err := b.charge(len(p)); err != nil {
		return 0, err
	}
	if off < 0 || off > b.size || int64(len(p)) > b.size-off {
		return 0, fmt.Errorf("read of %d bytes at offset %d of %d: %w", len(p), off, b.size, io.ErrUnexpectedEOF)
	}
	n, err := b.disk.ReadAt(p, off)
	if n == len(p) {
		err = nil // io.ReaderAt may report the end together with the last bytes
	} else if err == nil {
		err = io.ErrUnexpectedEOF
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read += int64(n)
	if err != nil && b.io == nil {
		b.io = err
	}
	return n, err
}

func (b *budget) charge(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over != nil {
		return b.over
	}
	b.left -= int64(max(n, minCharge))
	switch {
	case b.ctx.Err() != nil:
		b.over = b.ctx.Err()
	case b.left < 0:
		b.over = errBudget
	case time.Now().After(b.deadline):
		b.over = errTooLong
	}
	return b.over
}

// stop makes every further read fail with err.
func (b *budget) stop(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over == nil {
		b.over = err
	}
}

// ended returns why reading ended, or nil.
func (b *budget) ended() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over
}

// failed returns the first error of the disk itself, or nil.
func (b *budget) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.io
}

// stream is the same disk for libraries that seek and read. Read fills p or fails, for a library that ignores the count.
type stream struct {
	*budget
	off int64
}

func (s *stream) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.off
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to offset %d", offset)
	}
	s.off = offset
	return offset, nil
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadAt(p, s.off)
	s.off += int64(n)
	return n, err
}
