package audit_test

// This file has blocks of every kind on the list of bad ones.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/verify/internal/audit"
)

// withBadBlocks has e2fsck put some blocks on the list.
func withBadBlocks(t *testing.T, r recipe, n int) recipe {
	t.Helper()
	var list strings.Builder
	for i := range n {
		fmt.Fprintln(&list, 7400+2*i)
	}
	path := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(path, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	r.name = fmt.Sprintf("%s with %d bad blocks", r.name, n)
	r.then = append(r.then, []string{"e2fsck", "-fy", "-l", path, "@"})
	return r
}

// addBad puts one more block on the list of eight.
func addBad(block func(c *canvas) int) func(c *canvas) {
	return func(c *canvas) { setInode(1, map[int]uint32{0x28 + 4*8: uint32(block(c))})(c) }
}

// addBadNumber is addBad for a block whose number is plain.
func addBadNumber(n int) func(c *canvas) { return addBad(func(*canvas) int { return n }) }

func TestBadBlocks(t *testing.T) {
	bad := audit.CodeBadBlocksInode
	for _, base := range []string{"descriptor checksums", "debian-1k"} {
		r := recipeNamed(t, base)
		r.perGroup, r.stale = 2048, false
		runSystemCases(t, withBadBlocks(t, r, 8), []systemCase{
			{"free blocks", nothing, "", warns},
			{"a block twice", addBadNumber(7400), bad, warns},
			{"beyond the end", addBadNumber(1 << 30), bad, fails},
			{"the boot sector", addBadNumber(0), "", warns}, // which is none
			{"the superblock", addBadNumber(1), bad, fails},
			{"descriptors", addBadNumber(2), bad, fails},
			{"blocks reserved for descriptors", addBad(func(c *canvas) int { return c.reserved() + 1 }), bad, warns},
			{"a copy of the superblock", addBadNumber(2049), bad, warns},
			{"copies of descriptors", addBadNumber(2050), bad, warns},
			{"a block bitmap", addBad(func(c *canvas) int { return c.place(1, 0) }), bad, fails},
			{"an inode bitmap", addBad(func(c *canvas) int { return c.place(1, 4) }), bad, fails},
			{"inodes in use", addBad(func(c *canvas) int { return c.place(0, 8) + 1 }), bad, fails},
			{"its own inode", addBad(func(c *canvas) int { return c.place(0, 8) }), bad, fails},
			{"a file's block", addBad(func(c *canvas) int {
				_, data := c.mapOf(8)
				return data[3].block
			}), audit.CodeClaimedTwice, fails},
			{"an owner", setInode(1, map[int]uint32{0: 5 << 16}), bad, fails},
			{"links", setLinks(1, 1), bad, fails},
			{"an indirect block that is the superblock's", setInode(1, map[int]uint32{0x28 + 4*12: 1}), bad, fails},
			{"an indirect block beyond the end", setInode(1, map[int]uint32{0x28 + 4*12: 1 << 30}), bad, fails},
			{"an indirect block that is bad", setInode(1, map[int]uint32{0x28 + 4*12: 7400}), bad, fails},
			{"data in the inode", setInode(1, map[int]uint32{0x20: 0x10000000}), bad, fails},
		})
		runSystemCases(t, withBadBlocks(t, r, 300), []systemCase{
			{"a list of its own blocks", nothing, "", warns},
			{"its indirect block", addBad(func(c *canvas) int { return int(le.Uint32(c.data[c.inodeAt(1)+0x28+4*12:])) }), bad, fails},
		})
	}
}
