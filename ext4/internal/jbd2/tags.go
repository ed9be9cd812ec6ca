package jbd2

// This file reads descriptor blocks and verifies the checksums of a log's blocks, of all three versions.

import (
	"bytes"
	"encoding/binary"

	"boringboot/ext4/internal/format"
)

// tag names one block of a transaction.
type tag struct {
	block   format.FSBlock
	sum     uint32 // as much of the checksum as the tag holds
	escaped bool
}

// tags reads a descriptor block's, up to the one that says that it is the last or to where no other fits.
func (j *Journal) tags(d []byte) []tag {
	d = bytes.Clone(d) // the log's blocks that follow it are read meanwhile
	var list []tag
	j.eachTag(d, func(b []byte) {
		flags := format.JTagFlags16.Get(b)
		t := tag{block: format.FSBlock(format.JTagBlock.Get(b)), escaped: flags&format.JFlagEscape != 0}
		if j.wide {
			t.block |= format.FSBlock(format.JTagBlockHi.Get(b)) << 32
		}
		switch j.csum {
		case 2:
			t.sum = uint32(format.JTagCsum16.Get(b))
		case 3:
			t.sum = format.JTagCsum32.Get(b)
		}
		list = append(list, t)
	})
	return list
}

func (j *Journal) countTags(d []byte) (n uint32) {
	j.eachTag(d, func([]byte) { n++ })
	return n
}

func (j *Journal) eachTag(d []byte, visit func(b []byte)) {
	limit := len(d)
	if j.csum != 0 {
		limit -= 4
	}
	for at := format.JHeaderSize; at+j.tagSize <= limit; {
		b := d[at : at+j.tagSize]
		visit(b)
		flags := format.JTagFlags16.Get(b)
		if flags&format.JFlagLastTag != 0 {
			return
		}
		at += j.tagSize
		if flags&format.JFlagSameUUID == 0 {
			at += uuidSize
		}
	}
}

// tagChecksum is over a transaction's number and a block as the log has it, cut to what a tag holds.
func (j *Journal) tagChecksum(seq uint32, data []byte) uint32 {
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], seq)
	sum := format.CRC32C(format.CRC32C(j.seed, number[:]), data)
	if j.csum == 2 {
		return sum & 0xFFFF
	}
	return sum
}

// tailOK verifies the checksum at the end of a descriptor or revoke block.
func (j *Journal) tailOK(b []byte) bool {
	return j.csum == 0 || j.sumAt(b, format.B32(len(b)-4))
}

// commitOK verifies a commit block by version 2 or 3 of the checksums. What a device that lost power has written of it may be its
// first sector only: its fields then count with zeros behind them (jbd2_commit_block_csum_verify_partial).
func (j *Journal) commitOK(b []byte) bool {
	if j.csum == 0 || j.sumAt(b, format.JCommitChecksum) {
		return true
	}
	part := make([]byte, len(b))
	copy(part, b[:format.JCommitSize])
	return j.sumAt(part, format.JCommitChecksum)
}

// sumAt verifies the checksum over a whole block, in which it counts as zero itself.
func (j *Journal) sumAt(b []byte, at format.B32) bool {
	sum := format.CRC32C(j.seed, b[:at])
	sum = format.CRC32C(sum, make([]byte, 4))
	return at.Get(b) == format.CRC32C(sum, b[at+4:])
}

// checksumV1 tells whether commit blocks have a crc32 over all of their transaction.
func (j *Journal) checksumV1() bool {
	return format.JSFeatureCompat.Get(j.sb)&format.JCompatChecksum != 0
}

// commitV1OK: the sum is right, or there is none.
func (j *Journal) commitV1OK(b []byte, sum uint32) bool {
	typ, size, found := format.JCommitChecksumType.Get(b), format.JCommitChecksumSize.Get(b), format.JCommitChecksum.Get(b)
	if typ == 0 && size == 0 && found == 0 {
		return true
	}
	return typ == format.JChecksumCRC32 && size == 4 && found == sum
}

// crc32BE continues the checksum that has the highest bit first, with the polynomial of CRC-32 and no inversions (crc32_be).
func crc32BE(sum uint32, b []byte) uint32 {
	for _, c := range b {
		sum = sum<<8 ^ crc32BETable[byte(sum>>24)^c]
	}
	return sum
}

var crc32BETable = func() (t [256]uint32) {
	for i := range t {
		v := uint32(i) << 24
		for range 8 {
			if v&(1<<31) != 0 {
				v = v<<1 ^ 0x04C11DB7
			} else {
				v <<= 1
			}
		}
		t[i] = v
	}
	return t
}()
