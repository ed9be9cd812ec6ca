package audit

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// TestBitset compares a set with a plain one, over the edges of words and pages.
func TestBitset(t *testing.T) {
	const bound = 3*pageBits + 100
	rnd := rand.New(rand.NewPCG(1, 2))
	s, plain := newBitset(bound), make([]bool, bound+128)
	for range 300 {
		first := rnd.Uint64N(bound)
		n := min(rnd.Uint64N(200), bound-first)
		if rnd.IntN(20) == 0 {
			n = min(rnd.Uint64N(2*pageBits), bound-first)
		}
		var old, want []uint64
		for i := first; i < first+n; i++ {
			if plain[i] {
				want = append(want, i)
			}
			plain[i] = true
		}
		s.addRange(first, n, func(i uint64) { old = append(old, i) })
		if !slices.Equal(old, want) {
			t.Fatalf("adding %d numbers from %d: %d had been there, want %d", n, first, len(old), len(want))
		}
	}
	s = sparsened(s, plain, rnd)
	var each, want []uint64
	for i := range uint64(bound) {
		if s.has(i) != plain[i] {
			t.Fatalf("has(%d) is %v", i, s.has(i))
		}
		if plain[i] {
			want = append(want, i)
		}
	}
	s.each(func(i uint64) { each = append(each, i) })
	if !slices.Equal(each, want) {
		t.Errorf("each gives %d numbers, want %d", len(each), len(want))
	}
	each = each[:0]
	s.eachRun(func(first, n uint64) {
		for i := range n {
			each = append(each, first+i)
		}
	})
	if !slices.Equal(each, want) {
		t.Errorf("eachRun gives %d numbers, want %d", len(each), len(want))
	}
	for range 1000 {
		first := rnd.Uint64N(bound)
		n := min(rnd.Uint64N(1000), bound-first)
		var sum uint64
		for _, in := range plain[first : first+n] {
			if in {
				sum++
			}
		}
		if got := s.count(first, n); got != sum {
			t.Fatalf("count(%d, %d) is %d, want %d", first, n, got, sum)
		}
		w := s.window(first)
		for i := range uint64(64) {
			if w>>i&1 != 0 != plain[first+i] {
				t.Fatalf("bit %d of window(%d) is wrong", i, first)
			}
		}
	}
}

// sparsened is a set and its plain form with most of the numbers taken out again.
func sparsened(s *bitset, plain []bool, rnd *rand.Rand) *bitset {
	out := newBitset(uint64(len(s.pages)) * pageBits)
	for i := range plain {
		plain[i] = plain[i] && rnd.IntN(3) == 0
		if plain[i] && !out.add(uint64(i)) {
			panic("added twice")
		}
	}
	return out
}

// TestBitsetTogether has several workers take the same numbers: each is new to one of them.
func TestBitsetTogether(t *testing.T) {
	const bound, workers = 2 * pageBits, 4
	s := newBitset(bound)
	var mu sync.Mutex
	var group sync.WaitGroup
	old := 0
	for range workers {
		group.Go(func() {
			for i := uint64(0); i < bound; i += 50 {
				s.addRange(i, min(70, bound-i), func(uint64) {
					mu.Lock()
					old++
					mu.Unlock()
				})
			}
		})
	}
	group.Wait()
	asked := 0
	for i := uint64(0); i < bound; i += 50 {
		asked += int(min(70, bound-i))
	}
	if got := s.count(0, bound); got != bound {
		t.Errorf("%d of %d numbers are in", got, bound)
	}
	if want := workers*asked - bound; old != want {
		t.Errorf("%d had been there, want %d", old, want)
	}
}
