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

	tagsKnown = tagEscaped | tagSameUUID | tagLast

	maxOwnTransactions = 16 // of one run of boringboot: more are not its own
)

// Log is what lies in the blocks of a journal whose log is empty.
type Log struct {
	fs       *FS
	super    []byte // 1024 bytes
	blocks   []uint64
	places   map[uint64]int // in blocks
	sequence uint32         // of the next transaction

	frames map[uint64]bool   // descriptors and commit blocks of the last transactions
	copies map[uint64]copied // of the last one, by the block that holds one
	older  map[uint64]copied // of those before it, as far as it has not overwritten them
	loose  map[uint64]bool   // copies of those, whose descriptor it has
}

// copied is a block of which the log has a copy.
type copied struct {
	home uint64
	sum  uint32 // as much of the copy's checksum as a tag holds
}

// Log reads where a journal's log is. Nil where the file system has no journal of its own, or it cannot be found.
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
	l := &Log{fs: fs, super: super, places: map[uint64]int{}, sequence: binary.BigEndian.Uint32(super[0x18:]),
		frames: map[uint64]bool{}, copies: map[uint64]copied{}, older: map[uint64]copied{}, loose: map[uint64]bool{}}
	for _, r := range m.runs {
		for i := range r.blocks {
			l.places[r.disk+i] = len(l.blocks)
			l.blocks = append(l.blocks, r.disk+i)
		}
	}
	return l, nil
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

// Frame says whether a block of the log is a descriptor or a commit block of the last transactions, and nothing besides.
func (l *Log) Frame(block uint64) bool { return l.frames[block] }

// Copy says of which block the log has a copy here, in the last transaction or in one before it.
func (l *Log) Copy(block uint64) (home uint64, last, ok bool) {
	if c, ok := l.copies[block]; ok {
		return c.home, true, true
	}
	c, ok := l.older[block]
	return c.home, false, ok
}

// Loose says whether a block holds a copy of a transaction before the last one, which has overwritten the descriptor that says of what.
func (l *Log) Loose(block uint64) bool { return l.loose[block] }

// Follow reads the last so many transactions. Each of them was written from the log's beginning on, so of those before the last one there is
// what lies behind its end. May says which blocks they may have changed.
func (l *Log) Follow(transactions int, may func(home uint64) bool) error {
	if transactions == 0 {
		return nil
	}
	w := &logWalk{Log: l, may: may, end: 1, named: map[uint64]bool{}}
	if err := w.last(); err != nil {
		return err
	}
	return w.rest(uint32(transactions))
}

// logWalk goes through the log, from one descriptor to the next.
type logWalk struct {
	*Log
	may   func(home uint64) bool
	end   int             // the place behind what is known
	named map[uint64]bool // homes, by the transaction
}

// last follows the descriptors from the log's beginning to the commit block. Without that there is no transaction.
func (w *logWalk) last() error {
	var frames []int
	copies := map[int]copied{}
	for at := 1; at < len(w.blocks); at++ {
		block, err := w.read(at)
		if err != nil {
			return err
		}
		kind, age, ok := w.header(block)
		if !ok || age != 1 {
			return nil
		}
		frames = append(frames, at)
		if kind == jbd2Commit {
			if w.tidyCommit(block) {
				w.know(frames, copies, w.copies)
				w.end = at + 1
			}
			return nil
		}
		tags, ok := w.descriptor(kind, block)
		if !ok || at+len(tags) >= len(w.blocks) {
			return nil
		}
		for _, t := range tags {
			at++
			copies[at] = t
			if block, err = w.read(at); err != nil {
				return err
			}
			if w.sum(age, block) != t.sum {
				return nil
			}
		}
	}
	return nil
}

// rest goes on with what those before the last one have left: their ends, the older behind the younger. In all of them descriptors are at the
// same places, because all but a transaction's last one name as many blocks as they can; so it is known whether one was overwritten.
func (w *logWalk) rest(transactions uint32) error {
	per := w.tagsPerBlock()
	open, young := false, uint32(2)                                // open: in a transaction, whose commit block is still to come
	for at := w.end; at < len(w.blocks) && at-w.end <= per; at++ { // what has overwritten a descriptor ends before the copies do
		block, err := w.read(at)
		if err != nil {
			return err
		}
		kind, age, ok := w.header(block)
		if ok = ok && age <= transactions && (age == young || !open && age > young); ok && age != young {
			clear(w.named)
		}
		var tags []copied
		switch {
		case ok && kind == jbd2Commit:
			ok = 1+(at-2)/(per+1)*(per+1) < w.end && w.tidyCommit(block)
		case ok:
			if ok = (at-1)%(per+1) == 0 && at-(per+1) < w.end; ok {
				tags, ok = w.descriptor(kind, block)
			}
		}
		if !ok && open {
			return nil
		}
		if !ok {
			continue
		}
		for ; w.end < at; w.end++ {
			w.loose[w.blocks[w.end]] = true
		}
		copies := map[int]copied{}
		for i, t := range tags {
			if at+1+i >= len(w.blocks) { // it went on into blocks that it was lent
				break
			}
			if block, err = w.read(at + 1 + i); err != nil {
				return err
			}
			if w.sum(age, block) == t.sum {
				copies[at+1+i] = t
			}
		}
		w.know([]int{at}, copies, w.older)
		at += len(tags)
		w.end, young, open = at+1, age, kind == jbd2Descriptor
		if !open {
			young++
			clear(w.named)
		}
	}
	return nil
}

// know notes places of the log.
func (w *logWalk) know(frames []int, copies map[int]copied, as map[uint64]copied) {
	for _, at := range frames {
		w.frames[w.blocks[at]] = true
	}
	for at, c := range copies {
		as[w.blocks[at]] = c
	}
}

func (w *logWalk) read(at int) ([]byte, error) {
	block := make([]byte, w.fs.BlockSize)
	_, err := w.fs.r.ReadAt(block, int64(w.blocks[at])*w.fs.BlockSize)
	return block, err
}

// header reads the header of a descriptor or a commit block: its kind, and of which transaction it is, the last one's being 1.
func (l *Log) header(block []byte) (kind, age uint32, ok bool) {
	magic, kind, sequence := binary.BigEndian.Uint32(block), binary.BigEndian.Uint32(block[4:]), binary.BigEndian.Uint32(block[8:])
	return kind, l.sequence - sequence, magic == jbd2Magic && (kind == jbd2Descriptor || kind == jbd2Commit)
}

func (l *Log) incompat() uint32 { return binary.BigEndian.Uint32(l.super[0x28:]) }

func (l *Log) checksums() bool { return l.incompat()&(jbd2CsumV2|jbd2CsumV3) != 0 }

func (l *Log) seed() crc { return crcStart.bytes(l.super[0x30:0x40]) } // s_uuid

// sum is the checksum of a copy as a tag has it.
func (l *Log) sum(age uint32, block []byte) uint32 {
	sum := uint32(l.seed().bytes(binary.BigEndian.AppendUint32(nil, l.sequence-age)).bytes(block))
	switch {
	case l.incompat()&jbd2CsumV3 != 0:
		return sum
	case l.incompat()&jbd2CsumV2 != 0:
		return sum & 0xFFFF
	}
	return 0
}

// tagSize is the size of a tag in bytes (journal_tag_bytes).
func (l *Log) tagSize() int {
	if l.incompat()&jbd2CsumV3 != 0 {
		return 16
	}
	size := 8 // t_blocknr, t_checksum, t_flags
	if l.incompat()&jbd2Wide != 0 {
		size += 4
	}
	if l.incompat()&jbd2CsumV2 != 0 {
		size += 2 // the kernel counts t_checksum twice
	}
	return size
}

// endOfTags is where the tags of a descriptor end at the latest.
func (l *Log) endOfTags() int {
	if l.checksums() {
		return int(l.fs.BlockSize) - 4
	}
	return int(l.fs.BlockSize)
}

func (l *Log) tagsPerBlock() int { return (l.endOfTags() - jbd2Header - jbd2UUID) / l.tagSize() }

// descriptor reads a descriptor's tags. It is not ok that it has anything besides, or tags of blocks that cannot be in this transaction.
func (w *logWalk) descriptor(kind uint32, block []byte) (list []copied, ok bool) {
	limit := w.endOfTags()
	if kind != jbd2Descriptor || w.checksums() && binary.BigEndian.Uint32(block[limit:]) != uint32(w.seed().bytes(block[:limit]).zeros(4)) {
		return nil, false
	}
	size := w.tagSize()
	for at := jbd2Header; at+size <= limit; {
		t, flags, tidy := w.tag(block[at:][:size])
		if at += size; len(list) == 0 {
			tidy = tidy && flags&tagSameUUID == 0 && at+jbd2UUID <= limit && bytes.Equal(block[at:at+jbd2UUID], w.super[0x30:0x40]) // s_uuid
			at += jbd2UUID
		} else {
			tidy = tidy && flags&tagSameUUID != 0
		}
		if !tidy || flags&^tagsKnown != 0 || w.named[t.home] || t.home >= w.fs.BlocksCount || !w.may(t.home) {
			return nil, false
		}
		w.named[t.home] = true
		list = append(list, t)
		if flags&tagLast != 0 {
			return list, allZeros(block[at:limit])
		}
	}
	return nil, false
}

// tag reads a tag. It is tidy if there is nothing in it besides.
func (l *Log) tag(tag []byte) (t copied, flags uint16, tidy bool) {
	t.home, flags = uint64(binary.BigEndian.Uint32(tag)), binary.BigEndian.Uint16(tag[6:])
	rest := bytes.Clone(tag)
	clear(rest[:4]) // t_blocknr
	clear(rest[6:8])
	if l.incompat()&jbd2Wide != 0 {
		t.home |= uint64(binary.BigEndian.Uint32(tag[8:])) << 32
		clear(rest[8:12]) // t_blocknr_high
	}
	switch {
	case l.incompat()&jbd2CsumV3 != 0:
		t.sum = binary.BigEndian.Uint32(tag[12:])
		clear(rest[12:16])
	case l.incompat()&jbd2CsumV2 != 0:
		t.sum = uint32(binary.BigEndian.Uint16(tag[4:]))
		clear(rest[4:6])
	}
	return t, flags, allZeros(rest)
}

// tidyCommit says whether a commit block has its time, its checksum, and nothing besides.
func (l *Log) tidyCommit(block []byte) bool {
	const checksum, seconds, nanoseconds, end = 0x10, 0x30, 0x38, 0x3C // h_chksum, h_commit_sec, h_commit_nsec
	rest := checksum
	if l.checksums() {
		rest += 4
		if binary.BigEndian.Uint32(block[checksum:]) != uint32(l.seed().bytes(block[:checksum]).zeros(4).bytes(block[rest:])) {
			return false
		}
	}
	return allZeros(block[jbd2Header:checksum]) && allZeros(block[rest:seconds]) && allZeros(block[end:]) &&
		binary.BigEndian.Uint64(block[seconds:]) < 1<<34 && binary.BigEndian.Uint32(block[nanoseconds:]) < 1e9
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
