package ext4

import (
	"bytes"
	"testing"
)

func TestBitsByWordsAreTheBitsOneByOne(t *testing.T) {
	const size = 256
	for from := uint32(0); from <= size; from++ {
		for end := from; end <= size; end++ {
			got, want := make(bitmap, size/8), make(bitmap, size/8)
			got.set(from, end-from)
			for i := from; i < end; i++ {
				want[i/8] |= 1 << (i % 8)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("bits %d to %d are set: %x", from, end, got)
			}
			if n := got.zeros(end); n != from {
				t.Fatalf("of bits %d to %d set, %d below %d are clear", from, end, n, end)
			}
		}
	}
}
