package jbd2_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
	"boringboot/ext4/internal/jbd2"

	"github.com/google/go-cmp/cmp"
)

// superblock is a clean journal's of 1024 blocks.
func superblock(incompat uint32) []byte {
	b := format.JournalSuperblock(make([]byte, 1024))
	format.JMagic.Set(b, format.JBD2Magic)
	format.JBlockType.Set(b, format.JSuperblockV2)
	format.JSBlockSize.Set(b, 1024)
	format.JSMaxlen.Set(b, 1024)
	format.JSFirst.Set(b, 1)
	format.JSSequence.Set(b, 7)
	format.JSFeatureIncompat.Set(b, incompat)
	copy(b.UUID(), "0123456789abcdef")
	if incompat&(format.JIncompatCsumV2|format.JIncompatCsumV3) != 0 {
		format.JSChecksumType.Set(b, format.JChecksumCRC32C)
		b.SetChecksum()
	}
	return b
}

// What a descriptor block of each kind looks like: the places of its tags, by the kernel's journal_tag_bytes.
func TestTagsAreWhereTheJournalsFeaturesPutThem(t *testing.T) {
	for _, c := range []struct {
		incompat uint32
		tagSize  int
		perBlock int // of a block of 1024 bytes: less 12 of header, 16 of UUID, and 4 of checksum where there is one
	}{
		{0, 8, 124},
		{format.JIncompat64Bit, 12, 83},
		{format.JIncompatCsumV2, 10, 99},
		{format.JIncompatCsumV2 | format.JIncompat64Bit, 14, 70},
		{format.JIncompatCsumV3, 16, 62},
		{format.JIncompatCsumV3 | format.JIncompat64Bit, 16, 62},
	} {
		t.Run(fmt.Sprintf("features %#x", c.incompat), func(t *testing.T) {
			j, err := jbd2.Parse(superblock(c.incompat), 1024, false)
			if err != nil {
				t.Fatal(err)
			}
			var changes []blocks.Change
			for i := range c.perBlock + 1 {
				changes = append(changes, blocks.Change{Block: format.FSBlock(100 + i), Data: bytes.Repeat([]byte{byte(i)}, 1024)})
			}
			log, _ := j.Transaction(changes, format.Timestamp{})
			if want := c.perBlock + 1 + 2; len(log) != want || j.Needed(len(changes)) != want+1 {
				t.Fatalf("%d blocks and %d needed, want %d and %d", len(log), j.Needed(len(changes)), want, want+1)
			}
			second := 12 + c.tagSize + 16 // behind the first tag and the UUID
			if got := binary.BigEndian.Uint32(log[0][second:]); got != 101 {
				t.Errorf("the second tag names block %d, want 101", got)
			}
			flags := []uint16{}
			for _, at := range []int{12, second, second + (c.perBlock-2)*c.tagSize} {
				flags = append(flags, binary.BigEndian.Uint16(log[0][at+6:]))
			}
			if diff := cmp.Diff([]uint16{0, 2, 2 | 8}, flags); diff != "" {
				t.Errorf("flags of the first, the second and the last tag:\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, incompat := range []uint32{0, format.JIncompat64Bit, format.JIncompatCsumV2, format.JIncompatCsumV3} {
		f.Add(superblock(incompat), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, wide bool) {
		if len(b) != 1024 {
			return
		}
		old := bytes.Clone(b)
		j, err := jbd2.Parse(b, 1<<20, wide)
		if !bytes.Equal(old, b) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			return
		}
		j.Transaction([]blocks.Change{{Block: 1, Data: make([]byte, 1024)}}, format.Timestamp{})
		if _, err := jbd2.Parse(j.Emptied(), 1<<20, wide); err != nil {
			t.Fatalf("the superblock after a transaction: %v", err)
		}
		started, err := jbd2.Parse(j.Started(), 1<<20, wide)
		if err != nil || started.Start() != j.First || started.HasFastCommits() {
			t.Fatalf("the superblock of a log with a transaction: %v", err)
		}
	})
}
