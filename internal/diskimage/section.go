// This file holds the part of an image that a file system is given.

package diskimage

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// medium is where an image's bytes are.
type medium interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// ErrReadOnly: a write to an image that was opened to read.
var ErrReadOnly = errors.New("the image was opened to read only")

// Section is n bytes of an image, from byte off. It reads and writes inside them only.
type Section struct {
	m        medium
	off, n   int64
	writable bool
	err      error // why the section cannot be used
}

// newSection cuts [off, off+n) out of a medium of size bytes. A section that does not lie inside fails at every access.
func newSection(m medium, size, off, n int64, writable bool) *Section {
	s := &Section{m: m, off: off, n: n, writable: writable}
	if off < 0 || n < 0 || off > math.MaxInt64-n || off+n > size {
		s.n = 0
		s.err = fmt.Errorf("bytes %d to %d lie outside the image of %d bytes", off, off+n, size)
	}
	return s
}

// Size is the section's length in bytes.
func (s *Section) Size() int64 { return s.n }

// ReadAt reads from byte off of the section; at its end it returns io.EOF.
func (s *Section) ReadAt(b []byte, off int64) (int, error) {
	switch {
	case s.err != nil:
		return 0, s.err
	case off < 0:
		return 0, fmt.Errorf("read at byte %d of a section of %d bytes", off, s.n)
	case off >= s.n && len(b) > 0:
		return 0, io.EOF
	case off > s.n:
		return 0, io.EOF
	}
	short := int64(len(b)) > s.n-off
	if short {
		b = b[:s.n-off]
	}
	n, err := s.m.ReadAt(b, s.off+off)
	if n == len(b) {
		err = nil
	} else if err == io.EOF {
		err = fmt.Errorf("the image ends at byte %d, it became shorter: %w", s.off+off+int64(n), io.ErrUnexpectedEOF)
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// WriteAt writes at byte off of the section. A write that does not fit inside writes nothing.
func (s *Section) WriteAt(b []byte, off int64) (int, error) {
	switch {
	case s.err != nil:
		return 0, s.err
	case !s.writable:
		return 0, ErrReadOnly
	case off < 0 || off > s.n || int64(len(b)) > s.n-off:
		return 0, fmt.Errorf("write of %d bytes at byte %d does not fit a section of %d bytes", len(b), off, s.n)
	}
	return s.m.WriteAt(b, s.off+off)
}

// Sync waits until what was written is on the disk.
func (s *Section) Sync() error {
	if s.err != nil {
		return s.err
	}
	if !s.writable {
		return nil
	}
	return s.m.Sync()
}
