package audit_test

// This file is what is done to hash trees and to directories in inodes, case by case.

import "boringboot/verify/internal/audit"

// root writes a byte of the root's header, dx_root_info.
func rootByte(at int, b byte) func(e *editor) {
	return func(e *editor) { e.put(e.place(0, 0x18+at), b) }
}

var treeCases = []dirCase{
	{name: "nothing is done", image: "modern", dir: "two-levels", edit: func(*editor) {}},
	{name: "a reserved field is not zero", image: "modern", dir: "hashed", edit: rootByte(1, 1), code: audit.CodeDirectoryHash},
	{name: "another hash version", image: "modern", dir: "hashed", edit: rootByte(4, 2), code: audit.CodeDirectoryHash},
	{name: "a hash version that there is not", image: "modern", dir: "hashed", edit: rootByte(4, 7), code: audit.CodeDirectoryHash},
	{name: "a hash version that is not written", image: "modern", dir: "hashed", edit: rootByte(4, 4), code: audit.CodeDirectoryHash},
	{name: "the hash of encrypted directories", image: "modern", dir: "hashed", edit: rootByte(4, 6), code: audit.CodeDirectoryHash},
	{name: "a header of 7 bytes", image: "modern", dir: "hashed", edit: rootByte(5, 7), code: audit.CodeDirectoryHash},
	{name: "a header of 16 bytes", image: "unsummed", dir: "hashed", edit: rootByte(5, 16), code: audit.CodeDirectoryHash},
	{name: "a level that there is not", image: "modern", dir: "hashed", edit: rootByte(6, 1), code: audit.CodeDirectoryHash},
	{name: "a level too few", image: "modern", dir: "two-levels", edit: rootByte(6, 0), code: audit.CodeDirectoryHash},
	{name: "more levels than there may be", image: "modern", dir: "hashed", edit: rootByte(6, 2), code: audit.CodeDirectoryHash},
	{name: "a flag that is not known", image: "modern", dir: "hashed", edit: rootByte(7, 1), code: audit.CodeDirectoryHash},
	{name: "a flag that is harmless", image: "modern", dir: "hashed", edit: rootByte(7, 2), code: ""},
	{name: "a limit that is too low", image: "unsummed", dir: "hashed", edit: func(e *editor) { e.write16(e.table(0), le.Uint16(e.data[e.table(0):])-1) },
		code: audit.CodeDirectoryHash},
	{name: "more entries than there is room for", image: "unsummed", dir: "hashed", edit: func(e *editor) { e.write16(e.table(0)+2, 1000) },
		code: audit.CodeDirectoryHash},
	{name: "no entries", image: "modern", dir: "hashed", edit: func(e *editor) { e.write16(e.table(0)+2, 0) }, code: audit.CodeDirectoryHash},
	{name: "an entry less", image: "modern", dir: "hashed", edit: func(e *editor) { e.write16(e.table(0)+2, le.Uint16(e.data[e.table(0)+2:])-1) },
		code: audit.CodeDirectoryHash},
	{name: "an entry leads beyond the directory", image: "modern", dir: "hashed", edit: func(e *editor) { e.write32(e.table(0)+12, 0xFFFFFF) },
		code: audit.CodeDirectoryHash},
	{name: "the upper bits of an entry's block do not count", image: "modern", dir: "hashed", edit: func(e *editor) { e.put(e.table(0)+15, 0x10) }, code: ""},
	{name: "an entry leads to the root", image: "modern", dir: "hashed", edit: func(e *editor) { e.write32(e.table(0)+12, 0) }, code: audit.CodeDirectoryHash},
	{name: "two entries lead to one block", image: "modern", dir: "hashed", edit: func(e *editor) { e.write(e.table(0)+12, e.data[e.table(0)+4:][:4]) },
		code: audit.CodeDirectoryHash},
	{name: "entries that are not in order", image: "modern", dir: "hashed", edit: func(e *editor) { e.swap(e.table(0)+8, e.table(0)+16, 8) },
		code: audit.CodeDirectoryHash},
	{name: "blocks that have changed places", image: "modern", dir: "hashed", edit: func(e *editor) { e.swap(e.table(0)+12, e.table(0)+20, 4) },
		code: audit.CodeDirectoryHash},
	{name: "a leaf begins later than its entries", image: "modern", dir: "hashed", edit: func(e *editor) {
		e.write32(e.table(0)+8, le.Uint32(e.data[e.table(0)+16:])-2)
	}, code: audit.CodeDirectoryHash},
	{name: "the lowest bit of a hash does not count", image: "modern", dir: "hashed", edit: func(e *editor) { e.put(e.table(0)+8, e.data[e.table(0)+8]|1) }, code: ""},
	{name: "nodes that have changed places", image: "modern", dir: "two-levels", edit: func(e *editor) { e.swap(e.table(0)+4, e.table(0)+12, 4) },
		code: audit.CodeDirectoryHash},
	{name: "leaves of two nodes have changed places", image: "modern", dir: "two-levels", edit: func(e *editor) {
		nodes := e.leaves()
		e.swap(e.table(nodes[0])+4, e.table(nodes[1])+4, 4)
	}, code: audit.CodeDirectoryHash},
	{name: "a node leads to itself", image: "modern", dir: "two-levels", edit: func(e *editor) {
		node := e.leaves()[1]
		e.write32(e.table(node)+12, uint32(node))
	}, code: audit.CodeDirectoryHash},
	{name: "a node's limit is wrong, so that it is a leaf", image: "unsummed", dir: "two-levels", edit: func(e *editor) {
		node := e.leaves()[1]
		e.write16(e.table(node), le.Uint16(e.data[e.table(node):])-1)
	}, code: audit.CodeDirectoryHash},
	{name: "a node's first entry has a name", image: "unsummed", dir: "two-levels", edit: func(e *editor) { e.put(e.place(e.leaves()[1], 6), 1) },
		code: audit.CodeDirectoryHash},
	{name: "a name that is in another leaf's range", image: "modern", dir: "hashed", edit: func(e *editor) {
		leaves := e.leaves()
		e.swap(e.list(leaves[0])[1]+8, e.list(leaves[2])[1]+8, 32)
	}, code: audit.CodeDirectoryHash},
	{name: "a name that has another hash", image: "modern", dir: "hashed", edit: func(e *editor) {
		// All names of the leaf get the last name's hash or another; some do not fit.
		for i, at := range e.list(e.leaves()[1]) {
			e.put(at+8, byte('A'+i))
		}
	}, code: audit.CodeDirectoryHash},
	{name: "an index that is none any more", image: "modern", dir: "hashed", edit: func(e *editor) {
		e.put(e.inodePlace(e.ino, 0x21), e.data[e.inodePlace(e.ino, 0x21)]&^0x10)
	}, code: audit.CodeDirectoryEntry},
	{name: "an index that is none any more, without checksums", image: "unsummed", dir: "two-levels", edit: func(e *editor) {
		e.put(e.inodePlace(e.ino, 0x21), e.data[e.inodePlace(e.ino, 0x21)]&^0x10)
	}, code: ""},
	{name: "three levels", image: "three levels", dir: "two-levels", edit: deepen, code: ""},
	{name: "three levels that say they are two", image: "three levels", dir: "two-levels", edit: func(e *editor) {
		deepen(e)
		e.put(e.place(0, 0x1E), 1)
	}, code: audit.CodeDirectoryHash},
	{name: "three levels, and hashes that are too low in the lowest", image: "three levels", dir: "two-levels", edit: func(e *editor) {
		deepen(e)
		node := int(le.Uint32(e.data[e.table(len(e.blocks)-1)+12:]))
		at := e.table(len(e.blocks)-1) + 8
		e.write32(at, le.Uint32(e.data[at:])+2)
		sealIndex(e.ino, e.blocks[node], 8)(&e.canvas)
	}, code: audit.CodeDirectoryHash},
	{name: "three levels without large_dir", image: "three levels", dir: "two-levels", edit: func(e *editor) {
		deepen(e)
		e.put(superAt+0x61, e.data[superAt+0x61]&^0x40)
		sealSuper(superAt)(&e.canvas)
	}, code: audit.CodeDirectoryHash},
	{name: "a directory of one block that says it has an index", image: "modern", dir: "small-dir", edit: setIndex, code: audit.CodeDirectoryHash},
	{name: "a directory of one block that says it has an index, without checksums", image: "unsummed", dir: "small-dir", edit: setIndex, code: audit.CodeDirectoryHash},
	{name: "an index in a file system without", image: "linear", dir: "linear", edit: setIndex, code: audit.CodeDirectoryHash},
	{name: "the signs of names are others", image: "folds", dir: "folded", edit: func(e *editor) {
		e.put(superAt+0x160, 2)
		sealSuper(superAt)(&e.canvas)
	}, code: audit.CodeDirectoryHash},
	{name: "the seed of hashes is another", image: "modern", dir: "hashed", edit: func(e *editor) {
		e.put(superAt+0xEC, ^e.data[superAt+0xEC])
		sealSuper(superAt)(&e.canvas)
	}, code: audit.CodeDirectoryHash},
	{name: "a directory that folds cases no more", image: "folds", dir: "folded", edit: func(e *editor) {
		e.put(e.inodePlace(e.ino, 0x23), e.data[e.inodePlace(e.ino, 0x23)]&^0x40)
	}, code: audit.CodeDirectoryHash},
	{name: "a folded name in another leaf's range", image: "folds", dir: "folded", edit: func(e *editor) {
		for i, at := range e.list(e.leaves()[1]) {
			e.put(at+8+int(e.data[at+6])-1, byte('Q'+i))
		}
	}, code: audit.CodeDirectoryHash},
}

// deepen puts a node between the root of a tree and what is below it, into the last block, which has nothing in it.
func deepen(e *editor) {
	root, last := e.table(0), len(e.blocks)-1
	count := int(le.Uint16(e.data[root+2:]))
	node := make([]byte, e.block)
	le.PutUint16(node[4:], uint16(e.block))
	copy(node[8:], e.data[root:][:8*count])
	le.PutUint16(node[8:], uint16((e.block-8-8)/8))
	e.write(e.place(last, 0), node)
	e.write16(root+2, 1)
	e.write32(root+4, uint32(last))
	e.put(e.place(0, 0x1E), 2)
	e.index[last] = 8
}

func setIndex(e *editor) {
	at := e.inodePlace(e.ino, 0x21)
	e.put(at, e.data[at]|0x10)
}

// In an inode "." and ".." are the parent's number; entries follow at byte 4 of i_block, and in the attribute system.data.
func inlineEntry(e *editor, n int) int { return e.inodePlace(e.ino, 0x28+4+12*n) }

var inlineCases = []dirCase{
	{name: "nothing is done", image: "inline_data", dir: "few", edit: func(*editor) {}},
	{name: "no parent", image: "inline_data", dir: "few", edit: func(e *editor) { e.write32(e.inodePlace(e.ino, 0x28), 0) }, code: audit.CodeDirectoryEntry},
	{name: "a parent that is a file", image: "inline_data", dir: "few", edit: func(e *editor) { e.write(e.inodePlace(e.ino, 0x28), e.data[inlineEntry(e, 0):][:4]) },
		code: audit.CodeDirectoryEntry},
	{name: "an entry is too short", image: "inline_data", dir: "few", edit: func(e *editor) { e.put(inlineEntry(e, 1)+4, 8) }, code: audit.CodeDirectoryEntry},
	{name: "an entry is too long", image: "inline_data", dir: "few", edit: func(e *editor) { e.put(inlineEntry(e, 1)+4, 60) }, code: audit.CodeDirectoryEntry},
	{name: "an entry of the wrong type", image: "inline_data", dir: "few", edit: func(e *editor) { e.put(inlineEntry(e, 1)+7, 1) }, code: audit.CodeDirectoryEntry},
	{name: "a name twice", image: "inline_data", dir: "few", edit: func(e *editor) {
		e.put(inlineEntry(e, 1)+8, e.data[inlineEntry(e, 2)+8])
	}, code: audit.CodeDuplicateName, stricter: true},
	{name: "a size that is not that of the data", image: "inline_data", dir: "few", edit: func(e *editor) { e.resize(12) }, code: audit.CodeInodeSize},
	{name: "an index in an inode", image: "inline_data", dir: "few", edit: setIndex, code: audit.CodeDirectoryHash},
}
