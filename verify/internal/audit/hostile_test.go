package audit

// This file has images that are made to cost memory or time: what an audit keeps is bounded by what there is.

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
)

// listOf is a block of 1 KiB that names block b in each of its entries.
func listOf(b uint32) []byte {
	var list []byte
	for range 256 {
		list = binary.LittleEndian.AppendUint32(list, b)
	}
	return list
}

// TestMapOfMoreBlocksThanThereAre has 65,536 times the same block in a map, of a file system of 600.
func TestMapOfMoreBlocksThanThereAre(t *testing.T) {
	iblock := make([]byte, iblockSize)
	iblock[4*doubleIndex] = 1
	const blocks = 600
	c, in := mapped(blocks, append(listOf(2), listOf(3)...), 0, iblock)
	runs := 0
	err := c.walkSystem(in, func(run) error { runs++; return nil })
	if !errors.Is(err, errMap) || runs > blocks {
		t.Errorf("%d runs: %v", runs, err)
	}
}

// TestMapWithoutPatience ends within a map.
func TestMapWithoutPatience(t *testing.T) {
	iblock := make([]byte, iblockSize)
	iblock[4*doubleIndex] = 1
	c, in := mapped(600, append(listOf(2), listOf(0)...), 0, iblock)
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx = ctx
	cancel()
	if err := c.walkSystem(in, func(run) error { return nil }); !errors.Is(err, errStopped) {
		t.Errorf("%v", err)
	}
}
