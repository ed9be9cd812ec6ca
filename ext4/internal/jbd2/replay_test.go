package jbd2_test

import (
	"bytes"
	"errors"
	"testing"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
	"boringboot/ext4/internal/jbd2"

	"github.com/google/go-cmp/cmp"
)

// memory is a journal's file in memory. Blocks that it does not have are zeros.
type memory struct {
	blocks map[uint32][]byte
	reads  int
}

func (m *memory) Block(at uint32) ([]byte, error) {
	m.reads++
	if b, ok := m.blocks[at]; ok {
		return b, nil
	}
	return make([]byte, 1024), nil
}

// written is a log with one transaction, and its journal.
func written(t testing.TB, incompat uint32) (*memory, *jbd2.Journal) {
	t.Helper()
	j, err := jbd2.Parse(superblock(incompat), 1<<20, false)
	if err != nil {
		t.Fatal(err)
	}
	magic := make([]byte, 1024)
	format.JMagic.Set(magic, format.JBD2Magic)
	log, end := j.Transaction([]blocks.Change{{Block: 5, Data: bytes.Repeat([]byte{5}, 1024)}, {Block: 9, Data: magic}}, format.Timestamp{Sec: 1})
	m := &memory{blocks: map[uint32][]byte{}}
	for i, b := range append(log, end) {
		m.blocks[j.First+uint32(i)] = bytes.Clone(b)
	}
	if j, err = jbd2.Parse(j.Started(), 1<<20, false); err != nil {
		t.Fatal(err)
	}
	return m, j
}

var kinds = []uint32{0, format.JIncompat64Bit, format.JIncompatCsumV2, format.JIncompatCsumV3 | format.JIncompat64Bit}

func TestATransactionIsReplayed(t *testing.T) {
	for _, kind := range kinds {
		m, j := written(t, kind)
		got, err := j.Replay(m, 100)
		if err != nil {
			t.Fatal(err)
		}
		want := &jbd2.Replayed{Copies: map[format.FSBlock]jbd2.Copy{5: {At: j.First + 1}, 9: {At: j.First + 2, Escaped: true}}, Transactions: 1, Sequence: 8}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("features %#x:\n%s", kind, diff)
		}
	}
}

func TestDamageAndInterruptionAreToldApart(t *testing.T) {
	const v3 = format.JIncompatCsumV3
	for _, c := range []struct {
		name  string
		kind  uint32
		spoil func(m *memory, first uint32)
		bad   bool
		whole uint32 // transactions
	}{
		{"no commit block", v3, func(m *memory, first uint32) { delete(m.blocks, first+3) }, false, 0},
		{"no descriptor", v3, func(m *memory, first uint32) { delete(m.blocks, first) }, false, 0},
		{"an older number", v3, func(m *memory, first uint32) { format.JSequence.Set(m.blocks[first], 6) }, false, 0},
		{"a commit block with its first sector only", v3, func(m *memory, first uint32) { copy(m.blocks[first+3][512:], "stale") }, false, 1},
		{"a spoilt commit block", v3, func(m *memory, first uint32) { m.blocks[first+3][0x38]++ }, true, 0},
		{"the same, asynchronous", v3 | format.JIncompatAsyncCommit, func(m *memory, first uint32) { m.blocks[first+3][0x38]++ }, false, 0},
		{"a spoilt descriptor", v3, func(m *memory, first uint32) { m.blocks[first][100]++ }, true, 0},
		{"a spoilt copy", v3, func(m *memory, first uint32) { m.blocks[first+1][100]++ }, true, 0},
		{"a block that the device does not have", 0, func(m *memory, first uint32) { format.JTagBlock.Set(m.blocks[first][12:], 100) }, true, 0},
		{"descriptors without end", 0, func(m *memory, first uint32) {
			for at := first; at < 1024; at++ {
				m.blocks[at] = m.blocks[first]
			}
		}, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, j := written(t, c.kind)
			c.spoil(m, j.First)
			got, err := j.Replay(m, 100)
			if c.bad != errors.Is(err, jbd2.ErrDamaged) {
				t.Fatalf("Replay: %v", err)
			}
			if !c.bad && got.Transactions != c.whole {
				t.Errorf("%d transactions, want %d", got.Transactions, c.whole)
			}
		})
	}
}

// FuzzReplay: whatever a log holds, it is read to an end, and what comes out is within the device.
func FuzzReplay(f *testing.F) {
	for i, kind := range kinds {
		m, j := written(f, kind)
		var log []byte
		for at := range uint32(6) {
			b, _ := m.Block(j.First + at)
			log = append(log, b...)
		}
		f.Add(uint8(i), log)
		f.Add(uint8(i), append(bytes.Clone(log), revoked(8, 5)...))
	}
	f.Fuzz(func(t *testing.T, kind uint8, log []byte) {
		_, j := written(t, kinds[int(kind)%len(kinds)])
		m := &memory{blocks: map[uint32][]byte{}}
		for at := j.First; len(log) >= 1024 && at < j.Last; at++ {
			m.blocks[at], log = log[:1024], log[1024:]
		}
		r, err := j.Replay(m, 100)
		if m.reads > 8*1024 {
			t.Fatalf("%d blocks read of a journal of 1024", m.reads)
		}
		if err != nil {
			return
		}
		for b, c := range r.Copies {
			if b >= 100 || c.At < j.First || c.At >= j.Last {
				t.Fatalf("block %d at %d of the log", b, c.At)
			}
		}
	})
}

// revoked is another transaction, which revokes blocks.
func revoked(seq uint32, blocks ...uint32) []byte {
	b := make([]byte, 2*1024)
	format.JMagic.Set(b, format.JBD2Magic)
	format.JBlockType.Set(b, format.JRevoke)
	format.JSequence.Set(b, seq)
	format.JRevokeBytes.Set(b, uint32(format.JRevokeHeader+4*len(blocks)))
	for i, n := range blocks {
		format.B32(format.JRevokeHeader+4*i).Set(b, n)
	}
	commit := b[1024:]
	format.JMagic.Set(commit, format.JBD2Magic)
	format.JBlockType.Set(commit, format.JCommit)
	format.JSequence.Set(commit, seq)
	format.JCommitSec.Set(commit, 1)
	return b
}

// FuzzTransaction: what a transaction is made of is what its replay finds, and a byte that is changed in it is found or changes
// nothing but what is in its own block.
func FuzzTransaction(f *testing.F) {
	magic := []byte{0xC0, 0x3B, 0x39, 0x98}
	for i := range kinds {
		f.Add(uint8(i), uint16(3), uint32(7), magic, uint32(0), byte(0))
		f.Add(uint8(i), uint16(200), uint32(1<<31), []byte("content"), uint32(5000), byte(1))
	}
	f.Fuzz(func(t *testing.T, kind uint8, count uint16, first uint32, content []byte, at uint32, flip byte) {
		incompat := kinds[int(kind)%len(kinds)]
		j, err := jbd2.Parse(superblock(incompat), 1<<20, false)
		if err != nil {
			t.Fatal(err)
		}
		n := int(count)%300 + 1
		var changes []blocks.Change
		for i := range n {
			data := bytes.Repeat([]byte{byte(i)}, 1024)
			copy(data, content)
			changes = append(changes, blocks.Change{Block: format.FSBlock(first) + format.FSBlock(i), Data: data})
		}
		last := changes[n-1].Block
		if last > 1<<32-1 {
			return
		}
		log, end := j.Transaction(changes, format.Timestamp{Sec: 1})
		m := &memory{blocks: map[uint32][]byte{}}
		for i, b := range append(log, end) {
			m.blocks[j.First+uint32(i)] = bytes.Clone(b)
		}
		size := uint32(len(log)+1) * 1024
		m.blocks[j.First+at%size/1024][at%1024] ^= flip
		if j, err = jbd2.Parse(j.Started(), 1<<20, false); err != nil {
			t.Fatal(err)
		}
		got, err := j.Replay(m, last+1)
		switch {
		case flip != 0:
			if err == nil && incompat&(format.JIncompatCsumV2|format.JIncompatCsumV3) != 0 && got.Transactions > 0 && len(got.Copies) != n {
				t.Fatalf("a byte of the transaction was changed, and %d blocks of %d are in it", len(got.Copies), n)
			}
			return
		case err != nil:
			t.Fatal(err)
		case len(got.Copies) != n:
			t.Fatalf("%d blocks of %d", len(got.Copies), n)
		}
		for _, c := range changes {
			copied := got.Copies[c.Block]
			data := bytes.Clone(m.blocks[copied.At])
			if copied.Escaped {
				format.JMagic.Set(data, format.JBD2Magic)
			}
			if !bytes.Equal(data, c.Data) {
				t.Fatalf("block %d has another content", c.Block)
			}
		}
	})
}

// FuzzFastCommits: whatever is in the area behind the log, it is read to an end.
func FuzzFastCommits(f *testing.F) {
	head := []byte{9, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 0}
	tail := []byte{8, 0, 8, 0, 8, 0, 0, 0, 0, 0, 0, 0}
	sum := format.CRC32C(format.CRC32C(0, head), tail[:8])
	format.U32(8).Set(tail, sum)
	f.Add(append(bytes.Clone(head), tail...))
	f.Add(append(bytes.Clone(head), []byte{5, 0, 9, 0, 2, 0, 0, 0, 12, 0, 0, 0, 'x'}...))
	sb := format.JournalSuperblock(superblock(format.JIncompatFastCommit))
	format.JSMaxlen.Set(sb, 1040)
	format.JSNumFCBlocks.Set(sb, 16)
	format.JSStart.Set(sb, 1)
	f.Fuzz(func(t *testing.T, area []byte) {
		j, err := jbd2.Parse(sb, 1<<20, false)
		if err != nil {
			t.Fatal(err)
		}
		m := &memory{blocks: map[uint32][]byte{}}
		for at := j.Last + 1; len(area) > 0 && at < j.Length; at++ {
			b := make([]byte, 1024)
			area = area[copy(b, area):]
			m.blocks[at] = b
		}
		fast, err := j.FastCommits(m, &jbd2.Replayed{Sequence: 8}, 256)
		if err != nil {
			return
		}
		records := 0
		err = fast.Each(func(r format.FastCommitRecord) error {
			records++
			switch r.Tag() {
			case format.FCAddRange:
				r.Added()
			case format.FCDelRange:
				r.Removed()
			case format.FCInode:
				r.RawInode()
			case format.FCCreate, format.FCLink, format.FCUnlink:
				r.Name()
			}
			return nil
		})
		if err != nil || (records > 0) != (fast.Commits > 0) || records > 16*256 {
			t.Fatalf("%d records of %d commits: %v", records, fast.Commits, err)
		}
	})
}
