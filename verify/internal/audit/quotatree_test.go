package audit

// This file hands quota files to the reader that were made to keep it busy.

import (
	"encoding/binary"
	"testing"
)

// quotaImage is a quota file of so many blocks, with every reference in the tree's nodes as next says.
func quotaImage(blocks int, next func(block, i int) uint32) *quotaTree {
	data := make([]byte, blocks*quotaBlockSize)
	binary.LittleEndian.PutUint32(data, quotaMagics[quotaUsers])
	binary.LittleEndian.PutUint32(data[4:], 1)
	binary.LittleEndian.PutUint32(data[20:], uint32(blocks))
	for b := 1; b < blocks; b++ {
		for i := range quotaBlockSize / 4 {
			binary.LittleEndian.PutUint32(data[b*quotaBlockSize+4*i:], next(b, i))
		}
	}
	return &quotaTree{read: func(off uint64, p []byte) int {
		if off >= uint64(len(data)) {
			return 0
		}
		return copy(p, data[off:])
	}}
}

func TestQuotaTreesEnd(t *testing.T) {
	for _, x := range []struct {
		name   string
		blocks int
		next   func(block, i int) uint32
		fails  bool
	}{
		{"a root that names itself only", 2, func(int, int) uint32 { return 1 }, false},
		{"blocks that all name each other", 4096, func(b, i int) uint32 { return uint32((b*256 + i) % 4096) }, false},
		{"references beyond the end", 4, func(int, int) uint32 { return 4 }, true},
		{"no references", 4096, func(int, int) uint32 { return 0 }, false},
		{"a header without a tree", 1, nil, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			tree := quotaImage(x.blocks, x.next)
			if err := tree.open(uint64(x.blocks*quotaBlockSize), quotaUsers); err != nil {
				t.Fatal(err)
			}
			records := 0
			err := tree.walk(func(quotaRecord) { records++ })
			if (err != nil) != x.fails {
				t.Errorf("walk: %v", err)
			}
			if limit := x.blocks * quotaBlockSize / 72; records > limit {
				t.Errorf("%d records in %d blocks", records, x.blocks)
			}
		})
	}
}

func TestQuotaHeaders(t *testing.T) {
	header := func(change func(p []byte)) *quotaTree {
		p := make([]byte, 6*quotaBlockSize)
		binary.LittleEndian.PutUint32(p, quotaMagics[quotaGroups])
		binary.LittleEndian.PutUint32(p[4:], 1)
		binary.LittleEndian.PutUint32(p[20:], 6)
		change(p)
		return &quotaTree{read: func(off uint64, b []byte) int { return copy(b, p[off:]) }}
	}
	for _, x := range []struct {
		name   string
		change func(p []byte)
		size   uint64
		fails  bool
	}{
		{"sound", func([]byte) {}, 6 << 10, false},
		{"too many blocks", func(p []byte) { p[20] = 7 }, 6 << 10, true},
		{"a part of a block counts", func(p []byte) { p[20] = 6 }, 5<<10 + 1, false},
		{"no blocks", func(p []byte) { p[20] = 0 }, 6 << 10, true},
		{"more than 2 GiB", func([]byte) {}, 1<<31 + 1, true},
		{"version 2", func(p []byte) { p[4] = 2 }, 6 << 10, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			if err := header(x.change).open(x.size, quotaGroups); (err != nil) != x.fails {
				t.Errorf("open: %v", err)
			}
		})
	}
}
