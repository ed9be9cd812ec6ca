// Package jbd2 reads a journal's log and makes transactions of it: bytes only, it writes nothing.
package jbd2

// This file is the journal's superblock.

import (
	"bytes"
	"errors"
	"fmt"

	"boringboot/ext4/internal/format"
)

// ErrUnknown: the journal has a feature that is not known here.
var ErrUnknown = errors.New("journal feature not known")

// Journal is a journal by its superblock.
type Journal struct {
	sb       format.JournalSuperblock
	tagSize  int
	csum     int // version of the checksums: 0, 2 or 3
	wide     bool
	seed     uint32
	First    uint32 // first block of the log
	Last     uint32 // the block behind the log's last: what is there may hold fast commits
	Length   uint32 // blocks of the journal, First ones and those of fast commits included
	sequence uint32
}

const knownIncompat = format.JIncompatRevoke | format.JIncompat64Bit | format.JIncompatAsyncCommit |
	format.JIncompatCsumV2 | format.JIncompatCsumV3 | format.JIncompatFastCommit

// minLog is how many blocks from s_first to s_maxlen, both included, the kernel wants (JBD2_MIN_JOURNAL_BLOCKS).
const minLog = 1024

// Parse checks the journal's first block. blocks is the number of blocks that the journal's file has. wide says whether the
// file system has block numbers above 32 bits, which the journal then has to take.
func Parse(block []byte, blocks uint64, wide bool) (*Journal, error) {
	sb := format.JournalSuperblock(bytes.Clone(block))
	if format.JMagic.Get(sb) != format.JBD2Magic {
		return nil, fmt.Errorf("superblock: magic %#x, not %#x", format.JMagic.Get(sb), uint32(format.JBD2Magic))
	}
	switch t := format.JBlockType.Get(sb); t {
	case format.JSuperblockV2:
	case format.JSuperblockV1:
		if wide {
			return nil, fmt.Errorf("superblock of version 1 in a file system of 64-bit block numbers: %w", ErrUnknown)
		}
		clear(sb[format.JSFeatureCompat:format.JSSize]) // version 1 ends before the features
	default:
		return nil, fmt.Errorf("superblock: block type %d", t)
	}
	j := &Journal{sb: sb, First: format.JSFirst.Get(sb), Length: format.JSMaxlen.Get(sb), sequence: format.JSSequence.Get(sb)}
	if err := j.readFeatures(wide); err != nil {
		return nil, err
	}
	switch {
	case j.csum != 0 && !sb.ChecksumOK():
		return nil, errors.New("superblock: wrong checksum")
	case int64(format.JSBlockSize.Get(sb)) != int64(len(block)):
		return nil, fmt.Errorf("superblock: s_blocksize %d in blocks of %d bytes", format.JSBlockSize.Get(sb), len(block))
	case j.First == 0 || j.Length <= j.First || uint64(j.Length) > blocks:
		return nil, fmt.Errorf("superblock: s_first %d, s_maxlen %d in a file of %d blocks", j.First, j.Length, blocks)
	case j.Length-j.First+1 < minLog:
		return nil, fmt.Errorf("superblock: s_first %d, s_maxlen %d: a log of less than %d blocks", j.First, j.Length, minLog-1)
	case format.JSErrno.Get(sb) != 0:
		return nil, fmt.Errorf("superblock: s_errno %d: the journal was aborted", int32(format.JSErrno.Get(sb)))
	}
	if wide && !j.wide { // as the kernel does when it mounts
		j.wide = true
		format.JSFeatureIncompat.Set(sb, format.JSFeatureIncompat.Get(sb)|format.JIncompat64Bit)
	}
	j.tagSize = j.tagBytes()
	j.Last = j.Length
	if j.HasFastCommits() {
		j.Last -= j.fastCommitBlocks()
	}
	if start := j.Start(); start != 0 && (start < j.First || start >= j.Last) {
		return nil, fmt.Errorf("superblock: s_start %d in a log from %d to %d", start, j.First, j.Last)
	}
	return j, nil
}

// fastCommitBlocks is the size of the area behind the log (jbd2_journal_initialize_fast_commit): none where the log would become
// too small.
func (j *Journal) fastCommitBlocks() uint32 {
	n := format.JSNumFCBlocks.Get(j.sb)
	if n == 0 && j.HasFastCommits() {
		n = format.JDefaultFCBlocks
	}
	if uint64(n)+minLog > uint64(j.Length) {
		return 0
	}
	return n
}

// RoomForFastCommits tells whether the log is large enough beside an area for fast commits. Where it is not, the kernel does not
// mount a file system that has the fast_commit feature.
func (j *Journal) RoomForFastCommits() bool {
	n := format.JSNumFCBlocks.Get(j.sb)
	if n == 0 {
		n = format.JDefaultFCBlocks
	}
	return uint64(n)+minLog <= uint64(j.Length)
}

// HasFastCommits tells whether there may be fast commits behind the log.
func (j *Journal) HasFastCommits() bool { return j.hasIncompat(format.JIncompatFastCommit) }

func (j *Journal) hasIncompat(bit uint32) bool { return format.JSFeatureIncompat.Get(j.sb)&bit != 0 }

// Start is the block of the first transaction in the log, 0 where the log is empty.
func (j *Journal) Start() uint32 { return format.JSStart.Get(j.sb) }

func (j *Journal) readFeatures(wide bool) error {
	incompat, ro := format.JSFeatureIncompat.Get(j.sb), format.JSFeatureROCompat.Get(j.sb)
	if unknown := incompat &^ knownIncompat; unknown != 0 || ro != 0 {
		return fmt.Errorf("superblock: incompat %#x, ro_compat %#x: %w", unknown, ro, ErrUnknown)
	}
	if compat := format.JSFeatureCompat.Get(j.sb); compat&^format.JCompatChecksum != 0 {
		return fmt.Errorf("superblock: compat %#x: %w", compat, ErrUnknown)
	} else if compat != 0 && incompat&(format.JIncompatCsumV2|format.JIncompatCsumV3) != 0 {
		return errors.New("superblock: two versions of checksums at once")
	}
	if users := format.JSNrUsers.Get(j.sb); users > 1 {
		return fmt.Errorf("superblock: s_nr_users %d", users)
	}
	j.wide = incompat&format.JIncompat64Bit != 0
	switch incompat & (format.JIncompatCsumV2 | format.JIncompatCsumV3) {
	case 0:
		return nil
	case format.JIncompatCsumV2:
		j.csum = 2
	case format.JIncompatCsumV3:
		j.csum = 3
	default:
		return errors.New("superblock: two versions of checksums at once")
	}
	if t := format.JSChecksumType.Get(j.sb); t != format.JChecksumCRC32C {
		return fmt.Errorf("superblock: checksum type %d: %w", t, ErrUnknown)
	}
	j.seed = format.CRC32C(^uint32(0), j.sb.UUID())
	return nil
}

// tagBytes is the size of a tag (journal_tag_bytes): version 2 of the checksums has two bytes that nothing uses.
func (j *Journal) tagBytes() int {
	if j.csum == 3 {
		return 16
	}
	size := 12
	if j.csum == 2 {
		size += 2
	}
	if !j.wide {
		size -= 4
	}
	return size
}

// Nothing is what an empty log amounts to.
func (j *Journal) Nothing() *Replayed { return &Replayed{Sequence: j.sequence} }

// Continue is the journal for a transaction that follows what was replayed.
func (j *Journal) Continue(r *Replayed) *Journal {
	next := *j
	next.sequence = r.Sequence
	return &next
}

// After is the journal when n transactions have gone through it.
func (j *Journal) After(n uint32) *Journal {
	next := *j
	next.sequence += n
	return &next
}

// LengthFor is how many blocks a journal has whose log a transaction of so many fills, beside the area for fast commits.
func (j *Journal) LengthFor(blocks int) uint64 {
	n := format.JSNumFCBlocks.Get(j.sb)
	if n == 0 && j.HasFastCommits() {
		n = format.JDefaultFCBlocks
	}
	return uint64(j.First) + uint64(max(blocks, minLog)) + uint64(n)
}

// Longer is the journal with a log of length blocks while its transaction is in it: Started says so and Emptied takes it back, each
// in the write that it is anyway. An empty log is as long as it was.
func (j *Journal) Longer(length uint32) *Journal {
	next := *j
	next.Length = length
	next.Last = length - next.fastCommitBlocks()
	return &next
}

// Begun is a log that begins at a block where nothing is, so that it is empty, but not unmounted: the fast commits, if they are kept,
// count.
func (j *Journal) Begun(start uint32, fastCommits bool) []byte {
	return j.superblock(start, j.sequence, fastCommits)
}

// Recovered is the journal as recovery leaves it: empty, and the next transaction has a number that none in the log has.
func (j *Journal) Recovered(r *Replayed) []byte { return j.superblock(0, r.Sequence+1, false) }

// Started is the superblock that makes a log with a transaction at its beginning valid. What the fast commit area holds does
// not count any more.
func (j *Journal) Started() []byte { return j.superblock(j.First, j.sequence, false) }

// Emptied is the superblock after the transaction.
func (j *Journal) Emptied() []byte { return j.superblock(0, j.sequence+1, false) }

func (j *Journal) superblock(start, sequence uint32, fastCommits bool) []byte {
	sb := format.JournalSuperblock(bytes.Clone(j.sb))
	if !fastCommits {
		format.JSFeatureIncompat.Set(sb, format.JSFeatureIncompat.Get(sb)&^format.JIncompatFastCommit)
	}
	if start != 0 {
		format.JSMaxlen.Set(sb, j.Length)
	}
	format.JSStart.Set(sb, start)
	format.JSSequence.Set(sb, sequence)
	if j.csum != 0 {
		sb.SetChecksum()
	}
	return sb
}
