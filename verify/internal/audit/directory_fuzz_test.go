package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"
)

// Features of the directories that are fuzzed.
const (
	fuzzIndexed = 1 << iota
	fuzzSummed
	fuzzFolded
	fuzzStrict
	fuzzEncrypted
	fuzzInline
	fuzzLarge
	fuzzTypes
)

// fuzzedDirectory is a file system of nothing but inode 12, whose blocks, of 1 KiB, are data. Inodes 12 to 15 are in use.
func fuzzedDirectory(features byte, data []byte) (*checker, *directory) {
	sb := &super{InodesCount: 64, InodesPerGroup: 64, FirstIno: 11, firstInode: 11, blockSize: 1024, groupCount: 1}
	set := func(feature byte, field *uint32, bit uint32) {
		if features&feature != 0 {
			*field |= bit
		}
	}
	d := &directory{ino: 12, flags: flagExtents}
	set(fuzzIndexed, &d.flags, flagIndex)
	set(fuzzFolded, &d.flags, flagCasefold)
	set(fuzzEncrypted, &d.flags, flagEncrypt)
	set(fuzzFolded, &sb.FeatureIncompat, incompatCasefold)
	set(fuzzLarge, &sb.FeatureIncompat, incompatLargedir)
	set(fuzzTypes, &sb.FeatureIncompat, incompatFiletype)
	sb.metadataCsum = features&fuzzSummed != 0
	if features&fuzzStrict != 0 {
		sb.EncodingFlags = encodingStrict
	}
	if features&fuzzInline != 0 {
		d.inline = append(data, make([]byte, max(0, inlineFirst-len(data)))...)
	}
	blocks := uint64(len(data)+1023) / 1024
	sb.BlocksCount = 1 + blocks
	disk := make([]byte, 1024*sb.BlocksCount)
	copy(disk[1024:], data)
	if blocks > 0 {
		d.runs = []run{{0, 1, blocks, false}}
	}
	c := &checker{ctx: context.Background(), disk: bytes.NewReader(disk), size: int64(len(disk)), sb: sb, groups: make([]descriptor, 1),
		facts: make([]atomic.Pointer[groupFacts], 1)}
	for ino, kind := range map[uint32]fileKind{2: kindDir, 12: kindDir, 13: kindRegular, 14: kindDir, 15: kindSymlink} {
		c.setFacts(ino, kind, 1, 0)
	}
	if features&fuzzEncrypted != 0 {
		c.addPolicy(12, parsePolicy(append([]byte{1}, make([]byte, 27)...)))
	}
	c.addDirectory(d)
	return c, d
}

// FuzzDirectory judges any bytes as a directory. It must end, the same each time.
func FuzzDirectory(f *testing.F) {
	// A directory with the dots and two names, a name twice, and a tree of a root and two leaves.
	entry := func(b []byte, ino uint32, size int, fileType byte, name string) []byte {
		b = binary.LittleEndian.AppendUint32(b, ino)
		b = append(binary.LittleEndian.AppendUint16(b, uint16(size)), byte(len(name)), fileType)
		b = append(b, name...)
		return append(b, make([]byte, max(0, size-8-len(name)))...)
	}
	dots := entry(entry(nil, 12, 12, 2, "."), 2, 12, 2, "..")
	f.Add(byte(fuzzTypes), entry(entry(slices.Clone(dots), 13, 16, 1, "file"), 14, 1024-40, 2, "dir"))
	f.Add(byte(fuzzTypes|fuzzFolded|fuzzStrict), entry(entry(slices.Clone(dots), 13, 16, 1, "file"), 13, 1024-40, 1, "FILE"))
	f.Add(byte(fuzzTypes|fuzzInline), entry(entry([]byte{2, 0, 0, 0}, 13, 16, 1, "file"), 13, 40, 1, "other"))
	tree := entry(entry(nil, 12, 12, 2, "."), 2, 1012, 2, "..")
	copy(tree[24:], []byte{0, 0, 0, 0, hashHalfMD4, 8, 0, 0, 124, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0x80, 2, 0, 0, 0})
	tree = entry(entry(tree, 13, 1024, 1, "x"), 13, 1024, 1, "y")
	f.Add(byte(fuzzTypes|fuzzIndexed), tree)
	f.Add(byte(fuzzTypes|fuzzIndexed|fuzzFolded|fuzzEncrypted), tree)
	f.Add(byte(fuzzTypes|fuzzIndexed|fuzzSummed|fuzzLarge), tree)
	f.Fuzz(func(t *testing.T, features byte, data []byte) {
		if len(data) > 32<<10 {
			return
		}
		var before []Finding
		for i := range 2 {
			c, d := fuzzedDirectory(features, slices.Clone(data))
			c.newWorker().checkDirectory(d)
			if c.err != nil {
				t.Fatal(c.err)
			}
			found := c.found.sorted()
			if i > 0 && !slices.Equal(found, before) {
				t.Errorf("once %v, once %v", before, found)
			}
			before = found
		}
	})
}
