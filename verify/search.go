// The search for leaks: every byte of the disk, for all needles at once, on all cores.

package verify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	searchChunk = 1 << 20 // bytes that a worker looks at in one piece
	maxHits     = 1000    // of one search: more say nothing new
	prefix      = 4       // bytes of a needle by which it is looked up
	filterBits  = 16
)

// hit is where a needle was found.
type hit struct {
	at     int64 // byte of the disk
	needle int
}

// searcher finds needles in bytes.
type searcher struct {
	needles []needle
	filter  [1 << filterBits]bool // hashes of prefixes
	starts  map[uint32][]int      // needles by prefix
	longest int
}

func newSearcher(needles []needle) *searcher {
	s := &searcher{needles: needles, starts: map[uint32][]int{}}
	for i, n := range needles {
		p := binary.LittleEndian.Uint32(n.bytes)
		s.starts[p] = append(s.starts[p], i)
		s.filter[filterHash(p)] = true
		s.longest = max(s.longest, len(n.bytes))
	}
	return s
}

func filterHash(p uint32) uint32 { return p * 0x9E3779B1 >> (32 - filterBits) } // 2^32 over the golden ratio

// find calls found with where needles begin in the first n bytes of b.
func (s *searcher) find(b []byte, n int, found func(at, needle int)) {
	for at := 0; at < n && at+prefix <= len(b); at++ {
		p := binary.LittleEndian.Uint32(b[at:])
		if !s.filter[filterHash(p)] {
			continue
		}
		for _, i := range s.starts[p] {
			if bytes.HasPrefix(b[at:], s.needles[i].bytes) {
				found(at, i)
			}
		}
	}
}

// search looks for all needles in the size bytes of disk. Hits are in the order of the disk; more says that there are others.
//
// Where known says that a needle belongs to a place, that is no hit.
func (s *searcher) search(ctx context.Context, disk io.ReaderAt, size int64, known func(hit) bool) (hits []hit, more bool, err error) {
	if len(s.needles) == 0 {
		return nil, false, nil
	}
	var (
		next  atomic.Int64
		mu    sync.Mutex
		first error
		group sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			buf := make([]byte, searchChunk+s.longest)
			for {
				from := (next.Add(1) - 1) * searchChunk
				mu.Lock()
				done := from >= size || first != nil || more
				mu.Unlock()
				if done {
					return
				}
				// The next chunk's beginning, too: a needle may lie across.
				b := buf[:min(int64(len(buf)), size-from)]
				err := readAll(ctx, disk, b, from)
				if err == nil && allZero(b) {
					continue
				}
				mu.Lock()
				if err != nil && first == nil {
					first = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
				s.find(b, searchChunk, func(at, needle int) {
					if known(hit{from + int64(at), needle}) {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if more = more || len(hits) >= maxHits; !more {
						hits = append(hits, hit{from + int64(at), needle})
					}
				})
			}
		})
	}
	group.Wait()
	slices.SortFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.needle, b.needle)) })
	return hits, more, first
}

// readAll fills b, or fails.
func readAll(ctx context.Context, disk io.ReaderAt, b []byte, at int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n, err := disk.ReadAt(b, at); n < len(b) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading the image: %w", err)
	}
	return nil
}

var zeros [64 << 10]byte

func allZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}
