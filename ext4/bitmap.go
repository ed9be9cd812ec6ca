package ext4

// This file searches and changes runs of bits in bitmaps; bit 0 is the lowest of byte 0.

import (
	"encoding/binary"
	"math"
	"math/bits"
)

type bitmap []byte

func (b bitmap) get(i uint32) bool { return b[i/8]&(1<<(i%8)) != 0 }

func (b bitmap) set(from, n uint32) {
	end := from + n
	for ; from < end && from%64 != 0; from++ {
		b[from/8] |= 1 << (from % 8)
	}
	for ; end-from >= 64; from += 64 {
		binary.LittleEndian.PutUint64(b[from/8:], math.MaxUint64)
	}
	for ; from < end; from++ {
		b[from/8] |= 1 << (from % 8)
	}
}

func (b bitmap) clear(from, n uint32) {
	for i := from; i < from+n; i++ {
		b[i/8] &^= 1 << (i % 8)
	}
}

// next is the first bit at or after from, below end, that has the value; end if there is none.
func (b bitmap) next(value bool, from, end uint32) uint32 {
	flip := byte(0)
	if !value {
		flip = 0xFF
	}
	for from < end {
		if from%64 == 0 && from+64 <= end {
			w := binary.LittleEndian.Uint64(b[from/8:])
			if !value {
				w = ^w
			}
			if w == 0 {
				from += 64
				continue
			}
			return from + uint32(bits.TrailingZeros64(w))
		}
		if (b[from/8]^flip)&(1<<(from%8)) != 0 {
			return from
		}
		from++
	}
	return end
}

// zeros counts the clear bits below end.
func (b bitmap) zeros(end uint32) uint32 {
	n, whole := uint32(0), end&^63
	for i := uint32(0); i < whole; i += 64 {
		n += uint32(64 - bits.OnesCount64(binary.LittleEndian.Uint64(b[i/8:])))
	}
	for i := whole; i < end; i++ {
		if !b.get(i) {
			n++
		}
	}
	return n
}

// run finds the first run of want clear bits between from and end, or the longest there is.
func (b bitmap) run(from, end, want uint32) (start, n uint32) {
	for from < end {
		first := b.next(false, from, end)
		if first == end {
			break
		}
		stop := b.next(true, first, min(end, first+want))
		if stop-first > n {
			start, n = first, stop-first
		}
		if n >= want {
			break
		}
		from = stop
	}
	return start, n
}
