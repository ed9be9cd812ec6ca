// Package jbd2 makes a transaction of the journal: bytes only, it writes nothing. A log that is not empty is not for it.
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

// Journal is an empty log that a transaction can be put into.
type Journal struct {
	sb       format.JournalSuperblock
	tagSize  int
	csum     int // version of the checksums: 0, 2 or 3
	wide     bool
	seed     uint32
	First    uint32 // first block of the log
	Length   uint32 // blocks of the journal, First ones included
	sequence uint32
}

const knownIncompat = format.JIncompatRevoke | format.JIncompat64Bit | format.JIncompatAsyncCommit | format.JIncompatCsumV2 | format.JIncompatCsumV3

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
	case format.JSStart.Get(sb) != 0:
		return nil, fmt.Errorf("superblock: s_start %d: the log is not empty", format.JSStart.Get(sb))
	case format.JSErrno.Get(sb) != 0:
		return nil, fmt.Errorf("superblock: s_errno %d: the journal was aborted", int32(format.JSErrno.Get(sb)))
	}
	if wide && !j.wide { // as the kernel does when it mounts
		j.wide = true
		format.JSFeatureIncompat.Set(sb, format.JSFeatureIncompat.Get(sb)|format.JIncompat64Bit)
	}
	j.tagSize = j.tagBytes()
	return j, nil
}

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

// Started is the superblock that makes a log with a transaction at its beginning valid.
func (j *Journal) Started() []byte { return j.superblock(j.First, j.sequence) }

// Emptied is the superblock after the transaction.
func (j *Journal) Emptied() []byte { return j.superblock(0, j.sequence+1) }

func (j *Journal) superblock(start, sequence uint32) []byte {
	sb := format.JournalSuperblock(bytes.Clone(j.sb))
	format.JSStart.Set(sb, start)
	format.JSSequence.Set(sb, sequence)
	if j.csum != 0 {
		sb.SetChecksum()
	}
	return sb
}
