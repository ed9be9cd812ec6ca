package ext4

// This file reads maps of the old kind: 12 block numbers in i_block, then an indirect, a double and a triple indirect block, all of
// them numbers of 32 bits, 0 for a hole.

import (
	"encoding/binary"
	"math"

	"boringboot/ext4/internal/format"
)

const (
	directBlocks   = 12
	indirectLevels = 3
)

func le32(b []byte, i int) uint32       { return binary.LittleEndian.Uint32(b[4*i:]) }
func putLE32(b []byte, i int, v uint32) { binary.LittleEndian.PutUint32(b[4*i:], v) }

// perTable is how many numbers a block of a map has.
func (g *geometry) perTable() uint64 { return uint64(g.blockSize / 4) }

// indirectLimit is how many blocks a file can have by its map.
func (g *geometry) indirectLimit() uint64 {
	per := g.perTable()
	return min(directBlocks+per+per*per+per*per*per, mapEnd-1)
}

// indirectPlace is a number in i_block that leads to a file block: levels of tables below it, how many file blocks it spans, and
// which of them is meant.
type indirectPlace struct {
	slot, level int
	span, rest  uint64
}

func (g *geometry) indirectPlace(fb FileBlock) (indirectPlace, bool) {
	if fb < directBlocks {
		return indirectPlace{slot: int(fb), span: 1}, true
	}
	p := indirectPlace{slot: directBlocks, level: 1, span: g.perTable(), rest: uint64(fb) - directBlocks}
	for p.rest >= p.span {
		p.rest -= p.span
		p.span *= g.perTable()
		p.slot++
		p.level++
	}
	return p, p.level <= indirectLevels
}

// lookupIndirect is lookup in a map of indirect blocks: a run ends with its table.
func (v *view) lookupIndirect(n node, fb FileBlock) (run, error) {
	p, ok := v.indirectPlace(fb)
	if !ok {
		return hole(fb, mapEnd), nil // a file may be larger than its map when all it has there is a hole
	}
	table, at, end := n.IBlock(), p.slot, directBlocks
	for ; p.level > 0; p.level-- {
		b := FSBlock(le32(table, at))
		if b == 0 {
			return hole(fb, uint64(fb)+p.span-p.rest), nil
		}
		var err error
		if table, err = v.indirectTable(n, b); err != nil {
			return run{}, err
		}
		p.span /= v.perTable()
		at, end = int(p.rest/p.span), int(v.perTable())
		p.rest %= p.span
	}
	r := run{block: fb, count: 1, start: FSBlock(le32(table, at))}
	for at++; at < end && follows(r, le32(table, at)); at++ {
		r.count++
	}
	if r.start != 0 && !v.validRange(r.start, uint64(r.count)) {
		return run{}, corruptf("inode %d: file block %d at block %d, %d blocks", n.ino, fb, r.start, r.count)
	}
	return r, nil
}

// follows tells whether a number goes on with a run, of blocks or of holes.
func follows(r run, b uint32) bool {
	if r.start == 0 {
		return b == 0
	}
	return uint64(b) == uint64(r.start)+uint64(r.count)
}

func (v *view) indirectTable(n node, b FSBlock) ([]byte, error) {
	if !v.validRange(b, 1) {
		return nil, corruptf("inode %d: indirect block %d", n.ino, b)
	}
	return v.src.Block(b)
}

// indirectWalk goes through a map in order. Each table has to be there once only, so that the walk ends before long on every input.
type indirectWalk struct {
	v     *view
	n     node
	visit func(format.Extent) error
	own   func(FSBlock) error
	seen  map[FSBlock]bool
	run   format.Extent // not told yet
}

func (v *view) walkIndirect(n node, visit func(format.Extent) error, own func(FSBlock) error) error {
	w := indirectWalk{v: v, n: n, visit: visit, own: own, seen: map[FSBlock]bool{}}
	first, span := uint64(0), uint64(1)
	for slot := range directBlocks + indirectLevels {
		level := max(slot-directBlocks+1, 0)
		if level > 0 {
			span *= v.perTable()
		}
		if err := w.pointer(le32(n.IBlock(), slot), first, level, span); err != nil {
			return err
		}
		first += span
	}
	return w.flush()
}

// pointer follows a number that spans file blocks from first on.
func (w *indirectWalk) pointer(number uint32, first uint64, level int, span uint64) error {
	if number == 0 {
		return nil
	}
	b := FSBlock(number)
	if level == 0 {
		return w.block(first, b)
	}
	table, err := w.v.indirectTable(w.n, b)
	if err != nil {
		return err
	}
	if w.seen[b] {
		return corruptf("inode %d: indirect block %d is there twice", w.n.ino, b)
	}
	w.seen[b] = true
	if w.own != nil {
		if err := w.own(b); err != nil {
			return err
		}
	}
	span /= w.v.perTable()
	for i := range int(w.v.perTable()) {
		if err := w.pointer(le32(table, i), first+uint64(i)*span, level-1, span); err != nil {
			return err
		}
	}
	return nil
}

func (w *indirectWalk) block(fb uint64, b FSBlock) error {
	if fb >= mapEnd-1 {
		return corruptf("inode %d: file block %d is beyond what a file can have", w.n.ino, fb)
	}
	if !w.v.validRange(b, 1) {
		return corruptf("inode %d: file block %d at block %d", w.n.ino, fb, b)
	}
	if e := &w.run; e.Len > 0 && e.Len < math.MaxInt32 && uint64(e.Block)+uint64(e.Len) == fb && e.Start+FSBlock(e.Len) == b {
		e.Len++
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.run = format.Extent{Block: FileBlock(fb), Len: 1, Start: b}
	return nil
}

func (w *indirectWalk) flush() error {
	if w.run.Len == 0 {
		return nil
	}
	return w.visit(w.run)
}
