package audit

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func TestPlacesDoNotOverlap(t *testing.T) {
	var p placeSet
	p.reset(200)
	for _, c := range []struct {
		at, n int
		want  bool
	}{
		{0, 4, true}, {4, 60, true}, {64, 64, true}, {128, 73, false}, {128, 72, true}, {199, 1, false}, {0, 1, false}, {200, 0, true}, {-1 + 201, 1, false},
	} {
		if got := p.take(c.at, c.n); got != c.want {
			t.Errorf("%d bytes at %d: got %v, want %v", c.n, c.at, got, c.want)
		}
	}
	if p.reset(10); !p.take(0, 10) {
		t.Error("an area that was cleared is free")
	}
}

func TestPlacesAsASimpleTableHasThem(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var p placeSet
	for range 200 {
		size := 1 + rnd.IntN(300)
		p.reset(size)
		var taken [400]bool
		for range 20 {
			at, n := rnd.IntN(310), 1+rnd.IntN(40)
			free := at+n <= size
			for i := at; free && i < at+n; i++ {
				free = !taken[i]
			}
			if got := p.take(at, n); got != free {
				t.Fatalf("%d bytes at %d of %d: got %v, want %v", n, at, size, got, free)
			}
			if !free {
				break // what was taken before the conflict stays so; nobody goes on after one
			}
			for i := at; i < at+n; i++ {
				taken[i] = true
			}
		}
	}
}

// The hashes are those of debugfs (unsigned) and of kernels before 6.2 (signed), which differ for names that are not ASCII.
func TestAttributeHashes(t *testing.T) {
	entry := func(name string, size uint32) attributeEntry {
		e := make([]byte, attributeEntrySize, 64)
		e[0] = byte(len(name))
		binary.LittleEndian.PutUint32(e[8:], size)
		return append(e, name...)
	}
	plain, same := entry("one", 1).hashes([]byte{'1', 0, 0, 0})
	if plain != same {
		t.Errorf("a name in ASCII has hashes %#x and %#x", plain, same)
	}
	want := uint32(0)
	for _, b := range []byte("one") {
		want = want<<5 ^ want>>27 ^ uint32(b)
	}
	if want = want<<16 ^ want>>16 ^ '1'; plain != want {
		t.Errorf("got %#x, want %#x", plain, want)
	}
	unsigned, signed := entry("\xc3\xa4", 0).hashes(nil)
	first := uint32(0xffffffc3) // -61
	if wantSigned := first<<5 ^ first>>27 ^ 0xffffffa4; unsigned != 0xc3<<5^0xa4 || signed != wantSigned {
		t.Errorf("got %#x and %#x", unsigned, signed)
	}
}
