package jbd2

// This file finds the fast commits behind the log, by the kernel's rules (fs/ext4/fast_commit.c, ext4_fc_replay_scan): they belong
// to the transaction that the log does not have any more, and count up to the last one with a right checksum.

import (
	"bytes"
	"fmt"

	"boringboot/ext4/internal/format"
)

// FastCommits gives the records of the fast commits that follow what was replayed, in order, those of commits that did not come
// to their end left out. commits is how many there are.
type FastCommits struct {
	Commits int

	j         *Journal
	log       Log
	inodeSize int
	records   int
}

// FastCommits reads the area behind the log. The effort is bounded by its size; nothing is kept.
func (j *Journal) FastCommits(log Log, r *Replayed, inodeSize int) (*FastCommits, error) {
	f := &FastCommits{j: j, log: log, inodeSize: inodeSize}
	if !j.HasFastCommits() || j.Start() == 0 {
		return f, nil
	}
	s := fastScan{FastCommits: f, number: r.Sequence}
	for at := j.firstFast(); at < j.Length; at++ {
		b, err := log.Block(at)
		if err != nil {
			return nil, err
		}
		over, err := s.block(b, at == j.firstFast())
		if err != nil {
			return nil, err
		}
		if over {
			break
		}
	}
	return f, nil
}

// firstFast is the first block of the area: the one behind the log's end is not used (j_fc_first).
func (j *Journal) firstFast() uint32 { return j.Last + 1 }

type fastScan struct {
	*FastCommits
	number uint32 // of the transaction
	seen   int
	sum    uint32
}

// block looks at the records of one block.
func (s *fastScan) block(b []byte, first bool) (over bool, err error) {
	if first && format.FastCommitRecord(b).Tag() != format.FCHead {
		return true, nil
	}
	for rest := b; len(rest) >= format.FCRecordHeader; {
		var r format.FastCommitRecord
		var ok bool
		if r, rest, ok = format.NextFastCommitRecord(rest, s.inodeSize); !ok {
			return true, s.broken("a record that is none")
		}
		s.seen++
		s.sum = r.Sum(s.sum)
		switch r.Tag() {
		case format.FCHead:
			number, err := r.Head()
			if err != nil {
				return true, fmt.Errorf("%w: %w", err, ErrUnknown)
			}
			if number != s.number {
				return true, nil
			}
		case format.FCTail:
			number, sum := r.Tail()
			if number != s.number || sum != s.sum {
				return true, s.broken("a wrong checksum")
			}
			s.Commits++
			s.records = s.seen
			s.sum = 0
		}
	}
	return false, nil
}

// broken: what follows a whole commit is one that was interrupted, or left over. With none before it the kernel does not go on
// either.
func (s *fastScan) broken(what string) error {
	if s.Commits > 0 {
		return nil
	}
	return fmt.Errorf("%w: the first fast commit has %s", ErrDamaged, what)
}

// Each calls visit for each record. It may be called several times.
func (f *FastCommits) Each(visit func(r format.FastCommitRecord) error) error {
	left := f.records
	for at := f.j.firstFast(); left > 0; at++ {
		b, err := f.log.Block(at)
		if err != nil {
			return err
		}
		rest := bytes.Clone(b) // visit may read the log
		for left > 0 && len(rest) >= format.FCRecordHeader {
			var r format.FastCommitRecord
			var ok bool
			if r, rest, ok = format.NextFastCommitRecord(rest, f.inodeSize); !ok {
				return fmt.Errorf("%w: a fast commit has changed while it was read", ErrDamaged)
			}
			left--
			if err := visit(r); err != nil {
				return err
			}
		}
	}
	return nil
}
