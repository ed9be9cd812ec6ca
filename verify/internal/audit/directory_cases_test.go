package audit_test

// This file is what is done to directories, case by case.

import (
	"strings"

	"boringboot/verify/internal/audit"
)

// nameOf is the n-th entry of "hashed", and of "linear".
func hashedName(n string) string { return "a-name-that-takes-some-room-" + n }
func linearName(n string) string { return strings.Repeat("l", 60) + "-" + n }

// setIno has an entry name another inode.
func setIno(name string, ino func(e *editor) int) func(e *editor) {
	return func(e *editor) { e.write32(e.entry(name), uint32(ino(e))) }
}

func number(n int) func(*editor) int { return func(*editor) int { return n } }

func setByte(name string, at int, b byte) func(e *editor) {
	return func(e *editor) { e.put(e.entry(name)+at, b) }
}

var entryCases = []dirCase{
	{name: "nothing is done", image: "modern", dir: "linear", edit: func(*editor) {}},
	{name: "an entry is 8 bytes long", image: "modern", dir: "small-dir", edit: setByte("2", 4, 8), code: audit.CodeDirectoryEntry},
	{name: "an entry's length is no multiple of 4", image: "modern", dir: "small-dir", edit: setByte("2", 4, 13), code: audit.CodeDirectoryEntry},
	{name: "an entry's length is 0", image: "modern", dir: "small-dir", edit: setByte("2", 4, 0), code: audit.CodeDirectoryEntry},
	{name: "an entry crosses the end of the block", image: "modern", dir: "small-dir", edit: setByte("2", 5, 4), code: audit.CodeDirectoryEntry},
	{name: "an entry covers the checksum", image: "modern", dir: "small-dir", edit: func(e *editor) {
		at := e.entry("4")
		e.write16(at+4, le.Uint16(e.data[at+4:])+12)
	}, code: audit.CodeDirectoryChecksum},
	{name: "an entry is shorter than its name", image: "modern", dir: "small-dir", edit: setByte("2", 6, 5), code: audit.CodeDirectoryEntry},
	{name: "an entry swallows the next", image: "unsummed", dir: "small-dir", edit: func(e *editor) {
		at := e.entry("2")
		e.about = int(le.Uint32(e.data[at+int(le.Uint16(e.data[at+4:])):]))
		e.write16(at+4, le.Uint16(e.data[at+4:])+12)
	}, code: audit.CodeUnconnected},
	{name: "an entry of 64 KiB that there is no room for", image: "64k", dir: "small-dir", edit: func(e *editor) { e.write16(e.entry("2")+4, 0xFFFF) },
		code: audit.CodeDirectoryEntry},
	{name: "an entry's length has the bits of 64 KiB", image: "64k", dir: "small-dir", edit: setByte("2", 4, 13), code: audit.CodeDirectoryEntry},

	{name: "an inode that there is not", image: "modern", dir: "small-dir", edit: setIno("2", number(1<<30)), code: audit.CodeDirectoryEntry},
	{name: "a reserved inode", image: "modern", dir: "small-dir", edit: setIno("2", number(6)), code: audit.CodeDirectoryEntry},
	{name: "the journal", image: "modern", dir: "small-dir", edit: setIno("2", number(8)), code: audit.CodeDirectoryEntry},
	{name: "the orphan file", image: "modern", dir: "small-dir", edit: setIno("2", func(e *editor) int { return e.orphans }), code: audit.CodeDirectoryEntry},
	{name: "the root", image: "modern", dir: "small-dir", edit: setIno("2", number(2)), code: audit.CodeDirectoryEntry},
	{name: "the directory itself", image: "modern", dir: "small-dir", edit: setIno("2", func(e *editor) int { return e.ino }), code: audit.CodeDirectoryEntry},
	{name: "the root in the root", image: "modern", dir: "/", edit: setIno("small", number(2)), code: audit.CodeDirectoryEntry},
	{name: "an inode that is free", image: "unsummed", dir: "small-dir", edit: setIno("2", func(e *editor) int { return e.freeInode(false) }),
		code: audit.CodeDirectoryEntry},
	{name: "an inode of the unused part of a table", image: "modern", dir: "small-dir", edit: setIno("2", func(e *editor) int { return e.freeInode(true) }),
		code: audit.CodeDirectoryEntry},
	{name: "no inode", image: "modern", dir: "small-dir", edit: func(e *editor) {
		e.about = int(le.Uint32(e.data[e.entry("2"):]))
		e.write32(e.entry("2"), 0)
	}, code: audit.CodeUnconnected},

	{name: "another type", image: "modern", dir: "small-dir", edit: setByte("2", 7, 2), code: audit.CodeDirectoryEntry},
	{name: "a type that there is not", image: "modern", dir: "small-dir", edit: setByte("2", 7, 9), code: audit.CodeDirectoryEntry},
	{name: "no type", image: "modern", dir: "small-dir", edit: setByte("2", 7, 0), code: audit.CodeDirectoryEntry, warning: true},
	{name: "no type of a directory", image: "modern", dir: "subdirs", edit: setByte(strings.Repeat("d", 60)+"-3", 7, 0), code: audit.CodeDirectoryEntry, warning: true},
	{name: "a type where there are none", image: "no types", dir: "small-dir", edit: setByte("2", 7, 1), code: audit.CodeDirectoryEntry},
	{name: `no type of ".."`, image: "modern", dir: "small-dir", edit: setByte("..", 7, 0), code: audit.CodeDirectoryEntry, warning: true},

	{name: `"." is another directory`, image: "modern", dir: "small-dir", edit: setIno(".", number(2)), code: audit.CodeDirectoryEntry},
	{name: `"." is not there`, image: "modern", dir: "small-dir", edit: func(e *editor) { e.write32(e.place(0, 0), 0) }, code: audit.CodeDirectoryEntry},
	{name: `"." has another name`, image: "modern", dir: "small-dir", edit: setByte(".", 8, ','), code: audit.CodeDirectoryEntry},
	{name: `"." does not end in zero`, image: "modern", dir: "small-dir", edit: setByte(".", 9, 1), code: audit.CodeDirectoryEntry},
	{name: `"." takes the room of the first entries`, image: "unsummed", dir: "small-dir", edit: func(e *editor) {
		e.write16(e.place(0, 4), 36) // "." and ".." and "0"
		// What comes second is none of what it should be, so the verdict is the same for another reason.
	}, code: audit.CodeDirectoryEntry},
	{name: `".." is not there`, image: "modern", dir: "small-dir", edit: func(e *editor) { e.write32(e.place(0, 12), 0) }, code: audit.CodeDirectoryEntry},
	{name: `".." has another name`, image: "modern", dir: "small-dir", edit: func(e *editor) { e.put(e.place(0, 12+8), 'x') }, code: audit.CodeDirectoryEntry},
	{name: `".." does not end in zero`, image: "modern", dir: "small-dir", edit: func(e *editor) { e.put(e.place(0, 12+10), 'x') }, code: audit.CodeDirectoryEntry},
	{name: `".." is an inode that there is not`, image: "modern", dir: "small-dir", edit: func(e *editor) { e.write32(e.place(0, 12), 1<<31) },
		code: audit.CodeDirectoryEntry},
	{name: `another "."`, image: "modern", dir: "small-dir", edit: setByte("2", 8, '.'), code: audit.CodeDirectoryEntry},
	{name: `another ".." in a second block`, image: "linear", dir: "linear", edit: func(e *editor) {
		at := e.list(1)[1]
		e.put(at+6, 2)
		e.rename(at, "..")
	}, code: audit.CodeDirectoryEntry},
	{name: "dots before another entry", image: "modern", dir: "small-dir", edit: func(e *editor) { e.swap(e.place(0, 0), e.place(0, 12), 12) },
		code: audit.CodeDirectoryEntry},

	{name: "the checksum of a leaf is wrong", image: "modern", dir: "small-dir", stale: true, edit: func(e *editor) {
		at := e.place(0, e.block-1)
		e.put(at, ^e.data[at])
	}, code: audit.CodeDirectoryChecksum},
	{name: "the checksum is that of another inode", image: "modern", dir: "small-dir", stale: true, edit: func(e *editor) {
		sealLeaf(e.ino+1, e.blocks[0])(&e.canvas)
	}, code: audit.CodeDirectoryChecksum},
	{name: "the false entry of the checksum is a real one", image: "modern", dir: "small-dir", edit: func(e *editor) { e.write32(e.place(0, e.block-12), 12) },
		code: audit.CodeDirectoryChecksum},
	{name: "a leaf has no place for a checksum", image: "modern", dir: "small-dir", stale: true, edit: func(e *editor) {
		at := e.entry("4")
		e.write16(at+4, le.Uint16(e.data[at+4:])+12)
		e.write(e.place(0, e.block-12), make([]byte, 12))
	}, code: audit.CodeDirectoryChecksum},
	{name: "the checksum of the root of a tree is wrong", image: "modern", dir: "hashed", stale: true, edit: func(e *editor) {
		at := e.place(0, e.block-1)
		e.put(at, ^e.data[at])
	}, code: audit.CodeDirectoryChecksum},
	{name: "the checksum of a node is wrong", image: "modern", dir: "two-levels", stale: true, edit: func(e *editor) {
		at := e.place(e.leaves()[1], e.block-1)
		e.put(at, ^e.data[at])
	}, code: audit.CodeDirectoryChecksum},

	{name: "the size is a block less", image: "linear", dir: "linear", edit: func(e *editor) { e.resize(-e.block) }, code: audit.CodeInodeSize},
	{name: "the size is a block more", image: "linear", dir: "linear", edit: func(e *editor) { e.resize(e.block) }, code: audit.CodeInodeSize},
	{name: "the size ends within a block", image: "linear", dir: "linear", edit: func(e *editor) { e.resize(4) }, code: audit.CodeInodeSize},
	{name: "a hole between extents", image: "linear", dir: "linear", edit: func(e *editor) {
		// One extent, that is made to begin with the second block.
		e.write32(e.inodePlace(e.ino, 0x28+12), 1)
		e.resize(e.block)
	}, code: audit.CodeMap},
	{name: "a hole between indirect blocks", image: "indirect", dir: "linear", edit: func(e *editor) { e.punch(1) }, code: audit.CodeDirectory},
	{name: "a hole in a directory that may have some", image: "large_dir", dir: "linear", edit: func(e *editor) {
		e.about = int(le.Uint32(e.data[e.list(1)[0]:]))
		e.punch(1)
	}, code: audit.CodeUnconnected},
	{name: "the first block of such a directory is a hole", image: "large_dir", dir: "linear", edit: func(e *editor) { e.punch(0) }, code: audit.CodeDirectory},
	{name: "no block", image: "indirect", dir: "small-dir", edit: func(e *editor) { e.punch(0) }, code: audit.CodeInodeSize},
	{name: "blocks that are marked as not written", image: "linear", dir: "linear", edit: func(e *editor) {
		at := e.inodePlace(e.ino, 0x28+12+4)
		e.write16(at, le.Uint16(e.data[at:])+32768)
	}, code: audit.CodeMap},
	{name: "a block that is too far away", image: "linear", dir: "linear", edit: func(e *editor) { e.write32(e.inodePlace(e.ino, 0x28+12), 1<<21-1) },
		code: audit.CodeMap},
}

var nameCases = []dirCase{
	{name: "a name with a slash", image: "modern", dir: "small-dir", edit: setByte("2", 8, '/'), code: audit.CodeDirectoryEntry},
	{name: "a name with a zero byte", image: "modern", dir: "small-dir", edit: setByte("2", 8, 0), code: audit.CodeDirectoryEntry},
	{name: "an empty name", image: "modern", dir: "small-dir", edit: setByte("2", 6, 0), code: audit.CodeDirectoryEntry},
	{name: "any other byte is a name", image: "modern", dir: "small-dir", edit: setByte("2", 8, 0xFF), code: ""},
	{name: "a name twice in a block", image: "modern", dir: "small-dir", edit: setByte("2", 8, '3'), code: audit.CodeDuplicateName},
	{name: "a name twice in a block, as links of one inode", image: "modern", dir: "/", edit: func(e *editor) {
		at := e.entry("third-name")
		e.write(at+6, append([]byte{12, 1}, "another-name"...))
	}, code: audit.CodeDuplicateName},
	{name: "a name twice in one of several blocks", image: "linear", dir: "linear", edit: func(e *editor) {
		list := e.list(1)
		e.write(list[2]+6, e.data[list[3]+6:][:2+60+3])
	}, code: audit.CodeDuplicateName},
	{name: "a name twice in several blocks", image: "linear", dir: "linear", edit: func(e *editor) {
		e.write(e.list(2)[2]+6, e.data[e.list(1)[2]+6:][:2+60+3])
	}, code: audit.CodeDuplicateName, stricter: true},
	{name: "a name twice in a hash tree", image: "modern", dir: "hashed", edit: func(e *editor) {
		list := e.list(e.leaves()[1])
		e.rename(list[2], e.name(list[1]))
	}, code: audit.CodeDuplicateName},
	{name: "names that differ in case only", image: "modern", dir: "/", edit: func(e *editor) {
		e.write(e.entry("large")+8, []byte("SMALL"))
	}, code: ""},
	{name: "equal names but for case, in a directory that folds cases", image: "folds", dir: "folded", edit: func(e *editor) {
		e.recase("Tokyo")
	}, code: ""},
	{name: "equal names but for case, in a directory that folds cases strictly", image: "folds strictly", dir: "folded", edit: func(e *editor) {
		e.recase("Tokyo")
	}, code: audit.CodeDuplicateName},
	{name: "what is not text", image: "folds", dir: "/", edit: setByte("small", 8, 0xFF), code: ""},
	{name: "what is not text, in a directory that folds cases strictly", image: "folds strictly", dir: "folded", edit: func(e *editor) {
		e.put(e.list(e.leaves()[1])[1]+8, 0xFF)
	}, code: audit.CodeDirectoryEntry},
	{name: "nothing is done", image: "folds", dir: "folded", edit: func(*editor) {}},
	{name: "nothing is done", image: "folds strictly", dir: "folded", edit: func(*editor) {}},

	{name: "a directory by a second name", image: "modern", dir: "/", edit: func(e *editor) {
		other := le.Uint32(e.data[e.entry("empty-dir"):])
		at := e.entry("empty")
		e.write32(at, other)
		e.put(at+7, 2)
	}, code: audit.CodeDirectoryEntry},
	{name: "a directory below itself", image: "modern", dir: "a/deep/way", edit: func(e *editor) {
		top := edit(e.tb, e.subject, "a").ino
		e.write32(e.entry("down"), uint32(top))
	}, code: audit.CodeDirectoryEntry},
}

// recase makes two names of a block that begin so equal but for the last letter's case.
func (e *editor) recase(begin string) {
	for i := range e.blocks {
		if _, ok := e.index[i]; ok {
			continue
		}
		var found []int
		for _, at := range e.list(i) {
			if strings.HasPrefix(e.name(at), begin) {
				found = append(found, at)
			}
		}
		if len(found) >= 2 {
			name := e.name(found[0])
			e.rename(found[1], strings.ToLower(name))
			// Where its folded name is, another of the same fold may be.
			return
		}
	}
	e.tb.Fatal("no block has two such names")
}

// resize adds to a directory's size.
func (e *editor) resize(n int) {
	at := e.inodePlace(e.ino, 4)
	e.write32(at, le.Uint32(e.data[at:])+uint32(n))
}

// punch takes a direct block out of a directory's map; i_blocks, too.
func (e *editor) punch(n int) {
	e.write32(e.inodePlace(e.ino, 0x28+4*n), 0)
	at := e.inodePlace(e.ino, 0x1C)
	e.write32(at, le.Uint32(e.data[at:])-uint32(e.block/512))
}
