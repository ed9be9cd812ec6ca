// The map from a file's blocks to the disk's: extent trees and indirect blocks, walked with every number checked.

package ext4ro

import (
	"encoding/binary"
	"fmt"
)

const (
	extentMagic    = 0xF30A // eh_magic
	extentMaxDepth = 5
	extentMaxLen   = 32768 // ee_len above it marks an unwritten extent
	entrySize      = 12    // bytes of an extent header, index or leaf

	// maxNodes bounds the work on one file: 2^16 nodes of a tree map at least 20 GiB when they are full.
	maxNodes = 1 << 16

	directBlocks = 12 // EXT4_NDIR_BLOCKS
)

// run is a piece of a file that lies in one piece on the disk.
type run struct {
	file, disk, blocks uint64
}

// Map says how the content of an inode lies on the disk.
type Map struct {
	Blocks    uint64 // the content's length in blocks, rounded up
	Mapped    uint64 // blocks of the disk that hold data, those past the end included
	Holes     bool   // some of the content is not on the disk: it reads as zeros
	Unwritten bool   // some of it is reserved on the disk, and reads as zeros whatever is there
	runs      []run
	all       []run    // those without data as well, and the blocks of the map itself (file is 0)
	nodes     []uint64 // the blocks of the map itself
	beyond    bool     // data lies past the end of the content
}

// Plain says that every byte of the content is on the disk and means what it says.
func (m *Map) Plain() bool { return !m.Holes && !m.Unwritten }

// Map walks the map of an inode's blocks. A map that contradicts itself, or leads out of the file system, is an error that wraps
// ErrCorrupt.
func (fs *FS) Map(in *Inode) (*Map, error) { return fs.auditMap(in, nil) }

// auditMap is Map that also judges what does not keep the map from being walked, and tells note of it.
func (fs *FS) auditMap(in *Inode, note func(object, format string, args ...any)) (*Map, error) {
	if in.Flags&FlagInlineData != 0 {
		return nil, fmt.Errorf("inode %d: the content is inside the inode, not in blocks", in.Ino)
	}
	if in.Size > uint64(fs.BlockSize)<<32 { // file block numbers have 32 bits
		return nil, fmt.Errorf("inode %d: %w: a size of %d bytes", in.Ino, ErrCorrupt, in.Size)
	}
	w := &mapper{fs: fs, in: in, note: note, m: &Map{Blocks: (in.Size + uint64(fs.BlockSize) - 1) / uint64(fs.BlockSize)}}
	var err error
	if in.Flags&FlagExtents != 0 {
		err = w.extents(in.block, -1, 0)
	} else {
		err = w.indirect()
	}
	if err != nil {
		return nil, err
	}
	w.gap(w.m.Blocks)
	return w.m, nil
}

// mapper collects runs in the order of the file.
type mapper struct {
	fs    *FS
	in    *Inode
	m     *Map
	next  uint64 // the first file block that was not met yet
	nodes int
	note  func(object, format string, args ...any) // nil: nobody listens
}

func (w *mapper) corrupt(format string, args ...any) error {
	return fmt.Errorf("inode %d: block map: %w: %s", w.in.Ino, ErrCorrupt, fmt.Sprintf(format, args...))
}

// gap notes that file blocks up to file, exclusive, are not mapped.
func (w *mapper) gap(file uint64) {
	if w.next < min(file, w.m.Blocks) {
		w.m.Holes = true
	}
}

func (w *mapper) add(file, disk, blocks uint64, unwritten bool) error {
	if file < w.next {
		return w.corrupt("file block %d comes twice", file)
	}
	if disk == 0 || disk >= w.fs.BlocksCount || blocks > w.fs.BlocksCount-disk {
		return w.corrupt("file block %d is at block %d of %d", file, disk, w.fs.BlocksCount)
	}
	w.gap(file)
	w.next = file + blocks
	if file+blocks > 1<<32 {
		return w.corrupt("file block %d is the last of %d: block numbers have 32 bits", file, blocks)
	}
	w.m.all = append(w.m.all, run{file, disk, blocks})
	if unwritten {
		w.m.Unwritten = w.m.Unwritten || file < w.m.Blocks
		return nil
	}
	w.m.beyond = w.m.beyond || file+blocks-1 > w.in.Size/uint64(w.fs.BlockSize)
	w.m.Mapped += blocks
	if w.m.Mapped > w.fs.BlocksCount {
		return w.corrupt("more blocks than the file system has")
	}
	if n := len(w.m.runs); n > 0 && w.m.runs[n-1].file+w.m.runs[n-1].blocks == file && w.m.runs[n-1].disk+w.m.runs[n-1].blocks == disk {
		w.m.runs[n-1].blocks += blocks
		return nil
	}
	w.m.runs = append(w.m.runs, run{file, disk, blocks})
	return nil
}

// node reads a block of the map.
func (w *mapper) node(block uint64) ([]byte, error) {
	if w.nodes++; w.nodes > maxNodes {
		return nil, w.corrupt("more than %d blocks of it", maxNodes)
	}
	if block == 0 || block >= w.fs.BlocksCount {
		return nil, w.corrupt("a part of it is at block %d of %d", block, w.fs.BlocksCount)
	}
	buf := make([]byte, w.fs.BlockSize)
	if _, err := w.fs.r.ReadAt(buf, int64(block)*w.fs.BlockSize); err != nil {
		return nil, fmt.Errorf("inode %d: block map: block %d: %w", w.in.Ino, block, err)
	}
	w.m.all = append(w.m.all, run{0, block, 1})
	w.m.nodes = append(w.m.nodes, block)
	return buf, nil
}

// checkNode compares the checksum behind the entries of an extent node that is a block of its own.
func (w *mapper) checkNode(node []byte, block uint64) {
	if w.note == nil || !w.fs.checksums() {
		return
	}
	c := &cursor{node}
	c.skip(2 + 2) // eh_magic, eh_entries
	end := entrySize * (1 + int(c.u16()))
	if end+4 > len(node) {
		return // the header cannot be, which is found next
	}
	got, want := binary.LittleEndian.Uint32(node[end:]), uint32(w.in.seed(w.fs.Superblock).bytes(node[:end]))
	if got != want {
		w.note(fmt.Sprintf("inode %d", w.in.Ino), "the checksum of its extents in block %d is 0x%08x, that of what they are is 0x%08x", block, got, want)
	}
}

// extents walks a node of an extent tree; depth is what its parent promises, -1 for the root, and first the file block it promises.
func (w *mapper) extents(node []byte, depth int, first uint64) error {
	c := &cursor{node}
	magic, entries, capacity, has := c.u16(), int(c.u16()), int(c.u16()), int(c.u16())
	c.skip(4) // eh_generation
	switch {
	case magic != extentMagic:
		return w.corrupt("an extent header with the magic number 0x%04x", magic)
	case has > extentMaxDepth || depth >= 0 && has != depth:
		return w.corrupt("an extent node of depth %d where %d belongs", has, depth)
	case entries > capacity || capacity > len(node)/entrySize-1 || capacity < len(node)/entrySize-3:
		return w.corrupt("an extent node with %d of %d entries in %d bytes", entries, capacity, len(node))
	case entries == 0 && (depth >= 0 || has > 0):
		return w.corrupt("an extent node without entries")
	}
	for i := range entries {
		if at := uint64((&cursor{c.rest}).u32()); i == 0 && depth >= 0 && at != first {
			return w.corrupt("an extent node begins with file block %d, not %d", at, first)
		}
		if has == 0 {
			file, length := uint64(c.u32()), uint64(c.u16())
			hi, lo := c.u16(), c.u32()
			unwritten := length > extentMaxLen
			if unwritten {
				length -= extentMaxLen
			}
			if length == 0 {
				return w.corrupt("an extent of no length at file block %d", file)
			}
			if err := w.add(file, wide(lo, uint32(hi)), length, unwritten); err != nil {
				return err
			}
			continue
		}
		file, lo, hi := uint64(c.u32()), c.u32(), c.u16()
		c.skip(2) // ei_unused
		if file < w.next {
			return w.corrupt("file block %d comes twice", file)
		}
		block := wide(lo, uint32(hi))
		child, err := w.node(block)
		if err != nil {
			return err
		}
		w.checkNode(child, block)
		if err := w.extents(child, has-1, file); err != nil {
			return err
		}
	}
	return nil
}

// indirect walks the map of ext2 and ext3: twelve direct blocks, then trees of one, two and three levels of pointers.
func (w *mapper) indirect() error {
	c := &cursor{w.in.block}
	for file := range uint64(directBlocks) {
		if err := w.pointer(c.u32(), file, 0); err != nil {
			return err
		}
	}
	perBlock := uint64(w.fs.BlockSize / 4)
	file, covers := uint64(directBlocks), perBlock
	for level := 1; level <= 3; level++ {
		if err := w.pointer(c.u32(), file, level); err != nil {
			return err
		}
		file += covers
		covers *= perBlock
	}
	return nil
}

// pointer follows one pointer, level levels above the data, whose first file block is file. A pointer past the end of the content
// is not followed: ext2 keeps none there.
func (w *mapper) pointer(p uint32, file uint64, level int) error {
	if p == 0 || file >= w.m.Blocks {
		return nil
	}
	if level == 0 {
		return w.add(file, uint64(p), 1, false)
	}
	buf, err := w.node(uint64(p))
	if err != nil {
		return err
	}
	covers := uint64(1)
	for range level - 1 {
		covers *= uint64(w.fs.BlockSize / 4)
	}
	for i := range uint64(w.fs.BlockSize / 4) {
		if file+i*covers >= w.m.Blocks {
			break
		}
		if err := w.pointer(binary.LittleEndian.Uint32(buf[4*i:]), file+i*covers, level-1); err != nil {
			return err
		}
	}
	return nil
}
