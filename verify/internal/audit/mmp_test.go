package audit_test

// This file damages blocks of the multiple mount protection.

import (
	"testing"

	"boringboot/verify/internal/audit"
)

// setMMP changes fields of the block, 32 bits each, and makes its checksum right where it has one.
func setMMP(fields map[int]uint32) func(c *canvas) {
	return func(c *canvas) {
		for off, v := range fields {
			c.write32(c.mmp*c.block+off, v)
		}
		sealMMP(c.mmp)(c)
	}
}

func TestMMP(t *testing.T) {
	mmp := audit.CodeMMP
	cases := []systemCase{
		{"an undamaged one", nothing, "", warns},
		{"another magic", setMMP(map[int]uint32{0: 1}), mmp, fails},
		{"e2fsck running", setMMP(map[int]uint32{4: 0xE24D4D50}), mmp, fails},
		{"a sequence that cannot be", setMMP(map[int]uint32{4: 0xF0000000}), mmp, fails},
		{"an interval of minutes", setMMP(map[int]uint32{0x70: 300}), mmp, warns},
		{"an interval of minutes in the superblock", setSuper(map[int]uint32{0x164: 300 << 16}), mmp, warns},
		{"a short interval", setMMP(map[int]uint32{0x70: 9}), "", warns},
		{"another time and name", setMMP(map[int]uint32{8: 7, 16: 0x41414141}), "", warns},
		{"no block", setSuper(map[int]uint32{mmpBlockAt: 0}), mmp, fails},
		{"the superblock's block", setSuper(map[int]uint32{mmpBlockAt: 1}), mmp, fails},
		{"a block beyond the end", setSuper(map[int]uint32{mmpBlockAt: 1 << 20}), mmp, fails},
		{"another block", setSuper(map[int]uint32{mmpBlockAt: 2}), mmp, fails},
		{"the feature taken away", changeSuper(incompatAt, 0, 0x100), audit.CodeBlockBitmap, fails},
	}
	r := recipeNamed(t, "mmp")
	runSystemCases(t, r, cases)
	runSystemCases(t, r, []systemCase{{"a wrong checksum", func(c *canvas) { c.write32(c.mmp*c.block+1020, 1) }, mmp, fails}})
	runSystemCases(t, recipeNamed(t, "mmp without checksums"), append(cases, systemCase{
		"a checksum that does not count", func(c *canvas) { c.write32(c.mmp*c.block+1020, 1) }, "", warns}))
}

// e2fsck waits for eleven seconds to see whether mmp_seq is counted up.
func TestAMountedFileSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("e2fsck waits for eleven seconds")
	}
	t.Parallel()
	runSystemCases(t, recipeNamed(t, "mmp"), []systemCase{{"mounted", setMMP(map[int]uint32{4: 4711}), audit.CodeMMP, warns}})
}
