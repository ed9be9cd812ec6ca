package audit_test

// This file finds every field of every structure in an image.

import (
	"fmt"
	"slices"
)

// target is a field in an image that can be damaged.
type target struct {
	structure, field string
	at, width        int
	bigEndian        bool
	seals            []seal
}

// finder collects targets.
type finder struct {
	*layout
	list []target
}

func (f *finder) add(structure string, at int, fields []field, seals ...seal) {
	for _, x := range fields {
		f.list = append(f.list, target{structure, x.name, at + x.at, x.width, false, seals})
	}
}

// whole adds a block as one field: overwritten, or in another's place.
func (f *finder) whole(what string, block int, seals ...seal) {
	f.add("a whole block: "+what, block*f.block, []field{{"all of it", 0, f.block}}, seals...)
}

// some are the first, the last and a few between.
func some[T any](list []T) []T {
	if len(list) <= 5 {
		return list
	}
	n := len(list)
	return []T{list[0], list[1], list[n/3], list[n*2/3], list[n-1]}
}

// targets are what the image has.
func (l *layout) targets() []target {
	f := &finder{layout: l}
	f.add("superblock", superAt, superFields, sealSuper(superAt))
	for g := 1; g < l.groups; g++ {
		if l.hasSuper(g) {
			at := (l.first + g*l.perGroup) * l.block
			if at+1024 <= len(l.data) {
				f.add("backup superblock", at, superFields, sealSuper(at))
			}
		}
	}
	for g := range l.groups {
		f.group(g)
	}
	for ino := 1; ino < l.firstIno; ino++ {
		f.inode(ino)
	}
	for _, ino := range l.inodes() {
		if ino >= l.firstIno {
			f.inode(ino)
		}
	}
	if l.mmp != 0 {
		f.add("mmp", l.mmp*l.block, mmpFields, sealMMP(l.mmp))
	}
	return f.list
}

func (f *finder) group(g int) {
	d := f.descriptor(g)
	f.add("descriptor", d, slices.DeleteFunc(slices.Clone(descriptorFields), func(x field) bool { return x.at+x.width > f.descSize }), sealDescriptor(g))
	// The copies of the descriptors are found by their place beside a copy of the superblock.
	if g > 0 && f.hasSuper(g) && g/(f.block/f.descSize) < f.firstMeta {
		copyAt := (f.first+g*f.perGroup)*f.block + f.block
		if copyAt+f.descSize <= len(f.data) {
			f.add("backup descriptor", copyAt, descriptorFields[:8])
		}
	}
	for i, name := range []string{"block bitmap", "inode bitmap"} {
		at := 4 * i
		seals, bits, unused := []seal{sealBitmap(g, 0x18+at/2)}, f.perGroup/f.ratio, uint16(2)
		if at == 4 {
			bits, unused = f.inodesPerGroup, 1
		}
		if (f.summed || f.gdtSummed) && f.descFlags(g)&unused != 0 { // nobody reads it
			name, seals = name+" that is not initialised", nil
		}
		block := f.place(g, at)
		f.whole(name, block, seals...)
		var bytes []int
		for i := 0; i < bits/8; i += max(1, bits/8/7) {
			bytes = append(bytes, i)
		}
		bytes = append(bytes, bits/8-1)
		for _, i := range bytes {
			f.add(name, block*f.block+i, []field{{"bits", 0, 1}}, seals...)
		}
		if bits/8 < f.block {
			f.add(name, block*f.block+bits/8, []field{{"padding", 0, 1}, {"padding", f.block - bits/8 - 1, 1}}, seals...)
		}
	}
	f.whole("descriptors", d/f.block)
	for _, i := range []int{0, 1, f.inodesPerGroup * f.inodeSize / f.block / 2} {
		f.whole("inode table", f.place(g, 8)+i)
	}
	// The first inode that is free.
	if !(f.summed || f.gdtSummed) || f.descFlags(g)&1 == 0 {
		bitmap := f.at(f.place(g, 4))
		for n := range f.inodesPerGroup {
			if bitmap[n/8]>>(n%8)&1 == 0 {
				ino := g*f.inodesPerGroup + n + 1
				if at := f.inodeAt(ino); ino >= f.firstIno {
					f.add("free inode", at, inodeFields, sealInode(ino))
				}
				break
			}
		}
	}
}

var modeNames = map[uint16]string{1: "fifo", 2: "char", 4: "directory", 6: "block", 8: "file", 10: "symlink", 12: "socket"}

// kindOf names an inode's kind: by its number where it has a use, by its type where it has none.
func (f *finder) kindOf(ino int) string {
	mode := le.Uint16(f.data[f.inodeAt(ino):])
	switch {
	case ino == f.journal:
		return "journal"
	case ino == f.orphans:
		return "orphan file"
	case slices.Contains(f.quotas, ino):
		return "quota"
	case ino == 2:
		return "root"
	case ino == 7:
		return "resize"
	case ino < f.firstIno:
		return "reserved"
	case le.Uint32(f.data[f.inodeAt(ino)+0x20:])&0x200000 != 0:
		return "value"
	}
	return modeNames[mode>>12]
}

func (f *finder) inode(ino int) {
	kind, at := f.kindOf(ino), f.inodeAt(ino)
	flags, mode := le.Uint32(f.data[at+0x20:]), le.Uint16(f.data[at:])
	sealed := sealInode(ino)
	f.add("inode: "+kind, at, inodeFields, sealed)
	large := f.inodeSize > 128
	if large {
		f.add("inode: "+kind, at, largeInodeFields, sealed)
	}
	if mode == 0 {
		return
	}
	nodes, data := f.mapOf(ino)
	switch {
	case flags&0x10000000 != 0:
		f.inline(ino, at, mode, sealed)
	case flags&0x80000 != 0:
		f.extents("extents in the inode", ino, at+0x28, 60, sealed)
		for _, n := range some(nodes) {
			f.whole("extents", n.block, sealExtents(ino, n.block))
			f.extents("extents in a block", ino, n.block*f.block, f.block, sealExtents(ino, n.block))
		}
	case len(data) > 0:
		for i := range 15 {
			f.add("block pointers in the inode", at, []field{{fmt.Sprintf("i_block_%d", i), 0x28 + 4*i, 4}}, sealed)
		}
		for _, n := range some(nodes) {
			f.whole("pointers", n.block)
			per := f.block / 4
			for _, i := range []int{0, 1, 2, per / 2, per - 1} {
				f.add(fmt.Sprintf("block pointers at level %d", n.level), n.block*f.block+4*i, []field{{"pointer", 0, 4}})
			}
		}
	case mode>>12 == 0xA:
		f.add("symlink: fast", at+0x28, []field{{"target", 0, 1}, {"target", 10, 1}, {"target end", int(le.Uint32(f.data[at+4:])), 1}}, sealed)
	}
	if large {
		f.inodeAttributes(ino, at, sealed)
	}
	if acl := int(le.Uint32(f.data[at+0x68:])); acl != 0 {
		f.attributeBlock(acl)
	}
	f.contents(ino, kind, data)
}

func (f *finder) extents(structure string, ino, at, size int, sealed seal) {
	f.add(structure+": header", at, extentHeaderFields, sealed)
	n, depth := int(le.Uint16(f.data[at+2:])), le.Uint16(f.data[at+6:])
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	for _, i := range some(numbers) {
		if depth == 0 {
			f.add(structure+": extent", at+12+12*i, extentFields, sealed)
		} else {
			f.add(structure+": index", at+12+12*i, extentIndexFields, sealed)
		}
	}
	if n*12+24 <= size {
		f.add(structure+": free entry", at+12+12*n, extentFields, sealed)
	}
	if size > 60 {
		f.add(structure+": tail", at+12+12*int(le.Uint16(f.data[at+4:])), extentTailFields, sealed)
	}
}

// contents are what e2fsck reads of an inode's data.
func (f *finder) contents(ino int, kind string, data []fileBlock) {
	if len(data) == 0 {
		return
	}
	first := data[0].block
	switch kind {
	case "directory", "root":
		index := f.indexBlocks(ino)
		for _, b := range some(data) {
			if from, ok := index[b.logical]; ok {
				f.whole("directory index", b.block, sealIndex(ino, b.block, from))
				f.index(ino, b.block, from)
			} else {
				f.whole("directory", b.block, sealLeaf(ino, b.block))
				f.leaf(ino, b.block)
			}
		}
		for logical, from := range index {
			if logical != 0 {
				i := slices.IndexFunc(data, func(b fileBlock) bool { return b.logical == logical })
				f.index(ino, data[i].block, from)
			}
		}
	case "journal":
		f.whole("journal", first)
		f.add("journal", first*f.block, journalFields, sealJournal(first))
		for i := len(f.list) - len(journalFields); i < len(f.list); i++ {
			f.list[i].bigEndian = true
		}
	case "orphan file":
		for _, b := range some(data) {
			at := b.block * f.block
			f.whole("orphan file", b.block)
			f.add("orphan file", at, []field{{"entry", 0, 4}, {"entry", 4, 4}, {"entry", f.block - 12, 4}}, sealOrphans(ino, b.block))
			f.add("orphan file", at+f.block-8, orphanTailFields, sealOrphans(ino, b.block))
		}
	case "quota":
		f.quota(data)
	case "symlink":
		size := int(le.Uint32(f.data[f.inodeAt(ino)+4:]))
		f.add("symlink: slow", first*f.block, []field{{"target", 0, 1}, {"target", size / 2, 1}, {"target end", size, 1}})
	}
}

func (f *finder) leaf(ino, block int) {
	at, end := block*f.block, f.block
	sealed := sealLeaf(ino, block)
	if f.summed {
		end -= 12
		f.add("directory leaf: tail", at+end, leafTailFields, sealed)
	}
	for _, e := range some(entriesOf(f.at(block), 0, end)) {
		f.add("directory leaf: entry", at+e, entryFields, sealed)
		name := int(f.data[at+e+6])
		f.add("directory leaf: entry", at+e+8, []field{{"last of name", max(0, name-1), 1}}, sealed)
	}
}

func (f *finder) index(ino, block, from int) {
	at, sealed := block*f.block, sealIndex(ino, block, from)
	level := "index root"
	if from == 0x20 {
		f.add("directory index root", at, indexRootFields, sealed)
	} else {
		level = "index node"
		f.add("directory index node", at, indexNodeFields, sealed)
	}
	f.add("directory "+level+": first", at+from, indexCountFields, sealed)
	limit, count := int(le.Uint16(f.data[at+from:])), int(le.Uint16(f.data[at+from+2:]))
	for i := 1; i < count; i += max(1, count/5) {
		f.add("directory "+level+": entry", at+from+8*i, indexEntryFields, sealed)
	}
	if f.summed {
		f.add("directory "+level+": tail", at+from+8*limit, indexTailFields, sealed)
	}
}
