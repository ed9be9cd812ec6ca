package audit_test

// This file damages extended attributes by hand: in the inode, in blocks, in inodes of their own; and inline data, which is one.

import (
	"testing"

	"boringboot/verify/internal/audit"
)

// attributesOf returns where the entries of an inode's list are, and what values are relative to. They are in its block if it has one.
func (c *canvas) attributesOf(ino int) (entries []int, base int) {
	at := c.inodeAt(ino)
	f := &finder{layout: c.layout}
	if block := int(le.Uint32(c.data[at+aclAt:])); block != 0 {
		return f.attributes(block*c.block+32, (block+1)*c.block), block * c.block
	}
	from := at + 128 + int(le.Uint16(c.data[at+extraAt:])) + 4
	return f.attributes(from, at+c.inodeSize), from
}

// inEntry changes bytes of the n-th entry of an inode's list. Hashes are made right where the change leaves them so.
func inEntry(n, off int, b ...byte) func(c *canvas, ino int) {
	return func(c *canvas, ino int) {
		entries, base := c.attributesOf(ino)
		c.write(entries[n]+off, b)
		if off != 12 {
			sealHash(entries[n], base)(c)
		}
		sealAttributesOf(c, ino)
	}
}

func sealAttributesOf(c *canvas, ino int) {
	if block := int(le.Uint32(c.data[c.inodeAt(ino)+aclAt:])); block != 0 {
		sealAttributes(block)(c)
	}
	sealInode(ino)(c)
}

// inHeader changes bytes of the header of an inode's block of attributes.
func inHeader(off int, b ...byte) func(c *canvas, ino int) {
	return func(c *canvas, ino int) {
		block := int(le.Uint32(c.data[c.inodeAt(ino)+aclAt:]))
		c.write(block*c.block+off, b)
		if off != 16 {
			sealAttributes(block)(c)
		}
	}
}

// blockOfAttributes is the object of a finding about one.
func blockOfAttributes(c *canvas, ino int) audit.Object {
	return audit.Object{Kind: audit.Block, Number: uint64(le.Uint32(c.data[c.inodeAt(ino)+aclAt:]))}
}

// share has an inode use the block of attributes of another file.
func share(c *canvas, ino, other int) {
	acl := le.Uint32(c.data[c.inodeAt(other)+aclAt:])
	blocks := le.Uint32(c.data[c.inodeAt(ino)+blocksAt:])
	both(put32(aclAt, acl), put32(blocksAt, blocks+uint32(c.block/512)))(c, ino)
}

func TestAttributesInInodes(t *testing.T) {
	runInodeCases(t, "modern-1k", []inodeCase{
		{name: "a name that is longer than the list", file: "small", damage: inEntry(0, 0, 250), code: audit.CodeXattr, sev: fails},
		{name: "a name of no kind, which e2fsck does not mind here", file: "small", damage: inEntry(0, 1, 0)},
		{name: "a value that starts in the entries", file: "small", damage: inEntry(0, 2, 0, 0), code: audit.CodeXattr, sev: fails},
		{name: "a value beyond the inode", file: "small", damage: inEntry(0, 2, 0xF0, 0), code: audit.CodeXattr, sev: fails},
		{name: "a value that is too long", file: "small", damage: inEntry(0, 8, 0xFF, 0xFF, 0xFF, 0xFF), code: audit.CodeXattr, sev: fails},
		{name: "a hash", file: "small", damage: inEntry(0, 12, 1), code: audit.CodeXattr, sev: fails},
		{name: "a value in an inode, without the feature", file: "small", damage: inEntry(0, 4, 12), code: audit.CodeXattr, sev: fails},
		{name: "another magic number: no attributes", file: "small", damage: put32(restAt, 0xEA020001)},
		{name: "no room for the end of the list", file: "small", damage: func(c *canvas, ino int) {
			// Entries of 16 bytes up to the last 12 bytes, which hold the start of another.
			entry := []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
			var list []byte
			for len(list)+16 <= 92 {
				list = append(list, entry...)
			}
			list = append(list, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
			put(restAt+4, list[:92]...)(c, ino)
		}},
	})
}

func TestAttributesInBlocks(t *testing.T) {
	runInodeCases(t, "modern-1k", []inodeCase{
		{name: "h_magic", file: "holes", damage: inHeader(0, 1), code: audit.CodeXattr, sev: fails},
		{name: "h_blocks", file: "holes", damage: inHeader(8, 2), code: audit.CodeXattr, sev: fails},
		{name: "h_hash, which e2fsck does not read", file: "holes", damage: inHeader(12, 2)},
		{name: "h_refcount too high", file: "holes", damage: inHeader(4, 2), code: audit.CodeXattrRefs, sev: fails, object: blockOfAttributes},
		{name: "h_refcount of 0", file: "holes", damage: inHeader(4, 0), code: audit.CodeXattrRefs, sev: fails, object: blockOfAttributes},
		{name: "h_checksum", file: "holes", damage: inHeader(16, 1, 2, 3, 4), code: audit.CodeXattrChecksum, sev: fails},
		{name: "a name of no kind", file: "holes", damage: inEntry(0, 1, 0), code: audit.CodeXattr, sev: fails},
		{name: "a name that takes in the entries behind it", file: "holes", damage: inEntry(0, 0, 200)},
		{name: "a value in the header", file: "holes", damage: inEntry(0, 2, 0, 0), code: audit.CodeXattr, sev: fails},
		{name: "a value beyond the block", file: "holes", damage: inEntry(0, 2, 0xFF, 0xFF), code: audit.CodeXattr, sev: fails},
		{name: "a value where another is", file: "holes", damage: func(c *canvas, ino int) {
			entries, _ := c.attributesOf(ino)
			inEntry(1, 2, c.data[entries[0]+2], c.data[entries[0]+3])(c, ino)
		}, code: audit.CodeXattr, sev: fails},
		{name: "a hash", file: "holes", damage: inEntry(0, 12, 1, 1, 1, 1), code: audit.CodeXattr, sev: fails},
		{name: "a block in the inode table", file: "holes", damage: func(c *canvas, ino int) { put32(aclAt, uint32(c.place(0, 8)))(c, ino) },
			code: audit.CodeXattr, sev: fails},
		{name: "a block that a file has, too", file: "medium", damage: func(c *canvas, ino int) {
			block := le.Uint32(c.data[c.inodeAt(12)+aclAt:])
			for i := 12; block == 0; i++ {
				block = le.Uint32(c.data[c.inodeAt(i)+aclAt:])
			}
			put32(iblockAt+entryAt(0)+8, block)(c, ino)
		}, code: audit.CodeClaimedTwice, sev: fails},
	})
}

func TestSharedBlocksOfAttributes(t *testing.T) {
	s := newSubject(t, recipeNamed(t, "modern-1k")).toFile(t)
	holes, medium := int(inodeAt(t, s.path, "holes")), int(inodeAt(t, s.path, "medium"))
	block := blockOfAttributes(&s.canvas, holes)
	runInodeCases(t, "modern-1k", []inodeCase{
		{name: "by two, as it says", file: "holes", damage: func(c *canvas, ino int) {
			share(c, medium, holes)
			inHeader(4, 2)(c, ino)
		}},
		{name: "by two, and it says one", file: "holes", damage: func(c *canvas, ino int) { share(c, medium, holes) },
			code: audit.CodeXattrRefs, sev: fails, object: func(*canvas, int) audit.Object { return block }},
		{name: "damaged, of two: the first is named", file: "holes", damage: func(c *canvas, ino int) {
			share(c, medium, holes)
			both(inHeader(4, 2), inEntry(0, 1, 0))(c, ino)
		}, code: audit.CodeXattr, sev: fails, object: func(*canvas, int) audit.Object {
			return audit.Object{Kind: audit.Inode, Number: uint64(min(holes, medium))}
		}},
	})
}

// valueInode returns the inode that holds the value of an attribute of an inode.
func (c *canvas) valueInode(ino int) (value, entry int) {
	entries, _ := c.attributesOf(ino)
	for i, e := range entries {
		if v := int(le.Uint32(c.data[e+4:])); v != 0 {
			return v, i
		}
	}
	panic("no value in an inode")
}

func TestAttributesWithTheirValueInAnInode(t *testing.T) {
	ofValue := func(edit func(c *canvas, value int)) func(c *canvas, ino int) {
		return func(c *canvas, ino int) {
			value, _ := c.valueInode(ino)
			edit(c, value)
		}
	}
	value := func(c *canvas, ino int) audit.Object {
		v, _ := c.valueInode(ino)
		return audit.Object{Kind: audit.Inode, Number: uint64(v)}
	}
	runInodeCases(t, "ea_inode", []inodeCase{
		{name: "nothing", file: "large", damage: func(*canvas, int) {}},
		{name: "not marked as a value", file: "large", damage: ofValue(flag(0, 0x200000)), code: audit.CodeXattr, sev: fails},
		{name: "another hash of the value", file: "large", damage: ofValue(put32(atimeAt, 1)), code: audit.CodeXattr, sev: fails},
		{name: "more references than there are", file: "large", damage: ofValue(put32(versionAt, 9)), code: audit.CodeXattrRefs, sev: fails, object: value},
		{name: "references in the upper half", file: "large", damage: ofValue(put32(ctimeAt, 9)), code: audit.CodeXattrRefs, sev: fails, object: value},
		{name: "links", file: "large", damage: ofValue(put16(0x1A, 2)), code: audit.CodeLinkCount, sev: fails, object: value},
		{name: "i_faddr, which nobody looks at", file: "large", damage: ofValue(put32(faddrAt, 3))},
		{name: "a value in an inode that is reserved", file: "large", damage: func(c *canvas, ino int) {
			_, i := c.valueInode(ino)
			inEntry(i, 4, 5, 0, 0, 0)(c, ino)
		}, code: audit.CodeXattr, sev: fails},
		{name: "a value in an inode that there is not", file: "large", damage: func(c *canvas, ino int) {
			_, i := c.valueInode(ino)
			inEntry(i, 4, 0, 0, 0xFF, 0)(c, ino)
		}, code: audit.CodeXattr, sev: fails},
		{name: "a reference that is gone", file: "large", damage: func(c *canvas, ino int) {
			entries, _ := c.attributesOf(ino)
			c.write32(entries[0], 0)
			sealAttributesOf(c, ino)
		}, code: audit.CodeUnconnected, sev: fails, object: value},
	})
}

func TestInlineData(t *testing.T) {
	for _, image := range []string{"inline_data", "inline_data in inodes of 512 bytes"} {
		t.Run(image, func(t *testing.T) {
			runInodeCases(t, image, []inodeCase{
				{name: "nothing", file: "small", damage: func(*canvas, int) {}},
				{name: "no attribute", file: "tiny", damage: zero(restAt, 4), code: audit.CodeInlineData, sev: fails},
				{name: "an attribute of another name", file: "tiny", damage: inEntry(0, 16, 'x'), code: audit.CodeInlineData, sev: fails},
				{name: "an attribute of another kind", file: "tiny", damage: inEntry(0, 1, 1), code: audit.CodeInlineData, sev: fails},
				{name: "extents, too", file: "tiny", damage: flag(0x80000, 0), code: audit.CodeInodeFlags, sev: fails},
				{name: "a file that is longer than its data, which e2fsck does not mind", file: "tiny", damage: put32(sizeAt, 100000)},
				{name: "a directory of another size", file: "empty-dir", damage: put32(sizeAt, 64), code: audit.CodeInodeSize, sev: fails},
				{name: "blocks besides", file: "tiny", damage: put32(blocksAt, 2), code: audit.CodeInodeBlocks, sev: fails},
				{name: "data that looks like a tree of extents", file: "tiny", damage: put(iblockAt, 0x0A, 0xF3, 0, 0, 4, 0, 0, 0),
					code: audit.CodeInodeFlags, sev: fails},
				{name: "not marked", file: "tiny", damage: flag(0, 0x10000000), code: audit.CodeMap, sev: fails},
			})
		})
	}
}
