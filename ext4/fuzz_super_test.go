package ext4

import (
	"bytes"
	"testing"

	"boringboot/ext4/internal/format"
)

// FuzzSuperblock: of whatever numbers are accepted, the arithmetic stays within the device. The checksum is made right.
func FuzzSuperblock(f *testing.F) {
	for _, im := range fuzzedImages(f) {
		f.Add(bytes.Clone(im.data[format.SuperblockOffset:][:format.SuperblockSize]), int64(len(im.data)), uint32(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, size int64, pick uint32) {
		if len(b) != format.SuperblockSize || size < 0 {
			return
		}
		sb := format.Superblock(b)
		format.SMagic.Set(sb, format.SuperblockMagic)
		if sb.HasROCompat(format.ROCompatMetadataCsum) {
			sb.SetChecksum()
		}
		if err := checkSuperblock(sb); err != nil {
			mustBeOfAKind(t, err)
			return
		}
		g, err := newGeometry(sb, size)
		if err != nil {
			mustBeOfAKind(t, err)
			return
		}
		if int64(g.blocks)*int64(g.blockSize) > size {
			t.Fatalf("%d blocks of %d bytes in %d", g.blocks, g.blockSize, size)
		}
		for _, group := range []Group{0, g.groups - 1, Group(pick) % g.groups} {
			if n := g.groupBlocks(group); n == 0 || n > g.blocksPerGroup {
				t.Fatalf("group %d has %d blocks", group, n)
			}
			if at, off := g.descAt(group); at >= g.blocks || off+g.descSize > g.blockSize {
				t.Fatalf("group %d has its descriptor at block %d of %d, byte %d", group, at, g.blocks, off)
			}
			if back, index := g.groupOf(g.groupStart(group)); back != group || index != 0 {
				t.Fatalf("the first block of group %d is block %d of group %d", group, index, back)
			}
			if first, end := g.flexGroups(group); first > group || end <= group || end > g.groups {
				t.Fatalf("group %d is in the flex group from %d up to %d", group, first, end)
			}
			g.ownBlocks(group)
		}
		for _, ino := range []Ino{1, g.inodes, Ino(pick)%g.inodes + 1} {
			group, index := g.inodeGroup(ino)
			if group >= g.groups || uint64(index)*uint64(g.inodeSize) >= uint64(g.inodeTableBlocks())*uint64(g.blockSize) {
				t.Fatalf("inode %d is number %d of group %d", ino, index, group)
			}
		}
		if end := g.clusterStart(g.groups-1, g.groupClusters(g.groups-1)); end > g.blocks {
			t.Fatalf("the last group's clusters end at block %d of %d", end, g.blocks)
		}
		featureNames(sb)
	})
}

// FuzzDescriptor: what is accepted of a descriptor is within the file system, and so is every inode that it leads to.
func FuzzDescriptor(f *testing.F) {
	images := fuzzedImages(f)
	for i, im := range images {
		fsys, err := Open(&memDevice{im.data})
		if err != nil {
			f.Fatal(err)
		}
		for g := range min(fsys.view.groups, 2) {
			d, err := fsys.view.desc(g)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), uint32(g), bytes.Clone(d))
		}
	}
	views := make([]*view, len(images))
	for i, im := range images {
		fsys, err := Open(&memDevice{im.data})
		if err != nil {
			f.Fatal(err)
		}
		views[i] = fsys.view
	}
	f.Fuzz(func(t *testing.T, which uint8, group uint32, b []byte) {
		v := views[int(which)%len(views)]
		g := Group(group) % v.groups
		d := make(format.GroupDesc, v.descSize)
		copy(d, b)
		if v.groupCsum {
			v.groupChecksum().Set(g, d)
		}
		if err := v.checkDesc(g, d); err != nil {
			mustBeOfAKind(t, err)
			return
		}
		if end := d.InodeTable() + FSBlock(v.inodeTableBlocks()); end > v.blocks || d.BlockBitmap() >= v.blocks || d.InodeBitmap() >= v.blocks {
			t.Fatalf("a bitmap at %d or %d, a table up to %d, of %d blocks", d.BlockBitmap(), d.InodeBitmap(), end, v.blocks)
		}
	})
}
