package audit

// This file walks the map of a file, whatever its kind, for those who want to read the file. It finds no faults: what is damaged is
// an error.

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const directBlocks = 12 // EXT4_NDIR_BLOCKS

// Errors of a map that cannot be followed, and of an audit that has ended.
var (
	errMap     = errors.New("the block map is damaged")
	errStopped = errors.New("the audit has ended")
)

// mapWalker goes through maps. It needs nothing of an audit, and serves one goroutine.
type mapWalker struct {
	sb   *super
	read func(b uint64, buf []byte) error

	nodes [maxExtentDepth][]byte // a block for each level

	visit   func(run) error
	pending run    // not handed out yet: the next one may go on where it ends
	next    uint64 // the first logical block that may follow
	budget  uint64 // blocks of maps that may still be read
	room    uint64 // blocks that may still be mapped: no file has more than the file system
}

// node returns the buffer of a level.
func (m *mapWalker) node(level int) []byte {
	if m.nodes[level] == nil {
		m.nodes[level] = make([]byte, m.sb.blockSize)
	}
	return m.nodes[level]
}

func (w *worker) mapWalker() *mapWalker {
	if w.walker.sb == nil {
		w.walker = mapWalker{sb: w.c.sb, read: w.c.readMap}
	}
	return &w.walker
}

// readMap reads a block of a map. That somebody has lost patience is an error, too: a map may have as many blocks as the disk.
func (c *checker) readMap(b uint64, buf []byte) error {
	if c.stopped() {
		return errStopped
	}
	err := c.readBlock(b, buf)
	if err != nil {
		c.fail(err)
	}
	return err
}

// walk hands out the runs of a file by logical block, neighbours joined, holes left out. They lie within the file system, do not
// overlap, are together no more than the file system, and may reach beyond the end of the file. What has no map (inline data, short symlinks, devices) has no runs. An error is
// that of visit, of reading, or errMap.
func (m *mapWalker) walk(in *inode, visit func(run) error) error {
	m.visit, m.pending, m.next, m.budget, m.room = visit, run{}, 0, m.sb.BlocksCount, m.sb.BlocksCount
	if in.has(flagInlineData) || !m.sb.hasMap(in) && in.Mode&modeType != 0 {
		return nil
	}
	var err error
	if in.has(flagExtents) {
		root := extentNode(in.Block)
		if !root.headerOK() || root.depth() > extentLevels {
			return errMap
		}
		err = m.extents(in, root, root.depth())
	} else {
		err = m.blocks(in)
	}
	if err == nil {
		err = m.flush()
	}
	return err
}

func (m *mapWalker) flush() error {
	if m.pending.length == 0 {
		return nil
	}
	r := m.pending
	m.pending = run{}
	return m.visit(r)
}

// add hands out a run, or joins it to the one before.
func (m *mapWalker) add(r run) error {
	if r.logical < m.next || !m.sb.validBlock(r.physical) || r.length > m.sb.BlocksCount-r.physical || r.length > m.room {
		return fmt.Errorf("logical block %d: %w", r.logical, errMap)
	}
	m.next, m.room = r.logical+r.length, m.room-r.length
	p := &m.pending
	if p.length > 0 && p.unwritten == r.unwritten && p.logical+p.length == r.logical && p.physical+p.length == r.physical {
		p.length += r.length
		return nil
	}
	if err := m.flush(); err != nil {
		return err
	}
	m.pending = r
	return nil
}

// load reads a block of the map.
func (m *mapWalker) load(b uint64, level int) ([]byte, error) {
	if !m.sb.validBlock(b) || m.budget == 0 {
		return nil, fmt.Errorf("block %d: %w", b, errMap)
	}
	m.budget--
	buf := m.node(level)
	return buf, m.read(b, buf)
}

func (m *mapWalker) extents(in *inode, node extentNode, depth int) error {
	for i := range node.entries() {
		if depth == 0 {
			r := node.extent(i)
			if r.length == 0 {
				return fmt.Errorf("logical block %d: %w", r.logical, errMap)
			}
			if err := m.add(r); err != nil {
				return err
			}
			continue
		}
		b := node.child(i)
		buf, err := m.load(b, depth-1)
		if err != nil {
			return err
		}
		child := extentNode(buf)
		// Children that start before what was seen end a walk in circles.
		if !child.headerOK() || child.depth() != depth-1 || child.entries() == 0 || child.first(0) < m.next || !child.checksumOK(m.sb, in) {
			return fmt.Errorf("block %d: %w", b, errMap)
		}
		if err := m.extents(in, child, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// blocks walks the twelve direct blocks, then what hangs on the three indirect ones.
func (m *mapWalker) blocks(in *inode) error {
	if err := m.direct(in.Block[:directBlocks*4], 0); err != nil {
		return err
	}
	logical, span := uint64(directBlocks), m.perBlock()
	for level := range 3 {
		if b := binary.LittleEndian.Uint32(in.Block[(directBlocks+level)*4:]); b != 0 {
			if err := m.indirect(uint64(b), logical, level); err != nil {
				return err
			}
		}
		logical += span
		span *= m.perBlock()
	}
	return nil
}

func (m *mapWalker) perBlock() uint64 { return uint64(m.sb.blockSize / 4) }

// direct adds the blocks of a list.
func (m *mapWalker) direct(list []byte, logical uint64) error {
	for ; len(list) >= 4; list, logical = list[4:], logical+1 {
		if b := binary.LittleEndian.Uint32(list); b != 0 {
			if err := m.add(run{logical: logical, physical: uint64(b), length: 1}); err != nil {
				return err
			}
		}
	}
	return nil
}

// indirect walks what hangs on block b, which is level levels above the lists of data blocks.
func (m *mapWalker) indirect(b, logical uint64, level int) error {
	list, err := m.load(b, level)
	if err != nil {
		return err
	}
	if level == 0 {
		return m.direct(list, logical)
	}
	span := m.perBlock()
	for range level - 1 {
		span *= m.perBlock()
	}
	for ; len(list) >= 4; list, logical = list[4:], logical+span {
		if b := binary.LittleEndian.Uint32(list); b != 0 {
			if err := m.indirect(uint64(b), logical, level-1); err != nil {
				return err
			}
		}
	}
	return nil
}
