package audit_test

// This file damages quota files.

import (
	"bytes"
	"testing"

	"boringboot/verify/internal/audit"
)

// quotaAt is where a byte of a quota file is.
func (l *layout) quotaAt(kind, off int) int {
	_, data := l.mapOf(l.quotas[kind])
	return data[off/l.block].block*l.block + off%l.block
}

// setQuota changes fields of the quota files' first, 32 bits each.
func setQuota(fields map[int]uint32) func(c *canvas) {
	return func(c *canvas) {
		for off, v := range fields {
			c.write32(c.quotaAt(0, off), v)
		}
	}
}

// The tree has blocks of 1 KiB: the header, then nodes of 256 references, one a level for small numbers, then the records of 72 bytes
// behind 16.
const (
	quotaBlock   = 1 << 10
	quotaRoot    = 1 << 10
	quotaLast    = 4 << 10 // the node that names the blocks of records
	quotaRecords = 5 << 10
	quotaFirst   = quotaRecords + 16
)

// addRecord puts a record where none is, beside another: of id 4711, and with one more field.
func addRecord(field int, v uint32) func(c *canvas) {
	return func(c *canvas) {
		block := quotaRoot
		for range 4 { // down to the records of the largest id
			node := c.data[c.quotaAt(0, block):][:quotaBlock]
			for ; len(node) > 0; node = node[4:] {
				if next := int(le.Uint32(node)); next != 0 {
					block = next * quotaBlock
				}
			}
		}
		for at := block + 16; at+72 <= block+quotaBlock; at += 72 {
			if p := c.quotaAt(0, at); bytes.Equal(c.data[p:][:72], make([]byte, 72)) {
				c.write32(p, 4711)
				c.write32(p+field, v)
				return
			}
		}
		panic("no place for a record")
	}
}

// clearNode takes all references out of a node.
func clearNode(node int) func(c *canvas) {
	return func(c *canvas) { c.write(c.quotaAt(0, node), make([]byte, quotaBlock)) }
}

func TestQuotas(t *testing.T) {
	quota := audit.CodeQuota
	cases := []systemCase{
		{"undamaged ones", nothing, "", warns},
		{"fewer bytes", setQuota(map[int]uint32{quotaFirst + 48: 4096}), quota, fails},
		{"fewer inodes", setQuota(map[int]uint32{quotaFirst + 24: 1}), quota, fails},
		{"bytes beyond 32 bits", setQuota(map[int]uint32{quotaFirst + 52: 1}), quota, fails},
		{"limits", setQuota(map[int]uint32{quotaFirst + 8: 5, quotaFirst + 16: 4, quotaFirst + 32: 3, quotaFirst + 40: 2}), "", warns},
		{"grace times", setQuota(map[int]uint32{quotaFirst + 56: 5, quotaFirst + 64: 4, 8: 7, 12: 7}), "", warns},
		{"a record of another", setQuota(map[int]uint32{quotaFirst: 4711}), quota, fails},
		{"a record more, with a limit", addRecord(8, 7), "", warns},
		{"a record more, with a use", addRecord(48, 7), quota, fails},
		{"another count of records, which nobody reads", setQuota(map[int]uint32{quotaRecords + 8: 77}), "", warns},
		{"no records", clearNode(quotaRoot), quota, fails},
		{"a reference less, to records that others name", setQuota(map[int]uint32{quotaLast: 0}), "", warns},
		{"a reference beyond the end", setQuota(map[int]uint32{quotaRoot + 400: 1 << 20}), quota, fails},
		{"a reference to records beyond the end", setQuota(map[int]uint32{quotaLast + 1000: 1 << 20}), quota, fails},
		{"a reference to the root, which holds no records", setQuota(map[int]uint32{quotaLast + 1000: 1}), "", warns},
		{"a reference to the node itself, as records", setQuota(map[int]uint32{quotaLast + 1000: 4}), quota, fails},
		{"another magic, which nobody reads", setQuota(map[int]uint32{0: 1}), quota, warns},
		{"another byte order", setQuota(map[int]uint32{0: 0x111fc0d9}), quota, fails},
		{"narrow records", setQuota(map[int]uint32{4: 0}), quota, fails},
		{"a version that is to come", setQuota(map[int]uint32{4: 2}), quota, fails},
		{"more blocks than the file has", setQuota(map[int]uint32{20: 1 << 10}), quota, fails},
		{"no blocks", setQuota(map[int]uint32{20: 0}), quota, fails},
		{"a free block beyond the end", setQuota(map[int]uint32{24: 1 << 10}), quota, fails},
		{"a block with free records beyond the end", setQuota(map[int]uint32{28: 1 << 10}), quota, fails},
		{"a file of another owner", setInode(14, map[int]uint32{0: 0x81A4 | 4711<<16}), quota, fails},
		{"no file of users", setSuper(map[int]uint32{userQuotaAt: 0}), audit.CodeReservedInode, fails},
		{"a reserved inode", setSuper(map[int]uint32{userQuotaAt: 5}), quota, fails},
		{"no such inode", setSuper(map[int]uint32{userQuotaAt: 1 << 30}), quota, fails},
		{"an empty file", setInode(3, map[int]uint32{4: 0}), quota, fails},
	}
	runSystemCases(t, recipeNamed(t, "quota"), cases)
	few := append(cases[:6:6], cases[8])
	for _, name := range []string{"quota of projects", "quota in indirect blocks", "quota and bigalloc", "ea_inode and quota"} {
		t.Run(name, func(t *testing.T) { runSystemCases(t, recipeNamed(t, name), few) })
	}
}
