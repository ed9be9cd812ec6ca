package audit

// This file is a set of numbers that all workers may write to at once, and that takes memory only where there is something.

import (
	"math/bits"
	"sync/atomic"
)

// pageBits is how many numbers a page of a bitset holds: as many as a block of 4 KiB has bits.
const pageBits = 1 << 15

type bitsetPage [pageBits / 64]uint64

// bitset holds numbers below a bound. The zero value holds none and can hold none: see newBitset.
type bitset struct{ pages []atomic.Pointer[bitsetPage] }

func newBitset(bound uint64) *bitset {
	return &bitset{make([]atomic.Pointer[bitsetPage], (bound+pageBits-1)/pageBits)}
}

func (s *bitset) page(n uint64) *bitsetPage {
	p := &s.pages[n/pageBits]
	if page := p.Load(); page != nil {
		return page
	}
	p.CompareAndSwap(nil, new(bitsetPage))
	return p.Load()
}

func (s *bitset) has(n uint64) bool {
	i := n / pageBits
	if i >= uint64(len(s.pages)) {
		return false
	}
	page := s.pages[i].Load()
	if page == nil {
		return false
	}
	n %= pageBits
	return atomic.LoadUint64(&page[n/64])&(1<<(n%64)) != 0
}

// add puts one number in, and says whether it was new. Numbers beyond the bound panic: the callers have checked them.
func (s *bitset) add(n uint64) bool {
	page := s.page(n)
	n %= pageBits
	mask := uint64(1) << (n % 64)
	return atomic.OrUint64(&page[n/64], mask)&mask == 0
}

// addRange puts first to first+n-1 in, and says whether all were new. Those that were not go into old, which may be nil.
func (s *bitset) addRange(first, n uint64, old *bitset) bool {
	fresh := true
	for n > 0 {
		page := s.page(first)
		at := first % pageBits
		bit := at % 64
		count := min(n, 64-bit)
		mask := ^uint64(0) >> (64 - count) << bit
		if had := atomic.OrUint64(&page[at/64], mask) & mask; had != 0 {
			fresh = false
			if old != nil {
				atomic.OrUint64(&old.page(first)[at/64], had)
			}
		}
		first, n = first+count, n-count
	}
	return fresh
}

// word returns the 64 numbers from n on, which is a multiple of 64, as bits.
func (s *bitset) word(n uint64) uint64 {
	i := n / pageBits
	if i >= uint64(len(s.pages)) {
		return 0
	}
	page := s.pages[i].Load()
	if page == nil {
		return 0
	}
	return atomic.LoadUint64(&page[n%pageBits/64])
}

// window returns the 64 numbers from n on as bits, wherever n is.
func (s *bitset) window(n uint64) uint64 {
	if bit := n % 64; bit != 0 {
		return s.word(n-bit)>>bit | s.word(n-bit+64)<<(64-bit)
	}
	return s.word(n)
}

// count returns how many of first to first+n-1 there are.
func (s *bitset) count(first, n uint64) uint64 {
	var sum uint64
	for n > 0 {
		bit := first % 64
		count := min(n, 64-bit)
		if w := s.word(first - bit); w != 0 {
			sum += uint64(bits.OnesCount64(w >> bit << (64 - count)))
		}
		first, n = first+count, n-count
	}
	return sum
}

// next returns the lowest number of first to first+n-1 that there is.
func (s *bitset) next(first, n uint64) (uint64, bool) {
	for n > 0 {
		bit := first % 64
		count := min(n, 64-bit)
		if w := s.word(first-bit) >> bit << (64 - count); w != 0 {
			return first + uint64(bits.TrailingZeros64(w)) - (64 - count), true
		}
		first, n = first+count, n-count
	}
	return 0, false
}

// each calls f with all numbers, in order.
func (s *bitset) each(f func(uint64)) {
	for i := range s.pages {
		page := s.pages[i].Load()
		if page == nil {
			continue
		}
		for j := range page {
			for w := atomic.LoadUint64(&page[j]); w != 0; w &= w - 1 {
				f(uint64(i)*pageBits + uint64(j)*64 + uint64(bits.TrailingZeros64(w)))
			}
		}
	}
}

// eachRun calls f with the numbers that follow upon each other, a page at most at once.
func (s *bitset) eachRun(f func(first, n uint64)) {
	for i := range s.pages {
		if s.pages[i].Load() == nil {
			continue
		}
		base := uint64(i) * pageBits
		for at := uint64(0); at < pageBits; {
			w := s.word(base+at&^63) >> (at % 64)
			if w == 0 {
				at = at&^63 + 64
				continue
			}
			at += uint64(bits.TrailingZeros64(w))
			first := at
			for at < pageBits {
				rest := 64 - at%64
				ones := min(uint64(bits.TrailingZeros64(^(s.word(base+at&^63) >> (at % 64)))), rest)
				at += ones
				if ones < rest {
					break
				}
			}
			f(base+first, at-first)
		}
	}
}
