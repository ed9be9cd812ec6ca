package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// numbered is a content without end: each block says which one it is.
type numbered struct{ blockSize int64 }

func (c numbered) Size() int64 { return 1 << 50 }

func (c numbered) ReadAt(b []byte, off int64) (int, error) {
	for i := range b {
		at := off + int64(i)
		var word [8]byte
		binary.BigEndian.PutUint64(word[:], uint64(at/c.blockSize)+0x1111<<48)
		b[i] = word[at%8]
	}
	return len(b), nil
}

// mapped is what a file should have at a block.
type mapped struct {
	at        FSBlock
	unwritten bool
}

// mapModel changes a file's map at random, and knows what it should be.
type mapModel struct {
	tx     *Tx
	n      node
	rand   *rand.Rand
	blocks map[FileBlock]mapped
	limit  uint64 // file blocks
}

// put allocates blocks in holes from fb on.
func (m *mapModel) put(fb FileBlock, count uint32) error {
	count = uint32(min(uint64(count), m.limit-uint64(fb)))
	for i := range count {
		if _, there := m.blocks[fb+FileBlock(i)]; there {
			count = i
			break
		}
	}
	if count == 0 {
		return nil
	}
	err := m.tx.appendBlocks(m.n, fb, count, func(r run) {
		m.tx.data.add(pending{blockRun{r.start, r.count}, numbered{int64(m.tx.blockSize)}, int64(r.block) * int64(m.tx.blockSize), 1 << 50})
		for i := range r.count {
			m.blocks[r.block+FileBlock(i)] = mapped{at: r.start + FSBlock(i)}
		}
	})
	if m.tx.clusterBlocks > 1 && errors.Is(err, ErrUnsupported) {
		return nil // given up in this transaction, in a cluster that has other blocks
	}
	return err
}

func (m *mapModel) cut(from, end uint64) error {
	for fb := range m.blocks {
		if uint64(fb) >= from && uint64(fb) < end {
			delete(m.blocks, fb)
		}
	}
	return m.tx.unmapBlocks(m.n, from, end)
}

// convert makes what is mapped in a range unwritten, or written again.
func (m *mapModel) convert(from, end uint64, unwritten bool) error {
	var with []format.Extent
	for fb := from; fb < end; fb++ {
		if b, there := m.blocks[FileBlock(fb)]; there {
			m.blocks[FileBlock(fb)] = mapped{b.at, unwritten}
			with = append(with, format.Extent{Block: FileBlock(fb), Len: 1, Start: b.at, Unwritten: unwritten})
		}
	}
	old, err := m.tx.remap(m.n, from, end, with)
	count := 0
	for _, e := range old {
		count += int(e.Len)
	}
	if err == nil && count != len(with) {
		err = fmt.Errorf("%d blocks were mapped from %d to %d, not %d", count, from, end, len(with))
	}
	return err
}

func (m *mapModel) step() error {
	from := m.rand.Uint64N(m.limit)
	switch k := m.rand.IntN(20); {
	case k < 13:
		return m.put(FileBlock(from), 1+m.rand.Uint32N(3))
	case k < 16:
		return m.cut(from, from+m.rand.Uint64N(30))
	case k < 17:
		return m.cut(from, min(from+m.rand.Uint64N(m.limit/4+1), m.limit))
	case m.n.flag(format.InodeExtents):
		return m.convert(from, from+m.rand.Uint64N(30), k == 19)
	}
	return nil
}

// check compares the map with the model, by each of the ways to read it.
func (m *mapModel) check() error {
	got := map[FileBlock]mapped{}
	err := m.tx.walkMap(m.n, func(e format.Extent) error {
		for i := range e.Len {
			got[e.Block+FileBlock(i)] = mapped{e.Start + FSBlock(i), e.Unwritten}
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	for fb, want := range m.blocks {
		if got[fb] != want {
			return fmt.Errorf("file block %d is mapped to %v, want %v", fb, got[fb], want)
		}
	}
	if len(got) != len(m.blocks) {
		return fmt.Errorf("%d blocks are mapped, want %d", len(got), len(m.blocks))
	}
	for fb := uint64(0); fb < m.limit; {
		r, err := m.tx.lookup(m.n, FileBlock(fb))
		if err != nil {
			return err
		}
		for i := range r.count {
			want, at := m.blocks[r.block+FileBlock(i)], FSBlock(0)
			if r.start != 0 {
				at = r.start + FSBlock(i)
			}
			if want.unwritten {
				want.at = 0
			}
			if want.at != at {
				return fmt.Errorf("lookup finds file block %d at %d, want %d", uint64(r.block)+uint64(i), at, want.at)
			}
			if fb++; fb >= m.limit {
				break
			}
		}
	}
	return m.tx.checkMapped(m.n)
}

// changeMap changes the map of a file in one update and has the kernel and e2fsck look at it.
func changeMap(t *testing.T, path, name string, seed uint64, limit uint64, fn func(m *mapModel) error) {
	t.Helper()
	m := &mapModel{rand: rand.New(rand.NewPCG(seed, 1)), blocks: map[FileBlock]mapped{}, limit: limit}
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		if err := tx.WriteFile(name, pieces{}, Attr{Mode: 0o644}); err != nil {
			return err
		}
		loc, err := tx.locate(name, true)
		if err != nil {
			return err
		}
		m.tx = tx
		if m.n, err = tx.editInode(loc.node.ino); err != nil {
			return err
		}
		if err := errors.Join(fn(m), m.check()); err != nil {
			return err
		}
		tx.setSize(m.n, limit*uint64(tx.blockSize))
		tx.seal(m.n)
		return nil
	}, WithoutJournal())
	testimage.Fsck(t, path, 0)
	bs := int64(m.tx.blockSize)
	var judged string
	if bs > int64(os.Getpagesize()) { // which this kernel may not mount
		judged = filepath.Join(t.TempDir(), name)
		testimage.Debugfs(t, path, 0, "dump "+name+" "+judged)
	} else {
		dir := testimage.Mount(t, path, 0)
		defer testimage.Unmount(t, dir)
		judged = filepath.Join(dir, name)
	}
	f, err := os.Open(judged)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, want := make([]byte, bs), make([]byte, bs)
	wrong := 0
	for fb := range limit {
		clear(want)
		if b, there := m.blocks[FileBlock(fb)]; there && !b.unwritten {
			numbered{bs}.ReadAt(want, int64(fb)*bs)
		}
		if _, err := f.ReadAt(got, int64(fb)*bs); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if string(got) != string(want) && wrong < 5 {
			wrong++
			t.Errorf("block %d begins with %x, want %x", fb, got[:8], want[:8])
		}
	}
}

func TestMapsAreChangedAnywhere(t *testing.T) {
	profiles := append([]testimage.Profile{testimage.ProfileNamed("nixos-1k"), testimage.ProfileNamed("gdt-checksums-2k"), testimage.ProfileNamed("pi-gen-4k")}, oldProfiles...)
	clusters := profileOf("nixos-1k", "bigalloc", "^resize_inode")
	clusters.Args = []string{"-C", "16384"}
	profiles = append(profiles, clusters)
	for _, large := range []struct {
		name string
		size int
	}{{"nixos-4k", 64 << 10}, {"no-checksums-4k", 16 << 10}, {"nixos-4k ^extent", 8 << 10}} {
		var p testimage.Profile
		if old, ok := strings.CutSuffix(large.name, " ^extent"); ok {
			p = profileOf(old, "^extent", "^64bit")
		} else {
			p = profileOf(large.name)
		}
		p.Name += fmt.Sprint(" of ", large.size)
		p.BlockSize = large.size
		profiles = append(profiles, p)
	}
	for _, p := range profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			o := testimage.Options{Profile: p, StorePaths: -1, Size: 48 << 20, Inodes: 100, Stale: true}
			limits, steps := []uint64{40, 400, 4000}, 1500
			if p.BlockSize > 4096 {
				limits, steps, o.Size = limits[:2], 400, 128<<20
			}
			path := testimage.Ext4(t, o)
			for i, limit := range limits {
				seed := rand.Uint64()
				changeMap(t, path, fmt.Sprint(limit), seed, limit, func(m *mapModel) error {
					for range steps {
						if err := m.step(); err != nil {
							return err
						}
						if i < 2 {
							if err := m.check(); err != nil {
								return err
							}
						}
					}
					return nil
				})
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// TestDeepExtentTrees grows a tree by a file of single blocks and cuts it again, in all ways that leave nodes empty.
func TestDeepExtentTrees(t *testing.T) {
	for _, name := range []string{"nixos-1k", "no-checksums-1k"} {
		for _, c := range []struct {
			name  string
			depth int
			count uint64
			then  func(m *mapModel, limit uint64) error
		}{
			{"left as it is", 3, 29_000, func(*mapModel, uint64) error { return nil }},
			{"cut to four extents", 0, 29_000, func(m *mapModel, limit uint64) error { return m.cut(8, limit) }},
			{"cut to five extents", 1, 5_000, func(m *mapModel, limit uint64) error { return m.cut(10, limit) }},
			{"without its beginning", 1, 29_000, func(m *mapModel, limit uint64) error { return m.cut(0, limit-200) }},
			{"without its middle", 2, 5_000, func(m *mapModel, limit uint64) error { return m.cut(500, limit-1000) }},
			{"just below what two levels hold", 2, 4*84*84 + 1, func(m *mapModel, limit uint64) error { return m.cut(limit-2, limit) }},
			{"just above what two levels hold", 3, 4*84*84 + 1, func(m *mapModel, limit uint64) error { return nil }},
			{"emptied", 0, 29_000, func(m *mapModel, limit uint64) error { return m.cut(0, limit) }},
			{"with its holes filled here and there", 3, 29_000, func(m *mapModel, limit uint64) error {
				for fb := uint64(1); fb < limit; fb += 2 * (limit / 200) {
					if err := m.put(FileBlock(fb), 1); err != nil {
						return err
					}
				}
				return nil
			}},
		} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				t.Parallel()
				path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(name), StorePaths: -1, Size: 48 << 20, Inodes: 100})
				changeMap(t, path, "deep", 1, 2*c.count, func(m *mapModel) error {
					for fb := FileBlock(0); uint64(fb) < 2*c.count; fb += 2 {
						if err := m.put(fb, 1); err != nil {
							return err
						}
					}
					if err := c.then(m, 2*c.count); err != nil {
						return err
					}
					if depth := format.ExtentNode(m.n.IBlock()).Depth(); depth != c.depth {
						t.Errorf("the tree has depth %d, want %d", depth, c.depth)
					}
					return nil
				})
			})
		}
	}
}
