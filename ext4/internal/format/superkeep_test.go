package format

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestASuperblockChangesInItsFirstSectorAlone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		dress func(s Superblock)
		keeps bool
	}{
		{"nothing mounted", func(s Superblock) {}, true},
		{"a path of 59 bytes", func(s Superblock) { copy(s[sLastMounted:], bytes.Repeat([]byte("p"), 59)) }, true},
		{"a path of 60 bytes", func(s Superblock) { copy(s[sLastMounted:], bytes.Repeat([]byte("p"), 60)) }, true},
		{"a path of 64 bytes and an error", func(s Superblock) {
			copy(s[sLastMounted:], bytes.Repeat([]byte("p"), 64))
			SErrorCount.Set(s, 1)
		}, false},
		{"an error", func(s Superblock) { SErrorCount.Set(s, 1) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Superblock(make([]byte, SuperblockSize))
			for i := range 64 {
				s[i], s[0x200+i] = byte(random.Uint32()), byte(random.Uint32())
			}
			c.dress(s)
			s.SetChecksum()
			for range 20 {
				next := Superblock(bytes.Clone(s))
				SFeatureIncompat.Set(next, SFeatureIncompat.Get(s)^IncompatRecover)
				SWtime.Set(next, random.Uint32())
				next.SetChecksumLike(s)
				if !next.ChecksumOK() {
					t.Fatal("the checksum is wrong")
				}
				if same := bytes.Equal(next[sectorSize:], s[sectorSize:]); same != c.keeps {
					t.Fatalf("the second sector stays: %v, want %v", same, c.keeps)
				}
				if next.LastMounted() != s.LastMounted() || SFeatureIncompat.Get(next) == SFeatureIncompat.Get(s) {
					t.Fatal("more has changed, or less")
				}
				s = next
			}
			other := Superblock(bytes.Clone(s))
			SChecksumSeed.Set(other, 7) // in the second sector
			other.SetChecksumLike(s)
			if !other.ChecksumOK() {
				t.Error("the checksum is wrong where the second sector changes")
			}
		})
	}
}
