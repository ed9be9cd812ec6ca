package audit

// This file has images that are made to cost memory or time: what an audit keeps is bounded by what there is.

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

// listOf is a block of 1 KiB that names block b in each of its entries.
func listOf(b uint32) []byte {
	var list []byte
	for range 256 {
		list = binary.LittleEndian.AppendUint32(list, b)
	}
	return list
}

// TestMapOfMoreBlocksThanThereAre has 65,536 times the same block in a map, of a file system of 600.
func TestMapOfMoreBlocksThanThereAre(t *testing.T) {
	iblock := make([]byte, iblockSize)
	iblock[4*doubleIndex] = 1
	const blocks = 600
	c, in := mapped(blocks, append(listOf(2), listOf(3)...), 0, iblock)
	runs := 0
	err := c.walkSystem(in, func(run) error { runs++; return nil })
	if !errors.Is(err, errMap) || runs > blocks {
		t.Errorf("%d runs: %v", runs, err)
	}
}

// TestMapWithoutPatience ends within a map.
func TestMapWithoutPatience(t *testing.T) {
	iblock := make([]byte, iblockSize)
	iblock[4*doubleIndex] = 1
	c, in := mapped(600, append(listOf(2), listOf(0)...), 0, iblock)
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx = ctx
	cancel()
	if err := c.walkSystem(in, func(run) error { return nil }); !errors.Is(err, errStopped) {
		t.Errorf("%v", err)
	}
}

// namesBlock is a block of 1 KiB of entries of inode 12, which have 4 letters each.
func namesBlock(names ...string) []byte {
	var b []byte
	for i, name := range names {
		rec := entryMin
		if i == len(names)-1 {
			rec = 1024 - len(b)
		}
		b = append(binary.LittleEndian.AppendUint32(b, 12), byte(rec), byte(rec>>8), byte(len(name)), 0)
		b = append(b, name...)
	}
	return append(b, make([]byte, 1024-len(b))...)
}

// TestDirectoryOfTheSameBlocks reads blocks once that a directory has many times.
func TestDirectoryOfTheSameBlocks(t *testing.T) {
	c, _ := mapped(600, append(namesBlock("aaaa", "bbbb"), namesBlock("cccc")...), 0, nil)
	c.initClaims()
	d := &directory{ino: 12}
	for i := range uint64(100) {
		d.runs = append(d.runs, run{logical: 2 * i, physical: 1, length: 2})
	}
	w := c.newWorker()
	w.checkDirectory(d)
	if n, names := c.blocksRead.Load(), len(w.scan.names.list); n != 2 || names != 3 {
		t.Errorf("%d blocks were read, %d names noted", n, names)
	}
	told := false
	for _, f := range c.found.sorted() {
		told = told || f.Code == CodeDirectory && f.Severity == Error
	}
	if !told || !c.namesLost() {
		t.Errorf("names lost: %v, findings: %v", c.namesLost(), c.found.sorted())
	}
}

// TestRunsWithoutRepeats keeps of each block its first place.
func TestRunsWithoutRepeats(t *testing.T) {
	c, _ := mapped(600, nil, 0, nil)
	s := &dirScan{c: c, d: &directory{runs: []run{{logical: 0, physical: 10, length: 5}, {logical: 5, physical: 8, length: 10}, {logical: 20, physical: 8, length: 2}}}}
	s.dropRepeats()
	want := []run{{logical: 0, physical: 10, length: 5}, {logical: 5, physical: 8, length: 2}, {logical: 12, physical: 15, length: 3}}
	if !slices.Equal(s.d.runs, want) {
		t.Errorf("%v, want %v", s.d.runs, want)
	}
}

// TestSparseSet adds numbers that are far apart, and over the edge of a page.
func TestSparseSet(t *testing.T) {
	s := sparseSet{}
	for _, n := range []uint64{0, pageBits - 1, pageBits, 1 << 40, 1<<40 + 63, 1<<40 + 64} {
		if !s.add(n) || s.add(n) {
			t.Errorf("%d", n)
		}
	}
	if len(s) != 3 {
		t.Errorf("%d pages", len(s))
	}
}

// TestNamesThatComeTwice counts names, however often each comes.
func TestNamesThatComeTwice(t *testing.T) {
	n := nameList{list: []uint64{3, 1, 2, 3, 3, 1, 4}}
	n.judge()
	if n.twice != 2 {
		t.Errorf("%d", n.twice)
	}
}

// blockOfAttributes is a block of 1 KiB of attributes with their values in inodes, the first of which has that number.
func blockOfAttributes(n int, first uint32) []byte {
	block := binary.LittleEndian.AppendUint32(nil, attributeMagic)
	block = append(block, 1, 0, 0, 0, 1, 0, 0, 0)
	block = append(block, make([]byte, attributeHeader-len(block))...)
	for i := range uint32(n) {
		block = append(block, 0, 1, 0, 0)
		block = binary.LittleEndian.AppendUint32(block, first+i)
		block = append(block, make([]byte, attributeEntrySize-8)...)
	}
	return append(block, make([]byte, 1024-len(block))...)
}

// TestAttributesOfNoInodes keeps nothing of references to inodes that there are not, and little of what is wrong with a block.
func TestAttributesOfNoInodes(t *testing.T) {
	c, in := mapped(8, blockOfAttributes(61, 0x1000000), 0, nil)
	c.sb.FeatureIncompat |= incompatEaInode
	c.initClaims()
	in.FileACL = 1
	c.newWorker().checkAttributeBlock(in)
	if n := len(c.ea.refs); n != 0 {
		t.Errorf("references to %d inodes are kept", n)
	}
	a := c.attributes.list[1]
	if a == nil || len(a.problems) != 1 || cap(a.problems) > maxProblems {
		t.Errorf("%+v", a)
	}
}

// TestProblemsOfABlock keeps few of many.
func TestProblemsOfABlock(t *testing.T) {
	var p problemList
	for i := range 2 * maxProblems {
		p.add(string(rune('a' + i/2)))
		p.add(string(rune('a' + i)))
	}
	if len(p) != maxProblems {
		t.Errorf("%d", len(p))
	}
}

// TestInlineDataInABlock keeps none of a value that many directories may share, and reads it when its turn comes.
func TestInlineDataInABlock(t *testing.T) {
	block := blockOfAttributes(0, 0)
	value := namesBlock("aaaa")[:12] // an entry of 12 bytes
	binary.LittleEndian.PutUint16(value[4:], 12)
	copy(block[1024-len(value):], value)
	e := append([]byte{4, 7, 0, 0, 0, 0, 0, 0, byte(len(value)), 0, 0, 0, 0, 0, 0, 0}, "data"...)
	binary.LittleEndian.PutUint16(e[2:], uint16(1024-len(value)))
	copy(block[attributeHeader:], e)
	c, in := mapped(8, block, flagInlineData, nil)
	c.sb.FeatureIncompat |= incompatInlineData
	c.initClaims()
	c.setFacts(12, kindDir, 2, 0)
	in.FileACL, in.Mode = 1, modeDir
	w := c.newWorker()
	w.contents = contents{in: in, dir: true}
	w.handOn()
	size, found, err := w.inlineAttribute(in)
	if size != len(value) || !found || err != nil {
		t.Errorf("%d bytes, %v, %v", size, found, err)
	}
	d := c.directory(12)
	if len(d.inline) != inlineFirst || d.inlineBlock != 1 {
		t.Fatalf("%d bytes are kept, of block %d", len(d.inline), d.inlineBlock)
	}
	if got, err := w.inlineInBlock(d); !slices.Equal(got, value) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	before := c.blocksRead.Load()
	w.checkDirectory(d)
	if n := c.blocksRead.Load() - before; n != 1 {
		t.Errorf("%d blocks were read", n)
	}
}

// TestHashTreeOfASparseDirectory makes no table for a directory that is larger than any, of blocks that take no room.
func TestHashTreeOfASparseDirectory(t *testing.T) {
	for _, x := range []struct {
		blocks uint64
		judged bool
	}{{maxIndexBlocks, true}, {maxIndexBlocks + 1, false}} {
		c, _ := mapped(8, nil, 0, nil)
		c.sb.BlocksCount = 1 << 24
		s := &dirScan{c: c, d: &directory{flags: flagIndex, runs: []run{{length: x.blocks}}}}
		s.startIndex(x.blocks)
		if s.indexed != x.judged || x.judged != (len(c.found.sorted()) == 0) || uint64(len(s.index.blocks)) > maxIndexBlocks {
			t.Errorf("%d blocks: %v, a table of %d, %v", x.blocks, s.indexed, len(s.index.blocks), c.found.sorted())
		}
	}
}

// TestSecondTimeAround keeps nothing but claims when it looks for who has what.
func TestSecondTimeAround(t *testing.T) {
	for _, again := range []bool{false, true} {
		c, in := mapped(64, nil, 0, []byte{5})
		c.sb.FeatureRoCompat |= roCompatQuota
		c.initClaims()
		if again {
			c.resolving = &resolver{twice: newBitset(64), found: map[uint32]uint64{}}
			c.resolving.twice.add(c.sb.clusterOf(5))
		}
		in.Mode = modeDir
		w := c.newWorker()
		w.checkInode(in)
		w.countReferences(blockOfAttributes(2, 12)[attributeHeader:])
		c.addEaInode(in, nil)
		if !c.addPolicy(12, policyForeign) || c.addPolicy(12, policyCorrupt) {
			t.Error("which policies are sound depends on the time")
		}
		c.merge(w)
		for what, n := range map[string]int{
			"directories": len(c.dirs.list), "references": len(c.ea.refs), "inodes with values": len(c.ea.list), "policies": len(c.policies.list),
			"owners of quota": len(c.quota[quotaUsers]), "findings": len(c.found.sorted()),
		} {
			if (n == 0) != again {
				t.Errorf("again is %v, and there are %d %s", again, n, what)
			}
		}
		if again && c.resolving.found[12] != c.sb.clusterOf(5) {
			t.Error("the claim was lost")
		}
	}
}

// TestCopiesWithoutPatience ends among the copies of the descriptors.
func TestCopiesWithoutPatience(t *testing.T) {
	c, _ := mapped(64, nil, 0, nil)
	c.initClaims()
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx = ctx
	cancel()
	if c.markSystem() || c.system.count(0, 64) != 0 {
		t.Errorf("%d blocks were marked", c.system.count(0, 64))
	}
}
