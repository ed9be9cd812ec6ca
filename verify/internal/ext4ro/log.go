// What a transaction has left in the journal's log: descriptors, copies of blocks, a commit block (Documentation/filesystems/ext4/journal.rst). The
// log is empty; this is for those who want to know whether there is anything else in it.

package ext4ro

import (
	"bytes"
	"encoding/binary"
)

const (
	jbd2Descriptor = 1 // h_blocktype
	jbd2Commit     = 2
	jbd2Header     = 12 // bytes: h_magic, h_blocktype, h_sequence
	jbd2UUID       = 16 // bytes, behind the first tag of a descriptor

	jbd2Wide = 0x02 // incompat: numbers of blocks have 64 bits

	tagEscaped  = 0x1 // the copy's first four bytes, the journal's magic number, are zeros
	tagSameUUID = 0x2
	tagLast     = 0x8

	maxOwnTransactions = 16 // of one run of boringboot: more are not its own
)

// Log is what lies in the blocks of a journal whose log is empty.
type Log struct {
	fs       *FS
	super    []byte // 1024 bytes
	blocks   []uint64
	places   map[uint64]int    // in blocks
	copies   map[uint64]copied // of the last transaction, by the block that holds one
	sequence uint32            // of the next transaction
}

// copied is a block of which the log has a copy.
type copied struct {
	home    uint64
	escaped bool
}

// Log reads the last transaction. Nil where the file system has no journal of its own, or it cannot be found.
func (fs *FS) Log() (*Log, error) {
	super, err := fs.JournalSuper()
	if err != nil || super == nil {
		return nil, err
	}
	in, err := fs.Inode(fs.JournalInum)
	if err != nil {
		return nil, err
	}
	m, err := fs.Map(in)
	if err != nil {
		return nil, err
	}
	l := &Log{fs: fs, super: super, places: map[uint64]int{}, copies: map[uint64]copied{}, sequence: binary.BigEndian.Uint32(super[0x18:])}
	for _, r := range m.runs {
		for i := range r.blocks {
			l.places[r.disk+i] = len(l.blocks)
			l.blocks = append(l.blocks, r.disk+i)
		}
	}
	return l, l.lastTransaction()
}

// Transactions is how many have gone through the journal since another state of it; 0 where that cannot be one run of boringboot.
func (l *Log) Transactions(before *Log) int {
	if n := l.sequence - before.sequence; n <= maxOwnTransactions {
		return int(n)
	}
	return 0
}

// Place says which block of the journal a block of the file system is: 0 is its superblock, what is behind the first belongs to the log.
func (l *Log) Place(block uint64) (int, bool) {
	at, ok := l.places[block]
	return at, ok
}

// Copy says of which block the log has a copy here, in the last transaction.
func (l *Log) Copy(block uint64) (home uint64, ok bool) {
	c, ok := l.copies[block]
	return c.home, ok
}

// lastTransaction follows the descriptors from the log's beginning to the commit block. Without that there is none.
func (l *Log) lastTransaction() error {
	found := map[uint64]copied{}
	block := make([]byte, l.fs.BlockSize)
	for at := 1; at < len(l.blocks); {
		if _, err := l.fs.r.ReadAt(block, int64(l.blocks[at])*l.fs.BlockSize); err != nil {
			return err
		}
		kind, sequence, ok := logHeader(block)
		switch {
		case !ok || sequence != l.sequence-1:
			return nil
		case kind == jbd2Commit:
			l.copies = found
			return nil
		case kind != jbd2Descriptor:
			return nil
		}
		tags, _ := l.tags(block)
		at++
		for _, t := range tags {
			if at >= len(l.blocks) {
				return nil
			}
			found[l.blocks[at]] = t
			at++
		}
	}
	return nil
}

func logHeader(block []byte) (kind, sequence uint32, ok bool) {
	magic := binary.BigEndian.Uint32(block)
	return binary.BigEndian.Uint32(block[4:]), binary.BigEndian.Uint32(block[8:]), magic == jbd2Magic
}

func (l *Log) incompat() uint32 { return binary.BigEndian.Uint32(l.super[0x28:]) }

func (l *Log) checksums() bool { return l.incompat()&(jbd2CsumV2|jbd2CsumV3) != 0 }

// tags reads a descriptor. It is tidy if there is nothing in it besides, but for a checksum at its end.
func (l *Log) tags(block []byte) (list []copied, tidy bool) {
	size := 8 // t_blocknr, t_checksum, t_flags
	switch v3, wide := l.incompat()&jbd2CsumV3 != 0, l.incompat()&jbd2Wide != 0; {
	case v3:
		size = 16
	case wide:
		size = 12
	}
	if l.incompat()&jbd2CsumV2 != 0 {
		size += 2 // the kernel counts t_checksum twice
	}
	limit := len(block)
	if l.checksums() {
		limit -= 4
	}
	at := jbd2Header
	for at+size <= limit {
		number, flags := uint64(binary.BigEndian.Uint32(block[at:])), binary.BigEndian.Uint16(block[at+6:])
		if l.incompat()&jbd2Wide != 0 {
			number |= uint64(binary.BigEndian.Uint32(block[at+8:])) << 32
		}
		list = append(list, copied{number, flags&tagEscaped != 0})
		at += size
		if flags&tagSameUUID == 0 {
			if at+jbd2UUID > limit || !bytes.Equal(block[at:at+jbd2UUID], l.super[0x30:0x40]) { // s_uuid
				return list, false
			}
			at += jbd2UUID
		}
		if flags&tagLast != 0 {
			return list, allZeros(block[at:limit])
		}
	}
	return list, allZeros(block[at:limit])
}

// Framing says whether a block is a descriptor or a commit block of one of the last so many transactions, and nothing besides.
func (l *Log) Framing(block []byte, transactions int) bool {
	kind, sequence, ok := logHeader(block)
	if age := l.sequence - sequence; !ok || age == 0 || age > uint32(transactions) {
		return false
	}
	switch kind {
	case jbd2Descriptor:
		_, tidy := l.tags(block)
		return tidy
	case jbd2Commit:
		const checksum, seconds, end = 0x10, 0x30, 0x3C // h_chksum, h_commit_sec, behind h_commit_nsec
		rest := checksum
		if l.checksums() {
			rest += 4
		}
		return allZeros(block[jbd2Header:checksum]) && allZeros(block[rest:seconds]) && allZeros(block[end:])
	}
	return false
}

// SameCopy says whether a block of the log is a copy of what a block of the file system holds. In a copy of the superblock there may be
// the mark that recovery is needed.
func (l *Log) SameCopy(is, home []byte, block uint64) bool {
	is = bytes.Clone(is)
	if allZeros(is[:4]) && binary.BigEndian.Uint32(home) == jbd2Magic { // escaped
		copy(is, home[:4])
	}
	if at := int64(superblockOffset) - int64(block)*l.fs.BlockSize; at >= 0 && at < l.fs.BlockSize {
		const incompat = 0x60
		super, want := is[at:at+superblockSize], home[at:at+superblockSize]
		mark := super[incompat] &^ want[incompat]
		super[incompat] &^= mark & IncompatRecover
		return SameSuperblock(super, want) && bytes.Equal(is[:at], home[:at]) && bytes.Equal(is[at+superblockSize:], home[at+superblockSize:])
	}
	return bytes.Equal(is, home)
}
