package audit_test

// This file edits directories in an image: entries, tables of hash trees, inodes; checksums are made right again.

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// editor is an image whose directories are edited, one of them at a time.
type editor struct {
	*subject
	tb     testing.TB
	ino    int         // the directory
	blocks []int       // its blocks
	index  map[int]int // those of the index, and where their tables begin
	about  int         // the inode that findings should be about; 0: the directory
}

func edit(tb testing.TB, s *subject, dir string) *editor {
	tb.Helper()
	e := &editor{subject: s, tb: tb}
	e.ino = 2
	for _, name := range strings.FieldsFunc(dir, func(r rune) bool { return r == '/' }) {
		e.enter(e.ino)
		e.ino = int(le.Uint32(s.data[e.entry(name):]))
	}
	e.enter(e.ino)
	return e
}

// enter makes a directory the one that is edited.
func (e *editor) enter(ino int) {
	e.ino, e.blocks = ino, nil
	_, data := e.mapOf(ino)
	for _, b := range data {
		e.blocks = append(e.blocks, b.block)
	}
	e.index = e.indexBlocks(ino)
}

// place is the offset in the image of a byte of one of the directory's blocks.
func (e *editor) place(block, at int) int { return e.blocks[block]*e.block + at }

// end is where the entries of a block end.
func (e *editor) end() int {
	if e.summed {
		return e.block - 12
	}
	return e.block
}

// list has the offsets in the image of a block's entries.
func (e *editor) list(block int) []int {
	var list []int
	for _, at := range entriesOf(e.at(e.blocks[block]), 0, e.end()) {
		list = append(list, e.place(block, at))
	}
	return list
}

// entry is the offset in the image of the entry of a name.
func (e *editor) entry(name string) int {
	e.tb.Helper()
	for i := range e.blocks {
		for _, at := range e.list(i) {
			if le.Uint32(e.data[at:]) != 0 && e.name(at) == name {
				return at
			}
		}
	}
	e.tb.Fatalf("inode %d has no entry of that name: %s", e.ino, name)
	return 0
}

func (e *editor) name(at int) string { return string(e.data[at+8:][:e.data[at+6]]) }

// rename gives an entry another name, as long as the one it has.
func (e *editor) rename(at int, name string) { e.write(at+8, []byte(name)) }

// put writes a byte.
func (e *editor) put(at int, b byte) { e.write(at, []byte{b}) }

// inodePlace is the offset in the image of a field of an inode.
func (e *editor) inodePlace(ino, field int) int { return e.inodeAt(ino) + field }

// table is the offset in the image of the table of a block of the index.
func (e *editor) table(block int) int { return e.place(block, e.index[block]) }

// leaves are the blocks that the index leads to, in order of their hashes, where the root is all of the index.
func (e *editor) leaves() []int {
	var list []int
	at := e.table(0)
	for i := range int(le.Uint16(e.data[at+2:])) {
		list = append(list, int(le.Uint32(e.data[at+8*i+4:])))
	}
	return list
}

// reseal makes the checksums of the directory right, and that of its inode.
func (e *editor) reseal() {
	sealInode(e.ino)(&e.canvas)
	for i, b := range e.blocks {
		if from, ok := e.index[i]; ok {
			sealIndex(e.ino, b, from)(&e.canvas)
		} else {
			sealLeaf(e.ino, b)(&e.canvas)
		}
	}
}

// swap exchanges two pieces of the image of the same length.
func (e *editor) swap(a, b, n int) {
	x := bytes.Clone(e.data[a:][:n])
	e.write(a, bytes.Clone(e.data[b:][:n]))
	e.write(b, x)
}

// freeInode is one that is not in use, and before the part of its group that is marked unused or in it.
func (e *editor) freeInode(unused bool) int {
	used := e.layout.inodes()
	for ino := e.firstIno; ino <= e.groups*e.inodesPerGroup; ino++ {
		if slices.Contains(used, ino) {
			continue
		}
		g, n := (ino-1)/e.inodesPerGroup, (ino-1)%e.inodesPerGroup
		d := e.data[e.descriptor(g):]
		if e.descFlags(g)&1 == 0 && (n >= e.inodesPerGroup-int(le.Uint16(d[0x1C:]))) == unused {
			return ino
		}
	}
	e.tb.Fatal("no inode is free")
	return 0
}
