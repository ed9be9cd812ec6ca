// This file holds how long operations say how far they are, and how they are interrupted.

package diskimage

import (
	"context"
	"io"
)

// Progress is told of steps that take long. Start opens a step of total bytes (−1: unknown), Add says that n more are done,
// Done ends it, whether it succeeded or not. Calls come from one goroutine at a time. A nil Progress is silent.
type Progress interface {
	Start(step string, total int64)
	Add(n int64)
	Done()
}

type silent struct{}

func (silent) Start(string, int64) {}
func (silent) Add(int64)           {}
func (silent) Done()               {}

func orSilent(p Progress) Progress {
	if p == nil {
		return silent{}
	}
	return p
}

// sourceReader counts what is read towards the progress, ends when ctx does, and keeps the source's own error apart from
// what a decompressor makes of it.
type sourceReader struct {
	ctx context.Context
	r   io.Reader
	p   Progress
	err error // of the source or the context; never io.EOF
}

func (s *sourceReader) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(b)
	s.p.Add(int64(n))
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
