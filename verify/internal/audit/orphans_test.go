package audit_test

// This file damages orphan files and lists.

import (
	"testing"

	"boringboot/verify/internal/audit"
)

// orphanBlock is a block of the orphan file.
func (l *layout) orphanBlock(n int) int {
	_, data := l.mapOf(l.orphans)
	return data[n].block
}

// setOrphan writes to the orphan file's block n, and makes its checksum right.
func setOrphan(n, off int, v uint32) func(c *canvas) {
	return func(c *canvas) {
		block := c.orphanBlock(n)
		c.write32(block*c.block+off, v)
		sealOrphans(c.orphans, block)(c)
	}
}

// spoilOrphan writes to the last bytes of the orphan file's first block, where its magic and checksum are.
func spoilOrphan(fromEnd int) func(c *canvas) {
	return func(c *canvas) { c.write32((c.orphanBlock(0)+1)*c.block-fromEnd, 0x12345678) }
}

// setOrphanInode changes fields of the orphan file's inode.
func setOrphanInode(fields map[int]uint32) func(c *canvas) {
	return func(c *canvas) { setInode(c.orphans, fields)(c) }
}

const orphanPresent = 0x10000

func TestOrphanFiles(t *testing.T) {
	file, orphan := audit.CodeOrphanFile, audit.CodeOrphan
	r := recipeNamed(t, "modern-1k")
	cases := []systemCase{
		{"an undamaged one", nothing, "", warns},
		{"an orphan", setOrphan(0, 0, 12), file, fails},
		{"an orphan in the last block", setOrphan(1, 4, 12), file, fails},
		{"an orphan that cannot be", setOrphan(0, 8, 1<<30), file, fails},
		{"an orphan, and the mark", all(setOrphan(0, 0, 12), changeSuper(roCompatAt, orphanPresent, 0)), file, fails},
		{"the mark alone", changeSuper(roCompatAt, orphanPresent, 0), file, fails},
		{"another magic", spoilOrphan(8), file, fails},
		{"a wrong checksum", spoilOrphan(4), file, fails},
		{"another inode", setSuper(map[int]uint32{orphanInumAt: 13}), file, fails},
		{"no inode", setSuper(map[int]uint32{orphanInumAt: 0}), file, fails},
		{"an inode that cannot be", setSuper(map[int]uint32{orphanInumAt: 1 << 30}), file, fails},
		{"the feature taken away", changeSuper(compatAt, 0, 0x1000), audit.CodeReservedInode, fails},
		{"the feature taken away, and the mark", all(changeSuper(compatAt, 0, 0x1000), changeSuper(roCompatAt, orphanPresent, 0)), file, fails},
		{"a size of no whole blocks", setOrphanInode(map[int]uint32{4: 1024*2 + 5}), file, fails},
		{"a block too much", setOrphanInode(map[int]uint32{4: 1 << 20}), file, fails},
		{"no journal", all(changeSuper(compatAt, 0, hasBit), setSuper(map[int]uint32{journalInumAt: 0})), file, fails},
		{"another generation", setOrphanInode(map[int]uint32{0x64: 77}), file, fails},
		{"a list that e2fsck -n does not follow", setSuper(map[int]uint32{lastOrphanAt: 12}), orphan, warns},
		{"a list that begins with a reserved inode", setSuper(map[int]uint32{lastOrphanAt: 3}), orphan, warns},
		{"a list that begins beyond the last inode", setSuper(map[int]uint32{lastOrphanAt: 1 << 30}), orphan, warns},
		{"a list in a circle", all(setSuper(map[int]uint32{lastOrphanAt: 13}), setInode(13, map[int]uint32{0x14: 14}), setInode(14, map[int]uint32{0x14: 13})), orphan, fails},
	}
	runSystemCases(t, r, cases)
	r.name, r.features = "an orphan file without checksums", with(unsummed, "orphan_file")
	runSystemCases(t, r, []systemCase{
		{"an undamaged one", nothing, "", warns},
		{"a checksum", spoilOrphan(4), file, fails},
		{"another magic", spoilOrphan(8), file, fails},
		{"an orphan", setOrphan(0, 0, 12), file, fails},
	})
	r.name, r.features = "an orphan file in indirect blocks", with(unsummed, "orphan_file", "^extent")
	runSystemCases(t, r, []systemCase{
		{"an undamaged one", nothing, "", warns},
		{"a hole", setOrphanInode(map[int]uint32{0x28: 0}), file, fails},
		{"an orphan in the last block", setOrphan(1, 0, 12), file, fails},
		{"a block too much", setOrphanInode(map[int]uint32{4: 1 << 20}), file, fails},
	})
}
