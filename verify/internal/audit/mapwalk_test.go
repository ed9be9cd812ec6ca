package audit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// opened is a checker of an image, as far as reading inodes takes it.
func opened(t *testing.T, path string) *checker {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	raw := make([]byte, superblockSize)
	if _, err := f.ReadAt(raw, superblockOffset); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{ctx: context.Background(), disk: f, size: info.Size(), sb: parseSuper(raw)}
	if err := c.sb.derive(); err != nil {
		t.Fatal(err)
	}
	c.groups = make([]descriptor, c.sb.groupCount)
	block := make([]byte, c.sb.blockSize)
	for g := range c.sb.groupCount {
		if err := c.readBlock(c.sb.descBlock(g/c.sb.descsPerBlock), block); err != nil {
			t.Fatal(err)
		}
		c.groups[g].decode(block[int(g%c.sb.descsPerBlock)*c.sb.descSize:][:c.sb.descSize])
	}
	return c
}

// contentOf reads a file through its map: holes and unwritten blocks are zeros.
func contentOf(t *testing.T, c *checker, ino uint32) []byte {
	t.Helper()
	in := new(inode)
	if err := c.readInode(ino, in, make([]byte, c.sb.inodeSize)); err != nil {
		t.Fatal(err)
	}
	content := make([]byte, in.Size)
	size := uint64(c.sb.blockSize)
	err := c.newWorker().mapWalker().walk(in, func(r run) error {
		for i := range r.length {
			at := (r.logical + i) * size
			if r.unwritten || at >= in.Size {
				continue
			}
			if _, err := c.disk.ReadAt(content[at:min(at+size, in.Size)], int64((r.physical+i)*size)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestFilesAreReadThroughTheirMaps(t *testing.T) {
	const common = "ext_attr,resize_inode,filetype,sparse_super,large_file"
	for _, c := range []struct {
		name string
		testimage.Options
	}{
		{"extents", testimage.Options{Profile: testimage.ProfileNamed("nixos-1k")}},
		{"extents in large blocks", testimage.Options{Profile: testimage.ProfileNamed("nixos-4k")}},
		{"blocks, inodes of 128 bytes", testimage.Options{Profile: testimage.Profile{Name: "plain", Features: common, BlockSize: 1024, InodeSize: 128}}},
		{"clusters", testimage.Options{Profile: testimage.Profile{Name: "clusters", Features: "ext_attr,filetype,sparse_super,large_file,extent,64bit,bigalloc",
			BlockSize: 1024, Args: []string{"-C", "8192"}}}},
		{"meta_bg", testimage.Options{Profile: testimage.Profile{Name: "meta", Features: "ext_attr,filetype,sparse_super,extent,64bit,meta_bg,metadata_csum",
			BlockSize: 1024}, BlocksPerGroup: 1024}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.Options
			o.StorePaths, o.Size = -1, 24<<20
			path := testimage.Ext4(t, o)
			dir := t.TempDir()
			var commands []string
			want := map[string][]byte{}
			add := func(name string, pieces ...int) { // of zeros and data in turn, in bytes
				var content []byte
				for i, n := range pieces {
					if i%2 == 0 {
						content = append(content, make([]byte, n)...)
						continue
					}
					start := len(content)
					for j := range n {
						content = append(content, byte(1+(start+j)/1000%250))
					}
				}
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
				commands = append(commands, fmt.Sprintf("write %s %s", filepath.Join(dir, name), name))
				want[name] = content
			}
			add("empty")
			add("small", 0, 10)
			add("whole", 0, 4096)
			add("long", 0, 700_001)
			add("with-holes", 0, 5000, 100_000, 5000, 300_000, 70_000)
			add("hole-first", 40_000, 1)
			var pieces []int
			for range 150 {
				pieces = append(pieces, 8192, 1024)
			}
			add("many-pieces", pieces...)
			testimage.DebugfsWrite(t, path, 0, commands...)
			checker := opened(t, path)
			for name, content := range want {
				var ino uint32
				out := testimage.Debugfs(t, path, 0, "show_inode_info "+name)
				if _, err := fmt.Sscanf(out[strings.Index(out, "Inode:"):], "Inode: %d", &ino); err != nil {
					t.Fatal(err)
				}
				if got := contentOf(t, checker, ino); !bytes.Equal(got, content) {
					t.Errorf("%s: %d bytes that are not those of the file", name, len(got))
				}
			}
		})
	}
}

// mapped is a file system of nothing but blocks of 1 KiB, and an inode of it.
func mapped(blocks int, disk []byte, flags uint32, iblock []byte) (*checker, *inode) {
	sb := &super{BlocksCount: uint64(blocks), FirstDataBlock: 1, blockSize: 1024, inodeSize: 256, InodesCount: 16, InodesPerGroup: 16, groupCount: 1,
		firstInode: 11, clusterRatio: 1, BlocksPerGroup: 8192, FeatureIncompat: incompatExtents, FeatureCompat: compatExtAttr}
	whole := make([]byte, blocks*1024)
	copy(whole[1024:], disk)
	c := &checker{ctx: context.Background(), disk: bytes.NewReader(whole), size: int64(len(whole)), sb: sb, groups: make([]descriptor, 1)}
	raw := make([]byte, 256)
	raw[1] = modeRegular >> 8
	raw[0x1A] = 1
	raw[0x20], raw[0x21], raw[0x22], raw[0x23] = byte(flags), byte(flags>>8), byte(flags>>16), byte(flags>>24)
	copy(raw[0x28:0x28+iblockSize], iblock)
	in := new(inode)
	in.decode(12, raw)
	return c, in
}

// nodeBytes makes the bytes of an extent node of entries of 12 bytes.
func nodeBytes(max, depth int, entries ...[]byte) []byte {
	b := []byte{0x0A, 0xF3, byte(len(entries)), 0, byte(max), 0, byte(depth), 0, 0, 0, 0, 0}
	for _, e := range entries {
		b = append(b, e...)
	}
	return b
}

func extentBytes(logical, length, physical byte) []byte {
	return []byte{logical, 0, 0, 0, length, 0, 0, 0, physical, 0, 0, 0}
}

func childBytes(logical, block byte) []byte {
	return []byte{logical, 0, 0, 0, block, 0, 0, 0, 0, 0, 0, 0}
}

func TestMapsThatCannotBeFollowed(t *testing.T) {
	for _, c := range []struct {
		name   string
		flags  uint32
		iblock []byte
		disk   []byte // from block 1 on
		runs   int    // that are handed out; -1: an error
	}{
		{"no map", 0, nil, nil, 0},
		{"neighbours are one run", 0, []byte{5, 0, 0, 0, 6, 0, 0, 0, 7}, nil, 1},
		{"a hole parts them", 0, []byte{5, 0, 0, 0, 0, 0, 0, 0, 7}, nil, 2},
		{"a block beyond the end", 0, []byte{0, 1}, nil, -1},
		{"two extents", flagExtents, nodeBytes(4, 0, extentBytes(0, 2, 3), extentBytes(4, 2, 5)), nil, 2},
		{"extents that go on", flagExtents, nodeBytes(4, 0, extentBytes(0, 2, 3), extentBytes(2, 2, 5)), nil, 1},
		{"a damaged header", flagExtents, nodeBytes(9, 0), nil, -1},
		{"extents that overlap", flagExtents, nodeBytes(4, 0, extentBytes(0, 2, 3), extentBytes(1, 2, 5)), nil, -1},
		{"an extent of no blocks", flagExtents, nodeBytes(4, 0, extentBytes(0, 0, 3)), nil, -1},
		{"an extent beyond the end", flagExtents, nodeBytes(4, 0, extentBytes(0, 60, 10)), nil, -1},
		{"a node in a block", flagExtents, nodeBytes(4, 1, childBytes(0, 1)), nodeBytes(84, 0, extentBytes(0, 2, 3)), 1},
		{"a node of another depth", flagExtents, nodeBytes(4, 1, childBytes(0, 1)), nodeBytes(84, 1, childBytes(0, 1)), -1},
		{"a node that is its own parent", flagExtents, nodeBytes(4, 2, childBytes(0, 1)), nodeBytes(84, 1, childBytes(0, 1)), -1},
		{"a tree deeper than there are", flagExtents, nodeBytes(4, 6, childBytes(0, 1)), nil, -1},
		{"a node twice", flagExtents, nodeBytes(4, 1, childBytes(0, 1), childBytes(9, 1)), nodeBytes(84, 0, extentBytes(0, 2, 3)), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker, in := mapped(64, c.disk, c.flags, c.iblock)
			runs := 0
			err := checker.newWorker().mapWalker().walk(in, func(run) error { runs++; return nil })
			if c.runs < 0 && err == nil || c.runs >= 0 && (err != nil || runs != c.runs) {
				t.Errorf("%d runs, %v", runs, err)
			}
		})
	}
	checker, in := mapped(64, nil, 0, []byte{5})
	if err := checker.newWorker().mapWalker().walk(in, func(run) error { return io.EOF }); err != io.EOF {
		t.Errorf("the visitor's error is handed on: %v", err)
	}
}

// FuzzMap has any bytes for a map: the walker and the judge end, and what the judge finds nothing against the walker can follow. The
// walker hands out nothing that is not in the file system, and nothing twice.
func FuzzMap(f *testing.F) {
	f.Add(true, nodeBytes(4, 0, extentBytes(0, 2, 3), extentBytes(2, 2, 5)), []byte{})
	f.Add(true, nodeBytes(4, 1, childBytes(0, 1)), nodeBytes(84, 0, extentBytes(0, 2, 3)))
	f.Add(true, nodeBytes(4, 2, childBytes(0, 1), childBytes(9, 2)), nodeBytes(84, 1, childBytes(0, 2)))
	f.Add(false, []byte{5, 0, 0, 0, 6}, []byte{})
	f.Add(false, append(make([]byte, 48), 1, 0, 0, 0, 2, 0, 0, 0, 3), []byte{1, 0, 0, 0, 2, 0, 0, 0, 3})
	f.Fuzz(func(t *testing.T, extents bool, iblock, disk []byte) {
		if len(iblock) > iblockSize || len(disk) > 64<<10 {
			return
		}
		flags := uint32(0)
		if extents {
			flags = flagExtents
		}
		c, in := mapped(96, disk, flags, iblock)
		c.initClaims()
		next := uint64(0)
		err := c.newWorker().mapWalker().walk(in, func(r run) error {
			if r.logical < next || r.length == 0 || !c.validBlock(r.physical) || !c.validBlock(r.physical+r.length-1) {
				t.Fatalf("%+v", r)
			}
			next = r.logical + r.length
			return nil
		})
		w := c.newWorker()
		w.contents = contents{in: in, reg: true, last: ^uint64(0), written: -1, maxBlocks: 1 << 31, eof: ^uint64(0)}
		if extents {
			w.checkExtents()
		} else {
			w.checkBlockMap()
		}
		sound := !w.contents.broken && len(c.found.sorted()) == 0
		// A tree that reuses a block is one that only the claims find; the kernel's five levels are all that the walker follows.
		if sound && err != nil && !c.double.isSet() && w.contents.depth <= extentLevels {
			t.Errorf("nothing was found, and %v", err)
		}
	})
}

// FuzzAttributes has any bytes for a list of attributes: reading and judging it ends.
func FuzzAttributes(f *testing.F) {
	list := []byte{4, 7, 40, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 'd', 'a', 't', 'a'}
	f.Add(append([]byte{0, 0, 2, 0xEA}, list...), append(append([]byte{0, 0, 2, 0xEA, 1, 0, 0, 0, 1}, make([]byte, 23)...), list...))
	f.Add([]byte{0, 0, 2, 0xEA, 255, 1}, []byte{0, 0, 2, 0xEA})
	f.Fuzz(func(t *testing.T, area, block []byte) {
		if len(area) > 96 || len(block) > 1024 {
			return
		}
		c, in := mapped(8, append(make([]byte, 1024), block...), flagInlineData, nil)
		c.sb.FeatureIncompat |= incompatInlineData | incompatEaInode
		c.initClaims()
		c.shared = newBitset(8)
		raw := in.raw
		raw[128], raw[0x68] = 32, 2
		copy(raw[160:], area)
		in.decode(12, raw)
		w := c.newWorker()
		_, _, err := w.inlineAttribute(in)
		if isIO(err) {
			t.Fatal(err)
		}
		use := w.checkExtra(in)
		w.checkAttributeBlock(in)
		c.finishXattrs()
		if clean := len(c.found.sorted()) == 0; clean && err == nil && use.inodes > 0 {
			t.Error("a value in an inode, and there are no inodes")
		}
	})
}
