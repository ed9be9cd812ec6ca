package audit

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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
		old := newBitset(bound)
		var got, want []uint64
		for i := first; i < first+n; i++ {
			if plain[i] {
				want = append(want, i)
			}
			plain[i] = true
		}
		fresh := s.addRange(first, n, old)
		old.each(func(i uint64) { got = append(got, i) })
		if !slices.Equal(got, want) || fresh != (len(want) == 0) {
			t.Fatalf("adding %d numbers from %d: %d had been there, want %d", n, first, len(got), len(want))
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
		next, ok := s.next(first, n)
		if i := slices.Index(plain[first:first+n], true); ok != (i >= 0) || ok && next != first+uint64(i) {
			t.Fatalf("next(%d, %d) is %d, %v", first, n, next, ok)
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

// TestBitsetTogether has several workers take the same numbers one by one: each is new to one of them.
func TestBitsetTogether(t *testing.T) {
	const bound, workers = 2 * pageBits, 4
	s := newBitset(bound)
	var fresh atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range uint64(bound) {
				if s.addRange(i, 1, nil) {
					fresh.Add(1)
				}
			}
		})
	}
	group.Wait()
	if got := s.count(0, bound); got != bound || fresh.Load() != bound {
		t.Errorf("%d of %d numbers are in, and %d were new", got, bound, fresh.Load())
	}
}
