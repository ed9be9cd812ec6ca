package jbd2

// This file is a transaction: descriptor blocks, each followed by the blocks that its tags name, and a commit block.

import (
	"bytes"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

const uuidSize = 16 // bytes, behind the first tag of a descriptor block

// tagsPerBlock is how many blocks one descriptor block can name.
func (j *Journal) tagsPerBlock() int {
	space := len(j.sb) - format.JHeaderSize - uuidSize
	if j.csum != 0 {
		space -= 4
	}
	return space / j.tagSize
}

// Needed is how many blocks of the log a transaction of n blocks takes.
func (j *Journal) Needed(n int) int {
	per := j.tagsPerBlock()
	return n + (n+per-1)/per + 1
}

// Room is how many blocks of the log a transaction may take. The area for fast commits is left out even where the log could
// have it.
func (j *Journal) Room() int { return int(j.Length - j.fastCommitBlocks() - j.First) }

// Transaction gives the blocks of the log from First on, and the commit block that follows them. The time is that of the
// commit.
func (j *Journal) Transaction(changes []blocks.Change, t format.Timestamp) (log [][]byte, commit []byte) {
	per := j.tagsPerBlock()
	for len(changes) > 0 {
		part := changes[:min(per, len(changes))]
		changes = changes[len(part):]
		log = append(log, j.describe(part)...)
	}
	return log, j.commitBlock(t)
}

func (j *Journal) header(blockType uint32) []byte {
	b := make([]byte, len(j.sb))
	format.JMagic.Set(b, format.JBD2Magic)
	format.JBlockType.Set(b, blockType)
	format.JSequence.Set(b, j.sequence)
	return b
}

// describe makes a descriptor block and the copies that follow it.
func (j *Journal) describe(part []blocks.Change) [][]byte {
	d := j.header(format.JDescriptor)
	list := [][]byte{d}
	at := format.JHeaderSize
	for i, c := range part {
		data, flags := escape(c.Data)
		if i > 0 {
			flags |= format.JFlagSameUUID
		}
		if i == len(part)-1 {
			flags |= format.JFlagLastTag
		}
		tag := d[at : at+j.tagSize]
		format.JTagBlock.Set(tag, uint32(c.Block))
		format.JTagFlags16.Set(tag, flags)
		if j.wide {
			format.JTagBlockHi.Set(tag, uint32(c.Block>>32))
		}
		j.setTagChecksum(tag, data)
		at += j.tagSize
		if i == 0 {
			at += copy(d[at:], j.sb.UUID())
		}
		list = append(list, data)
	}
	if j.csum != 0 {
		format.B32(len(d)-4).Set(d, format.CRC32C(j.seed, d))
	}
	return list
}

// escape: a block that begins with the journal's magic number could be taken for one of the journal's own.
func escape(data []byte) ([]byte, uint16) {
	if format.JMagic.Get(data) != format.JBD2Magic {
		return data, 0
	}
	data = bytes.Clone(data)
	format.JMagic.Set(data, 0)
	return data, format.JFlagEscape
}

func (j *Journal) setTagChecksum(tag, data []byte) {
	switch sum := j.tagChecksum(j.sequence, data); j.csum {
	case 2:
		format.JTagCsum16.Set(tag, uint16(sum))
	case 3:
		format.JTagCsum32.Set(tag, sum)
	}
}

// commitBlock leaves the fields of the old checksum over the whole transaction zero, which readers take as "none".
func (j *Journal) commitBlock(t format.Timestamp) []byte {
	b := j.header(format.JCommit)
	format.JCommitSec.Set(b, uint64(t.Sec))
	format.JCommitNsec.Set(b, t.Nsec)
	if j.csum != 0 {
		format.JCommitChecksum.Set(b, format.CRC32C(j.seed, b))
	}
	return b
}
