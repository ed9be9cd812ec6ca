package audit

// This file opens file systems that say that they are larger than can be audited.

import (
	"context"
	"encoding/binary"
	"math/bits"
	"strings"
	"testing"
)

// sparseDisk is as large as it likes: it has a superblock, and nothing else but zeros.
type sparseDisk struct{ super []byte }

func (d sparseDisk) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off <= superblockOffset && off+int64(len(p)) >= superblockOffset+superblockSize {
		copy(p[superblockOffset-off:], d.super)
	}
	return len(p), nil
}

// clustered is a superblock of blocks of 1 KiB in clusters of 512 MiB: a file system of many blocks and few groups.
func clustered(blocks uint64) []byte {
	const clusters, ratio, inodes = 8184, 1 << 19, 8 // of a group
	groups := (blocks + clusters*ratio - 1) / (clusters * ratio)
	raw := make([]byte, superblockSize)
	for off, v := range map[int]uint32{
		0: uint32(groups * inodes), 4: uint32(blocks), 0x150: uint32(blocks >> 32), 0x1C: uint32(bits.Len(ratio) - 1), 0x20: clusters * ratio,
		0x24: clusters, 0x28: inodes, 0x38: superMagic | stateValid<<16, 0x4C: 1, 0x54: 11, 0x58: 128, 0x5C: compatSparseSuper2,
		0x60: incompatFiletype | incompatExtents | incompat64bit | incompatFlexBg, 0x64: roCompatBigalloc, 0xFC: 64 << 16,
	} {
		binary.LittleEndian.PutUint32(raw[off:], v)
	}
	return raw
}

// TestTooManyBlocks refuses what no set of blocks can hold, though there are few groups of them.
func TestTooManyBlocks(t *testing.T) {
	for _, blocks := range []uint64{maxBlocks, maxBlocks + 1} {
		c := &checker{ctx: context.Background(), disk: sparseDisk{clustered(blocks)}, size: int64(blocks) << 10}
		ok, err := c.open()
		if refused := err != nil && strings.Contains(err.Error(), "blocks are more than can be judged"); refused != (blocks > maxBlocks) || ok == refused {
			t.Errorf("%d blocks: %v, %v, %v", blocks, ok, err, c.found.sorted())
		}
	}
}
