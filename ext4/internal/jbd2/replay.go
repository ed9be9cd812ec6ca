package jbd2

// This file finds what a log has to be replayed: which transactions are whole, and where the newest copy of each block is. The
// rules are the kernel's (fs/jbd2/recovery.c): three passes, for the end of the log, for what was revoked, and for the copies.

import (
	"encoding/binary"
	"errors"
	"fmt"

	"boringboot/ext4/internal/format"
)

// Log gives the blocks of the journal's file by number. A block's bytes are good until the next call.
type Log interface {
	Block(at uint32) ([]byte, error)
}

// ErrDamaged: the log contradicts itself where no interrupted commit explains it.
var ErrDamaged = errors.New("the log is damaged")

// Copy is where the log has a block's new content.
type Copy struct {
	At      uint32
	Escaped bool // the block begins with the journal's magic number, which the log has as zero
}

// Replayed is what a log amounts to.
type Replayed struct {
	Copies       map[format.FSBlock]Copy
	Transactions uint32
	Revoked      int    // copies that do not count
	Sequence     uint32 // of the transaction that did not come to its end, which the fast commits follow
}

// Replay reads a log that is not empty. blocks is how many the device has: a copy for a block behind them is damage. The
// effort is bounded by the journal's length, the memory by the number of blocks that it can hold.
func (j *Journal) Replay(log Log, blocks format.FSBlock) (*Replayed, error) {
	r := &replay{j: j, log: log, blocks: blocks, revoked: map[format.FSBlock]uint32{}}
	end, err := r.scan()
	if err != nil {
		return nil, err
	}
	out := &Replayed{Copies: map[format.FSBlock]Copy{}, Transactions: end - j.sequence, Sequence: end}
	if err := r.pass(end, r.revoke, func(uint32, []byte) error { return nil }); err != nil {
		return nil, err
	}
	err = r.pass(end, func(uint32, []byte) error { return nil }, func(seq uint32, d []byte) error { return r.copies(seq, d, out) })
	return out, err
}

type replay struct {
	j       *Journal
	log     Log
	blocks  format.FSBlock
	revoked map[format.FSBlock]uint32 // the last transaction that did

	next uint32 // block of the log that is read next
	read uint32 // blocks so far in this pass
}

func (r *replay) begin() { r.next, r.read = r.j.Start(), 0 }

// block reads the log's next block. All transactions together are shorter than the log.
func (r *replay) block() ([]byte, error) {
	at := r.next
	if err := r.skip(1); err != nil {
		return nil, err
	}
	return r.log.Block(at)
}

func (r *replay) skip(n uint32) error {
	size := r.size()
	if r.read += n; r.read > size {
		return fmt.Errorf("%w: it is longer than its %d blocks", ErrDamaged, size)
	}
	r.next = r.j.First + (r.next-r.j.First+n)%size
	return nil
}

// size is how many blocks a log can have.
func (r *replay) size() uint32 { return r.j.Last - r.j.First }

// newer compares sequence numbers, which wrap around (tid_gt).
func newer(a, b uint32) bool { return int32(a-b) > 0 }

// scan looks for the end of the log: the sequence number of the first transaction that is not whole.
func (r *replay) scan() (uint32, error) {
	r.begin()
	s := scanState{replay: r, sequence: r.j.sequence, sum: ^uint32(0)}
	for {
		if s.whole && r.read == r.size() {
			return s.finish(), nil // a full log: its next block is its first again
		}
		b, err := r.block()
		if err != nil {
			return 0, err
		}
		if format.JMagic.Get(b) != format.JBD2Magic || format.JSequence.Get(b) != s.sequence {
			return s.finish(), nil
		}
		over := false
		s.whole = false
		switch format.JBlockType.Get(b) {
		case format.JDescriptor:
			err = s.descriptor(b)
		case format.JRevoke:
			s.doubtful = s.doubtful || !r.j.tailOK(b)
		case format.JCommit:
			over, err = s.commit(b)
		default:
			over = true
		}
		if err != nil {
			return 0, err
		}
		if over {
			return s.finish(), nil
		}
	}
}

// scanState is what the first pass knows.
type scanState struct {
	*replay
	sequence uint32
	whole    bool // what was read last is a commit block
	// doubtful: a descriptor or revoke block has a wrong checksum. If it is left over from another log, so is the commit block
	// that follows, and its time shows it.
	doubtful bool
	time     uint64 // of the last commit
	sum      uint32 // crc32 over the transaction, with JCompatChecksum
	ended    bool   // at the transaction end; what follows is only looked at
	end      uint32
}

func (s *scanState) finish() uint32 {
	if s.ended {
		return s.end
	}
	return s.sequence
}

func (s *scanState) descriptor(b []byte) error {
	s.doubtful = s.doubtful || !s.j.tailOK(b)
	n := s.j.countTags(b)
	if !s.j.checksumV1() || s.doubtful || s.ended {
		return s.skip(n)
	}
	s.sum = crc32BE(s.sum, b)
	for range n {
		data, err := s.block()
		if err != nil {
			return err
		}
		s.sum = crc32BE(s.sum, data)
	}
	return nil
}

// commit decides about a commit block that carries the expected number.
func (s *scanState) commit(b []byte) (over bool, err error) {
	time := format.JCommitSec.Get(b)
	if s.doubtful {
		if time >= s.time {
			return false, fmt.Errorf("%w: transaction %d has a wrong checksum", ErrDamaged, s.sequence)
		}
		return true, nil // left over from an older log
	}
	right := s.j.commitOK(b)
	if s.j.checksumV1() {
		if s.ended {
			return false, fmt.Errorf("%w: transaction %d has a wrong checksum, and is not the last", ErrDamaged, s.end)
		}
		right = s.j.commitV1OK(b, s.sum)
	}
	if !right && !s.ended {
		if time < s.time {
			return true, nil
		}
		if !s.j.hasIncompat(format.JIncompatAsyncCommit) {
			return false, fmt.Errorf("%w: the commit block of transaction %d has a wrong checksum", ErrDamaged, s.sequence)
		}
		// The commit block was not held back until the rest had been written: this is an interrupted commit.
		s.ended, s.end = true, s.sequence
	}
	s.sum = ^uint32(0)
	s.time = time
	s.whole = true
	s.sequence++
	return false, nil
}

// pass walks the transactions before end again.
func (r *replay) pass(end uint32, revoke, descriptor func(seq uint32, b []byte) error) error {
	r.begin()
	for seq := r.j.sequence; newer(end, seq); {
		b, err := r.block()
		if err != nil {
			return err
		}
		switch format.JBlockType.Get(b) {
		case format.JDescriptor:
			if !r.j.tailOK(b) {
				return fmt.Errorf("%w: transaction %d: a descriptor block has a wrong checksum", ErrDamaged, seq)
			}
			next, read := r.next, r.read
			n := r.j.countTags(b)
			if err := descriptor(seq, b); err != nil {
				return err
			}
			r.next, r.read = next, read
			if err := r.skip(n); err != nil {
				return err
			}
		case format.JRevoke:
			if err := revoke(seq, b); err != nil {
				return err
			}
		case format.JCommit:
			seq++
		}
	}
	return nil
}

// revoke takes up the numbers of a revoke block: copies of these blocks in this transaction or an older one do not count.
func (r *replay) revoke(seq uint32, b []byte) error {
	used := format.JRevokeBytes.Get(b)
	limit := uint32(len(b))
	if r.j.csum != 0 {
		limit -= 4
	}
	if used > limit {
		return fmt.Errorf("%w: transaction %d: a revoke block of %d bytes", ErrDamaged, seq, used)
	}
	size := uint32(4)
	if r.j.wide {
		size = 8
	}
	for at := uint32(format.JRevokeHeader); at+size <= used; at += size {
		n := format.FSBlock(binary.BigEndian.Uint32(b[at:]))
		if r.j.wide {
			n = format.FSBlock(binary.BigEndian.Uint64(b[at:]))
		}
		if last, ok := r.revoked[n]; !ok || newer(seq, last) {
			r.revoked[n] = seq
		}
	}
	return nil
}

// copies takes up the blocks that a descriptor's tags name.
func (r *replay) copies(seq uint32, d []byte, out *Replayed) error {
	for _, t := range r.j.tags(d) {
		at := r.next
		if last, ok := r.revoked[t.block]; ok && !newer(seq, last) {
			out.Revoked++
			if err := r.skip(1); err != nil {
				return err
			}
			continue
		}
		if t.block >= r.blocks {
			return fmt.Errorf("%w: transaction %d has block %d of a device of %d blocks", ErrDamaged, seq, t.block, r.blocks)
		}
		if r.j.csum == 0 {
			if err := r.skip(1); err != nil {
				return err
			}
		} else {
			data, err := r.block()
			if err != nil {
				return err
			}
			if t.sum != r.j.tagChecksum(seq, data) {
				return fmt.Errorf("%w: transaction %d: the copy of block %d has a wrong checksum", ErrDamaged, seq, t.block)
			}
		}
		out.Copies[t.block] = Copy{At: at, Escaped: t.escaped}
	}
	return nil
}
