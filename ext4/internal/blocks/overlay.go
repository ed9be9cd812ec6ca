package blocks

// This file is the copy-on-write side: what a transaction has changed lies over the cache.

import (
	"bytes"
	"maps"
	"slices"

	"boringboot/ext4/internal/format"
)

// Overlay is a transaction's view of the blocks. It is used by one goroutine.
type Overlay struct {
	base  Source
	size  int // of a block, in bytes
	dirty map[format.FSBlock]*copied
}

type copied struct {
	old []byte // nil: the block was free, what the device holds does not matter
	new []byte
}

// NewOverlay starts with no change.
func NewOverlay(base *Cache) *Overlay {
	return &Overlay{base: base, size: base.size, dirty: make(map[format.FSBlock]*copied)}
}

// OnTop starts one over what this one has changed; this one is not to change any more.
func (o *Overlay) OnTop() *Overlay {
	return &Overlay{base: o, size: o.size, dirty: make(map[format.FSBlock]*copied)}
}

// Block is the changed copy, or the device's block.
func (o *Overlay) Block(n format.FSBlock) ([]byte, error) {
	if c, ok := o.dirty[n]; ok {
		return c.new, nil
	}
	return o.base.Block(n)
}

// Edit gives a copy of block n that may be changed, the same one until the overlay is dropped.
func (o *Overlay) Edit(n format.FSBlock) ([]byte, error) {
	if c, ok := o.dirty[n]; ok {
		return c.new, nil
	}
	old, err := o.base.Block(n)
	if err != nil {
		return nil, err
	}
	c := &copied{old: old, new: bytes.Clone(old)}
	o.dirty[n] = c
	return c.new, nil
}

// Fresh gives a zeroed block for n, which was free: nothing is read.
func (o *Overlay) Fresh(n format.FSBlock) []byte {
	c := &copied{new: make([]byte, o.size)}
	o.dirty[n] = c
	return c.new
}

// Discard forgets the change of block n.
func (o *Overlay) Discard(n format.FSBlock) { delete(o.dirty, n) }

// Change is one block's new content.
type Change struct {
	Block format.FSBlock
	Data  []byte
	Fresh bool // the block was free: what the device holds there means nothing until the change is committed
}

// Changes lists the blocks that differ from the device's, in ascending order.
func (o *Overlay) Changes() []Change {
	var out []Change
	for n, c := range o.dirty {
		if c.old != nil && bytes.Equal(c.old, c.new) {
			continue
		}
		out = append(out, Change{Block: n, Data: c.new, Fresh: c.old == nil})
	}
	slices.SortFunc(out, func(a, b Change) int {
		switch {
		case a.Block < b.Block:
			return -1
		case a.Block > b.Block:
			return 1
		}
		return 0
	})
	return out
}

// Reverted lists the blocks that were changed as they were before, in ascending order. Fresh are those that had no content.
func (o *Overlay) Reverted() ([]Change, error) {
	var out []Change
	for _, n := range slices.Sorted(maps.Keys(o.dirty)) {
		if c := o.dirty[n]; c.old != nil && bytes.Equal(c.old, c.new) {
			continue
		}
		old, err := o.base.Block(n)
		if err != nil {
			return nil, err
		}
		out = append(out, Change{Block: n, Data: old, Fresh: o.dirty[n].old == nil})
	}
	return out, nil
}

// Has tells whether block n has been changed.
func (o *Overlay) Has(n format.FSBlock) bool { _, ok := o.dirty[n]; return ok }

// Len is the number of blocks that have been changed.
func (o *Overlay) Len() int { return len(o.dirty) }
