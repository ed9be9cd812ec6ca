package ext4

// This file is what a transaction knows of block groups. A group's bitmap, its descriptor and the superblock's counters change
// together: those of blocks in setClusters, those of inodes in inodealloc.go, and nowhere else. Checksums of bitmaps and
// descriptors are set once, by sealGroups, when the transaction commits.

import (
	"bytes"

	"boringboot/ext4/internal/format"
)

// groupState is what a transaction knows of a group that it has looked for space in.
type groupState struct {
	desc format.GroupDesc // the transaction's own copy, whose checksum is to be set; nil while it is unchanged

	// Block bitmap. A bit is a cluster.
	taken bitmap // what may not be allocated: clusters in use, and those the transaction has freed (see release)
	meta  []metaRange
	bits  bitmap // the bitmap itself as it will be; nil while it is unchanged
	space freeSpace
	kept  bool // taken has more than the bitmap: it is not to be forgotten

	// Inode bitmap.
	inodesChecked bool
	inodes        bitmap // as it will be; nil while it is unchanged
	inodeHint     uint32 // no inode below can be allocated
	freedInodes   map[uint32]bool
}

// metaRange is n clusters of a group, from its cluster first on, that hold metadata.
type metaRange struct{ first, n uint32 }

func (tx *Tx) group(g Group) *groupState {
	s := tx.state[g]
	if s == nil {
		s = &groupState{}
		tx.state[g] = s
	}
	return s
}

// editDesc gives a descriptor that may be changed.
func (tx *Tx) editDesc(g Group) (format.GroupDesc, error) {
	s := tx.group(g)
	if s.desc != nil {
		return s.desc, nil
	}
	if _, err := tx.desc(g); err != nil {
		return nil, err
	}
	b, off := tx.descAt(g)
	block, err := tx.over.Edit(b)
	if err != nil {
		return nil, err
	}
	known, err := tx.descBlock(g)
	if err != nil {
		return nil, err
	}
	known.data = block
	s.desc = block[off:][:tx.descSize:tx.descSize]
	return s.desc, nil
}

// sealGroups sets the checksums of the bitmaps and descriptors that have changed since it was called last.
func (tx *Tx) sealGroups() {
	for g, s := range tx.state {
		d := s.desc
		if d == nil {
			continue
		}
		if tx.metadataCsum && s.bits != nil {
			d.SetBlockBitmapCsum(tx.blockBitmapSum(s.bits))
		}
		if tx.metadataCsum && s.inodes != nil {
			d.SetInodeBitmapCsum(tx.inodeBitmapSum(s.inodes))
		}
		if tx.groupCsum {
			tx.groupChecksum().Set(g, d)
		}
	}
}

func (v *view) blockBitmapSum(b bitmap) uint32 {
	return format.BitmapChecksum(v.seed, b, int(v.clustersPerGroup()/8))
}

func (v *view) inodeBitmapSum(b bitmap) uint32 {
	return format.BitmapChecksum(v.seed, b, int(v.inodesPerGroup/8))
}

// metadataOf lists what of group g is taken by copies of superblock and descriptors, and by bitmaps and inode tables. Ranges overlap where a
// cluster has several of them.
func (tx *Tx) metadataOf(g Group) ([]metaRange, error) {
	start, size := tx.groupStart(g), FSBlock(tx.groupBlocks(g))
	var list []metaRange
	add := func(b FSBlock, n uint64) {
		first, end := max(b, start), min(b+FSBlock(n), start+size)
		if first < end {
			cluster, count := tx.clusterRange(uint32(first-start), uint32(end-first))
			list = append(list, metaRange{cluster, count})
		}
	}
	add(start, uint64(tx.ownBlocks(g)))
	tables, err := tx.tablesIn(g)
	if err != nil {
		return nil, err
	}
	for _, r := range tables {
		add(r.start, uint64(r.count))
	}
	return list, nil
}

// loadBlocks reads and checks a group's block bitmap, or makes it where the group has none yet.
func (tx *Tx) loadBlocks(g Group) (*groupState, error) {
	s := tx.group(g)
	if s.taken != nil {
		return s, nil
	}
	d, err := tx.desc(g)
	if err != nil {
		return nil, err
	}
	meta, err := tx.metadataOf(g)
	if err != nil {
		return nil, err
	}
	end := tx.groupClusters(g)
	var taken bitmap
	if tx.flags(d)&format.BGBlockUninit != 0 {
		taken = tx.firstBitmap(g, meta)
	} else {
		block, err := tx.src.Block(d.BlockBitmap())
		if err != nil {
			return nil, err
		}
		if tx.metadataCsum && d.BlockBitmapCsum() != tx.blockBitmapSum(block)&d.CsumMask() {
			return nil, corruptf("group %d: block bitmap: wrong checksum", g)
		}
		taken = bytes.Clone(block)
		for _, m := range meta {
			if free := taken.next(false, m.first, m.first+m.n); free < m.first+m.n {
				return nil, corruptf("group %d: block bitmap: block %d holds metadata and is marked free", g, tx.clusterStart(g, free))
			}
		}
	}
	if free := taken.zeros(end); free != d.FreeBlocks() {
		return nil, corruptf("group %d: block bitmap has %d free blocks, the descriptor %d", g, free, d.FreeBlocks())
	}
	s.taken, s.meta = taken, meta
	return s, nil
}

// firstBitmap is the bitmap of a group that has none yet.
func (tx *Tx) firstBitmap(g Group, meta []metaRange) bitmap {
	b, end := make(bitmap, tx.blockSize), tx.groupClusters(g)
	for _, m := range meta {
		b.set(m.first, m.n)
	}
	b.set(end, uint32(8*tx.blockSize)-end)
	return b
}

// setClusters marks n clusters of a group, from its cluster first on, as used or free. With n = 0 it only sees to it that the
// bitmap is initialised.
func (tx *Tx) setClusters(g Group, first, n uint32, use bool) error {
	s, err := tx.loadBlocks(g)
	if err != nil {
		return err
	}
	d, err := tx.editDesc(g)
	if err != nil {
		return err
	}
	if s.bits == nil {
		if tx.flags(d)&format.BGBlockUninit != 0 {
			s.bits = tx.over.Fresh(d.BlockBitmap())
			copy(s.bits, tx.firstBitmap(g, s.meta))
		} else if s.bits, err = tx.over.Edit(d.BlockBitmap()); err != nil {
			return err
		}
	}
	if wrong := s.bits.next(use, first, first+n); wrong < first+n {
		return corruptf("group %d: block %d is marked as %s already", g, tx.clusterStart(g, wrong), usage(use))
	}
	delta := n
	if use {
		s.bits.set(first, n)
		s.taken.set(first, n)
		delta = -n
	} else {
		s.bits.clear(first, n) // taken keeps them until the commit
		tx.frozen += uint64(n) * uint64(tx.clusterBlocks)
	}
	tx.sb.SetFreeBlocks(tx.sb.FreeBlocks() + uint64(int64(int32(delta)))*uint64(tx.clusterBlocks))
	d.SetFreeBlocks(d.FreeBlocks() + delta)
	if tx.groupCsum {
		format.BGFlags.Set(d, format.BGFlags.Get(d)&^format.BGBlockUninit)
	}
	return nil
}

func usage(use bool) string {
	if use {
		return "used"
	}
	return "free"
}
