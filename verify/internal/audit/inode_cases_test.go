package audit_test

// This file does damage to one inode, each by hand, and has e2fsck judge it, too. Checksums are made right, so that it is the damage
// itself that has to be found.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"boringboot/verify/internal/audit"
)

// inodeCase is one damage of the inode of a file of an image.
type inodeCase struct {
	name     string
	file     string // by its path, or "<number>"
	damage   func(c *canvas, ino int)
	code     audit.Code // "": none
	sev      audit.Severity
	object   func(c *canvas, ino int) audit.Object // nil: the inode
	stricter bool                                  // than e2fsck, which does not mind
}

// runInodeCases does the damages to copies of an image, one at a time. Verdicts have to agree with e2fsck's, and a finding has to name
// the inode.
func runInodeCases(t *testing.T, image string, cases []inodeCase) {
	t.Helper()
	s := newSubject(t, recipeNamed(t, image)).toFile(t)
	numbers := map[string]int{}
	for _, x := range cases {
		if _, ok := numbers[x.file]; ok {
			continue
		}
		var ino int
		if _, err := fmt.Sscanf(x.file, "<%d>", &ino); err != nil {
			ino = int(inodeAt(t, s.path, x.file))
		}
		numbers[x.file] = ino
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			ino := numbers[x.file]
			want := audit.Object{Kind: audit.Inode, Number: uint64(ino)}
			if x.object != nil {
				want = x.object(&s.canvas, ino)
			}
			x.damage(&s.canvas, ino)
			if _, err := s.show(); err != nil {
				t.Fatal(err)
			}
			v := judge(t, s.path, s.data, audit.Options{})
			if err := s.heal(); err != nil {
				t.Fatal(err)
			}
			if v.agree() == x.stricter || v.err != nil {
				t.Errorf("verdicts differ:\n%s", v.said())
			}
			found := slices.ContainsFunc(v.findings, func(f audit.Finding) bool { return f.Code == x.code && f.Severity == x.sev && f.Object == want })
			switch {
			case x.code == "" && len(v.findings) > 0:
				t.Errorf("want no finding:\n%s", v.said())
			case x.code != "" && !found:
				t.Errorf("want a finding %s of severity %d for inode %d:\n%s", x.code, x.sev, ino, v.said())
			case v.oursClean() != (x.code == "" || x.sev == warns):
				t.Errorf("clean: %v:\n%s", v.oursClean(), v.said())
			}
		})
	}
}

// Offsets in an inode.
const (
	modeAt       = 0x00
	sizeAt       = 0x04
	atimeAt      = 0x08
	ctimeAt      = 0x0C
	blocksAt     = 0x1C
	flagsAt      = 0x20
	versionAt    = 0x24
	iblockAt     = 0x28
	aclAt        = 0x68
	sizeHighAt   = 0x6C
	faddrAt      = 0x70
	blocksHighAt = 0x74
	aclHighAt    = 0x76
	extraAt      = 0x80
	mtimeExtraAt = 0x88
	restAt       = 0xA0 // attributes, as i_extra_isize of 32 has it
)

// put changes bytes of an inode.
func put(off int, b ...byte) func(c *canvas, ino int) {
	return func(c *canvas, ino int) {
		c.write(c.inodeAt(ino)+off, b)
		sealInode(ino)(c)
	}
}

func put16(off int, v uint16) func(c *canvas, ino int) { return put(off, le.AppendUint16(nil, v)...) }
func put32(off int, v uint32) func(c *canvas, ino int) { return put(off, le.AppendUint32(nil, v)...) }

// flag puts flags in, and takes others away.
func flag(set, clear uint32) func(c *canvas, ino int) {
	return func(c *canvas, ino int) {
		at := c.inodeAt(ino) + flagsAt
		put32(flagsAt, le.Uint32(c.data[at:])&^clear|set)(c, ino)
	}
}

// zero clears a part of an inode.
func zero(off, n int) func(c *canvas, ino int) { return put(off, make([]byte, n)...) }

// both does one after the other.
func both(puts ...func(c *canvas, ino int)) func(c *canvas, ino int) {
	return func(c *canvas, ino int) {
		for _, e := range puts {
			e(c, ino)
		}
	}
}

func TestInodesWithDamagedFields(t *testing.T) {
	runInodeCases(t, "modern-1k", []inodeCase{
		{name: "nothing", file: "small", damage: func(*canvas, int) {}},
		{name: "no type of file", file: "small", damage: put16(modeAt, 0o644), code: audit.CodeInode, sev: fails},
		{name: "another type", file: "small", damage: put16(modeAt, 0o010644), code: audit.CodeDevice, sev: fails},
		{name: "a directory that says it is a socket", file: "empty-dir", damage: put16(modeAt, 0o140755), code: audit.CodeInode, sev: fails},
		{name: "i_faddr", file: "small", damage: put32(faddrAt, 1), code: audit.CodeInode, sev: fails},
		{name: "i_file_acl beyond the end", file: "small", damage: put32(aclAt, 1<<30), code: audit.CodeXattr, sev: fails},
		{name: "i_file_acl_high", file: "small", damage: put16(aclHighAt, 1), code: audit.CodeXattr, sev: fails},
		{name: "i_size that ends before the last block", file: "medium", damage: put32(sizeAt, 100), code: audit.CodeInodeSize, sev: fails},
		{name: "i_size at the start of the last block", file: "medium", damage: put32(sizeAt, 3*1024)},
		{name: "i_size far beyond the last block", file: "medium", damage: put32(sizeAt, 1<<30)},
		{name: "i_size of more than extents reach", file: "medium", damage: put32(sizeHighAt, 0xFFFF), code: audit.CodeInodeSize, sev: fails},
		{name: "i_size of a directory not in blocks", file: "empty-dir", damage: put32(sizeAt, 1000), code: audit.CodeInodeSize, sev: fails},
		{name: "i_size of a directory with a block too much", file: "empty-dir", damage: put32(sizeAt, 2048), code: audit.CodeInodeSize, sev: fails},
		{name: "i_blocks", file: "medium", damage: put32(blocksAt, 6), code: audit.CodeInodeBlocks, sev: fails},
		{name: "i_blocks_high", file: "medium", damage: put16(blocksHighAt, 1), code: audit.CodeInodeBlocks, sev: fails},
		{name: "i_blocks in sectors, said to be in blocks", file: "medium", damage: flag(0x40000, 0), code: audit.CodeInodeBlocks, sev: fails},
		{name: "i_extra_isize that is odd", file: "small", damage: put16(extraAt, 33), code: audit.CodeInode, sev: fails},
		{name: "i_extra_isize beyond the inode", file: "small", damage: put16(extraAt, 256), code: audit.CodeInode, sev: fails},
		{name: "i_extra_isize that holds nothing", file: "tiny", damage: both(zero(restAt, 96), put16(extraAt, 0)), code: ""},
		{name: "a time that may be before 1970", file: "small", damage: both(put32(0x10, 0x80000000), put32(mtimeExtraAt, 3)), code: audit.CodeInode, sev: warns},
		{name: "EXTENTS missing", file: "medium", damage: flag(0, 0x80000), code: audit.CodeInodeFlags, sev: fails},
		{name: "INLINE_DATA without the feature", file: "medium", damage: flag(0x10000000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "INLINE_DATA without the feature nor extents", file: "medium", damage: flag(0x10000000, 0x80000), code: audit.CodeInodeFlags, sev: fails},
		{name: "IMAGIC without the feature", file: "small", damage: flag(0x2000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "INDEX of a file", file: "small", damage: flag(0x1000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "CASEFOLD without the feature", file: "empty-dir", damage: flag(0x40000000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "CASEFOLD of a file", file: "small", damage: flag(0x40000000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "ENCRYPT without a context", file: "small", damage: flag(0x800, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "VERITY excuses blocks beyond the end", file: "medium", damage: both(flag(0x100000, 0), put32(sizeAt, 100))},
		{name: "NODUMP and other flags of the user's", file: "small", damage: flag(0x000000C8, 0)},
		{name: "a device with extents", file: "char", damage: flag(0x80000, 0), code: audit.CodeDevice, sev: fails},
		{name: "a device with inline data", file: "char", damage: flag(0x10000000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "a device that is immutable", file: "char", damage: flag(0x10, 0), code: audit.CodeInodeFlags, sev: warns},
		{name: "a device with more in i_block", file: "char", damage: put32(iblockAt+20, 7)},
		{name: "a device with more in i_block, immutable", file: "char", damage: both(put32(iblockAt+20, 7), flag(0x10, 0)), code: audit.CodeDevice, sev: fails},
		{name: "a FIFO with a size", file: "fifo", damage: put32(sizeAt, 5), code: audit.CodeInodeSize, sev: fails},
		{name: "a socket with blocks", file: "socket", damage: put32(blocksAt, 2), code: audit.CodeInodeBlocks, sev: fails},
		{name: "a root that is a file", file: "<2>", damage: put16(modeAt, 0o100755), code: audit.CodeReservedInode, sev: fails},
		{name: "a journal whose map is damaged", file: "<8>", damage: put16(iblockAt, 0), code: audit.CodeMap, sev: fails},
	})
}

func TestInodesOfOlderFileSystems(t *testing.T) {
	runInodeCases(t, "ext3", []inodeCase{
		{name: "nothing", file: "small", damage: func(*canvas, int) {}},
		{name: "EXTENTS without the feature", file: "medium", damage: flag(0x80000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "i_file_acl_high without 64bit", file: "small", damage: put16(aclHighAt, 1), code: audit.CodeInode, sev: fails},
		{name: "i_blocks_high without huge_file", file: "small", damage: put16(blocksHighAt, 1), code: audit.CodeInodeBlocks, sev: fails},
		{name: "i_size_high of a directory", file: "empty-dir", damage: put32(sizeHighAt, 1), code: audit.CodeInodeSize, sev: fails},
		{name: "i_size that a map by blocks does not reach", file: "small", damage: put32(sizeHighAt, 0x100), code: audit.CodeInodeSize, sev: fails},
		{name: "a direct block beyond the end", file: "medium", damage: put32(iblockAt+4, 1<<30), code: audit.CodeMap, sev: fails},
		{name: "a direct block before the start", file: "medium", damage: put32(iblockAt+4, 0), code: audit.CodeInodeBlocks, sev: fails},
		{name: "an indirect block beyond the end", file: "large", damage: put32(iblockAt+48, 1<<30), code: audit.CodeMap, sev: fails},
		{name: "an indirect block that is a bitmap", file: "large", damage: func(c *canvas, ino int) {
			put32(iblockAt+48, uint32(c.place(0, 0)))(c, ino)
		}, code: audit.CodeMap, sev: fails},
		{name: "a double indirect block that is its own entry", file: "double", damage: func(c *canvas, ino int) {
			block := le.Uint32(c.data[c.inodeAt(ino)+iblockAt+52:])
			c.write32(int(block)*c.block+4, block)
		}, code: audit.CodeClaimedTwice, sev: fails},
		{name: "a triple indirect tree with a pointer beyond the end", file: "triple", damage: func(c *canvas, ino int) {
			nodes, _ := c.mapOf(ino)
			c.write32(nodes[len(nodes)-1].block*c.block+8, 0xFFFFFFFF)
		}, code: audit.CodeMap, sev: fails},
		{name: "a hole in a directory", file: "hashed", damage: put32(iblockAt+8, 0), code: audit.CodeInodeBlocks, sev: fails},
		{name: "a symlink with two blocks", file: "symlink-200", damage: put32(iblockAt+4, 3000), code: audit.CodeSymlink, sev: fails},
		{name: "a block of two files", file: "small", damage: func(c *canvas, ino int) {
			_, data := c.mapOf(ino + 1)
			for i := ino + 1; len(data) == 0; i++ {
				_, data = c.mapOf(i)
			}
			put32(iblockAt, uint32(data[0].block))(c, ino)
		}, code: audit.CodeClaimedTwice, sev: fails},
	})
}

func TestSymlinks(t *testing.T) {
	runInodeCases(t, "modern-1k", []inodeCase{
		{name: "fast, too short", file: "symlink-59", damage: put32(sizeAt, 58), code: audit.CodeSymlink, sev: fails},
		{name: "fast, of no size", file: "symlink-1", damage: put32(sizeAt, 0), code: audit.CodeSymlink, sev: fails},
		{name: "fast, without an end", file: "symlink-59", damage: put(iblockAt+59, 'x'), code: audit.CodeSymlink, sev: fails},
		{name: "fast, with a NUL", file: "symlink-59", damage: put(iblockAt+5, 0), code: audit.CodeSymlink, sev: fails},
		{name: "fast, with extents", file: "symlink-59", damage: flag(0x80000, 0), code: audit.CodeInodeFlags, sev: fails},
		{name: "fast, said to be slow", file: "symlink-59", damage: put32(sizeAt, 60), code: audit.CodeSymlink, sev: fails},
		{name: "fast, immutable", file: "symlink-59", damage: flag(0x10, 0), code: audit.CodeInodeFlags, sev: warns},
		{name: "slow, too short by the size", file: "symlink-60", damage: put32(sizeAt, 59), code: audit.CodeSymlink, sev: fails},
		{name: "slow, longer by the size", file: "symlink-61", damage: put32(sizeAt, 62), code: audit.CodeSymlink, sev: fails},
		{name: "slow, of a size beyond the block", file: "symlink-200", damage: put32(sizeAt, 5000), code: audit.CodeSymlink, sev: fails},
		{name: "slow, without an end", file: "symlink-200", damage: func(c *canvas, ino int) {
			_, data := c.mapOf(ino)
			c.write(data[0].block*c.block, []byte(strings.Repeat("t", c.block)))
		}, code: audit.CodeSymlink, sev: fails},
		{name: "slow, in two blocks", file: "symlink-200", damage: put16(iblockAt+16, 2), code: audit.CodeSymlink, sev: fails},
		{name: "slow, unwritten", file: "symlink-200", damage: put16(iblockAt+16, 0x8001)},
		{name: "slow, without blocks", file: "symlink-200", damage: put32(blocksAt, 0), code: audit.CodeInodeFlags, sev: fails},
	})
}
