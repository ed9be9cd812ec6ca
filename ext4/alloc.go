package ext4

// This file allocates and frees blocks and inodes. The bitmap, the group's descriptor and the superblock's counters change
// together, in setBlocks and setInode and nowhere else.

import (
	"bytes"

	"boringboot/ext4/internal/format"
)

// groupState is what a transaction knows of a group that it allocates in or frees in.
type groupState struct {
	// taken has the blocks that may not be allocated: those in use, and those that the transaction freed, because until the
	// commit is durable the old state still refers to them.
	taken bitmap
	meta  []metaRange
	hint  uint32 // no free block below

	inodesChecked bool
	inodeHint     uint32 // no inode below can be allocated
	// freedInodes are not allocated again: until the commit is durable the old state still names them.
	freedInodes map[uint32]bool
}

// metaRange is n blocks of a group, from the group's block first on, that hold metadata.
type metaRange struct{ first, n uint32 }

func (tx *Tx) group(g Group) *groupState {
	s := tx.state[g]
	if s == nil {
		s = &groupState{}
		tx.state[g] = s
	}
	return s
}

// editDesc changes a descriptor and sets its checksum.
func (tx *Tx) editDesc(g Group, fn func(d format.GroupDesc)) error {
	if _, err := tx.desc(g); err != nil {
		return err
	}
	b, off := tx.descAt(g)
	block, err := tx.over.Edit(b)
	if err != nil {
		return err
	}
	d := format.GroupDesc(block[off:][:tx.descSize:tx.descSize])
	fn(d)
	if tx.groupCsum {
		tx.groupChecksum().Set(g, d)
	}
	return nil
}

// metadataOf lists what of group g is taken by copies of superblock and descriptors, and by bitmaps and inode tables.
func (tx *Tx) metadataOf(g Group) ([]metaRange, error) {
	start, size := tx.groupStart(g), FSBlock(tx.groupBlocks(g))
	var list []metaRange
	add := func(b FSBlock, n uint64) {
		first, end := max(b, start), min(b+FSBlock(n), start+size)
		if first < end {
			list = append(list, metaRange{uint32(first - start), uint32(end - first)})
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
	var taken bitmap
	if tx.flags(d)&format.BGBlockUninit != 0 {
		taken = make(bitmap, tx.blockSize)
		for _, m := range meta {
			taken.set(m.first, m.n)
		}
		taken.set(tx.groupBlocks(g), uint32(8*tx.blockSize)-tx.groupBlocks(g))
	} else {
		block, err := tx.src.Block(d.BlockBitmap())
		if err != nil {
			return nil, err
		}
		sum := format.BitmapChecksum(tx.seed, block, int(tx.blocksPerGroup/8))
		if tx.metadataCsum && d.BlockBitmapCsum() != sum&d.CsumMask() {
			return nil, corruptf("group %d: block bitmap: wrong checksum", g)
		}
		taken = bytes.Clone(block)
		for _, m := range meta {
			if free := taken.next(false, m.first, m.first+m.n); free < m.first+m.n {
				return nil, corruptf("group %d: block bitmap: block %d holds metadata and is marked free", g, tx.groupStart(g)+FSBlock(free))
			}
		}
	}
	if free := taken.zeros(tx.groupBlocks(g)); free != d.FreeBlocks() {
		return nil, corruptf("group %d: block bitmap has %d free blocks, the descriptor %d", g, free, d.FreeBlocks())
	}
	s.taken, s.meta = taken, meta
	return s, nil
}

// setBlocks marks n blocks of a group, from its block first on, as used or free.
func (tx *Tx) setBlocks(g Group, first, n uint32, use bool) error {
	s, err := tx.loadBlocks(g)
	if err != nil {
		return err
	}
	d, err := tx.desc(g)
	if err != nil {
		return err
	}
	var bits bitmap
	if tx.flags(d)&format.BGBlockUninit != 0 {
		bits = tx.over.Fresh(d.BlockBitmap())
		copy(bits, s.taken) // nothing was freed in it yet
	} else if bits, err = tx.over.Edit(d.BlockBitmap()); err != nil {
		return err
	}
	if wrong := bits.next(use, first, first+n); wrong < first+n {
		return corruptf("group %d: block %d is marked as %s already", g, tx.groupStart(g)+FSBlock(wrong), usage(use))
	}
	delta := n
	if use {
		bits.set(first, n)
		s.taken.set(first, n)
		delta = -n
	} else {
		bits.clear(first, n) // taken keeps them until the commit
	}
	tx.sb.SetFreeBlocks(tx.sb.FreeBlocks() + uint64(int64(int32(delta))))
	return tx.editDesc(g, func(d format.GroupDesc) {
		d.SetFreeBlocks(d.FreeBlocks() + delta)
		if tx.groupCsum {
			format.BGFlags.Set(d, format.BGFlags.Get(d)&^format.BGBlockUninit)
		}
		if tx.metadataCsum {
			d.SetBlockBitmapCsum(format.BitmapChecksum(tx.seed, bits, int(tx.blocksPerGroup/8)))
		}
	})
}

func usage(use bool) string {
	if use {
		return "used"
	}
	return "free"
}

// allocBlocks takes up to want consecutive blocks, from goal on if it can: the first place where all of them fit, in goal's
// group and then in the next ones; else the longest run of the first group that has any.
func (tx *Tx) allocBlocks(goal FSBlock, want uint32) (FSBlock, uint32, error) {
	want = min(want, format.MaxExtentLen, tx.blocksPerGroup)
	if goal < tx.firstDataBlock || goal >= tx.blocks {
		goal = tx.firstDataBlock
	}
	home, from := tx.groupOf(goal)
	for _, least := range []uint32{want, 1} {
		for i := range uint64(tx.groups) {
			g := Group((uint64(home) + i) % uint64(tx.groups))
			first, n, err := tx.findBlocks(g, g == home, from, want, least)
			if err != nil {
				return 0, 0, err
			}
			if n >= least {
				return tx.groupStart(g) + FSBlock(first), n, tx.setBlocks(g, first, n, true)
			}
		}
		if want == 1 {
			break
		}
	}
	return 0, 0, &NoSpaceError{Resource: "blocks", Needed: uint64(want), Free: tx.freeBlocks()}
}

// findBlocks looks for a run in one group. In goal's own group the search begins there.
func (tx *Tx) findBlocks(g Group, home bool, from, want, least uint32) (first, n uint32, err error) {
	d, err := tx.desc(g)
	if err != nil || d.FreeBlocks() < least {
		return 0, 0, err
	}
	s, err := tx.loadBlocks(g)
	if err != nil {
		return 0, 0, err
	}
	end := tx.groupBlocks(g)
	s.hint = s.taken.next(false, s.hint, end)
	if home && from > s.hint {
		if first, n = s.taken.run(from, end, want); n >= want {
			return first, n, nil
		}
	}
	first, n = s.taken.run(s.hint, end, want)
	return first, n, nil
}

// freeBlocks is what can still be allocated: blocks that this transaction freed cannot.
func (tx *Tx) freeBlocks() uint64 {
	frozen := uint64(0)
	for _, r := range tx.freed {
		frozen += uint64(r.count)
	}
	return tx.sb.FreeBlocks() - min(frozen, tx.sb.FreeBlocks())
}

// blockRun is consecutive blocks on disk.
type blockRun struct {
	start FSBlock
	count uint32
}

// release frees n blocks. The commit overwrites them with zeros, so that what they held leaves no trace.
func (tx *Tx) release(start FSBlock, n uint32) error {
	for n > 0 {
		g, first := tx.groupOf(start)
		part := min(n, tx.groupBlocks(g)-first)
		s, err := tx.loadBlocks(g)
		if err != nil {
			return err
		}
		for _, m := range s.meta {
			if first < m.first+m.n && m.first < first+part {
				return corruptf("block %d to %d: a file has blocks that hold metadata of group %d", start, start+FSBlock(part)-1, g)
			}
		}
		if err := tx.setBlocks(g, first, part, false); err != nil {
			return err
		}
		tx.freed = append(tx.freed, blockRun{start, part})
		tx.data.drop(start, part)
		for i := range part {
			tx.over.Discard(start + FSBlock(i))
		}
		start += FSBlock(part)
		n -= part
	}
	return nil
}

// loadInodes reads and checks a group's inode bitmap. Nil where the group has none yet.
func (tx *Tx) loadInodes(g Group, d format.GroupDesc) (bitmap, error) {
	s := tx.group(g)
	if tx.flags(d)&format.BGInodeUninit != 0 {
		if d.FreeInodes() != tx.inodesPerGroup {
			return nil, corruptf("group %d: descriptor: %d free inodes in a group whose inode bitmap is not initialised", g, d.FreeInodes())
		}
		s.inodesChecked = true
		return nil, nil
	}
	block, err := tx.src.Block(d.InodeBitmap())
	if err != nil || s.inodesChecked {
		return block, err
	}
	sum := format.BitmapChecksum(tx.seed, block, int(tx.inodesPerGroup/8))
	if tx.metadataCsum && d.InodeBitmapCsum() != sum&d.CsumMask() {
		return nil, corruptf("group %d: inode bitmap: wrong checksum", g)
	}
	if free := bitmap(block).zeros(tx.inodesPerGroup); free != d.FreeInodes() {
		return nil, corruptf("group %d: inode bitmap has %d free inodes, the descriptor %d", g, free, d.FreeInodes())
	}
	if used := bitmap(block).next(true, tx.initialised(d), tx.inodesPerGroup); used < tx.inodesPerGroup {
		return nil, corruptf("group %d: inode bitmap: inode %d is in use, but the descriptor says that it never was", g, used)
	}
	s.inodesChecked = true
	return block, nil
}

// findInode looks for a free inode in one group.
func (tx *Tx) findInode(g Group, d format.GroupDesc) (uint32, bool, error) {
	bits, err := tx.loadInodes(g, d)
	if err != nil {
		return 0, false, err
	}
	s := tx.group(g)
	if reserved := uint64(tx.firstIno) - 1; uint64(g)*uint64(tx.inodesPerGroup) < reserved {
		s.inodeHint = max(s.inodeHint, uint32(min(reserved-uint64(g)*uint64(tx.inodesPerGroup), uint64(tx.inodesPerGroup))))
	}
	if bits == nil {
		return s.inodeHint, s.inodeHint < tx.inodesPerGroup, nil
	}
	s.inodeHint = bits.next(false, s.inodeHint, tx.inodesPerGroup)
	for s.freedInodes[s.inodeHint] {
		s.inodeHint = bits.next(false, s.inodeHint+1, tx.inodesPerGroup)
	}
	return s.inodeHint, s.inodeHint < tx.inodesPerGroup, nil
}

// allocInode takes a free inode: in the group near and after it the first that has free blocks too, else any.
func (tx *Tx) allocInode(near Group, dir bool) (Ino, error) {
	if format.SFreeInodesCount.Get(tx.sb) == 0 {
		return 0, &NoSpaceError{Resource: "inodes", Needed: 1}
	}
	for _, leastBlocks := range []uint32{1, 0} {
		for i := range uint64(tx.groups) {
			g := Group((uint64(near) + i) % uint64(tx.groups))
			d, err := tx.desc(g)
			if err != nil {
				return 0, err
			}
			if d.FreeInodes() == 0 || d.FreeBlocks() < leastBlocks {
				continue
			}
			index, ok, err := tx.findInode(g, d)
			if err != nil {
				return 0, err
			}
			if ok {
				return Ino(uint64(g)*uint64(tx.inodesPerGroup)) + Ino(index) + 1, tx.setInode(g, index, dir)
			}
		}
	}
	frozen := uint32(0)
	for _, s := range tx.state {
		frozen += uint32(len(s.freedInodes))
	}
	if free := format.SFreeInodesCount.Get(tx.sb); free != frozen {
		return 0, corruptf("superblock: %d free inodes, but the groups have %d", free, frozen)
	}
	return 0, &NoSpaceError{Resource: "inodes", Needed: 1}
}

// setInode marks an inode as used.
func (tx *Tx) setInode(g Group, index uint32, dir bool) error {
	d, err := tx.desc(g)
	if err != nil {
		return err
	}
	if tx.flags(d)&format.BGBlockUninit != 0 {
		// The kernel initialises a group's block bitmap with its inode bitmap.
		if err := tx.setBlocks(g, 0, 0, true); err != nil {
			return err
		}
	}
	if err := tx.prepareTable(g, d, index); err != nil {
		return err
	}
	var bits bitmap
	if tx.flags(d)&format.BGInodeUninit != 0 {
		bits = tx.over.Fresh(d.InodeBitmap())
		bits.set(tx.inodesPerGroup, uint32(8*tx.blockSize)-tx.inodesPerGroup)
	} else if bits, err = tx.over.Edit(d.InodeBitmap()); err != nil {
		return err
	}
	bits.set(index, 1)
	format.SFreeInodesCount.Set(tx.sb, format.SFreeInodesCount.Get(tx.sb)-1)
	return tx.editDesc(g, func(d format.GroupDesc) {
		d.SetFreeInodes(d.FreeInodes() - 1)
		if dir {
			d.SetUsedDirs(d.UsedDirs() + 1)
		}
		if tx.groupCsum {
			if index >= tx.initialised(d) {
				d.SetItableUnused(tx.inodesPerGroup - index - 1)
			}
			format.BGFlags.Set(d, format.BGFlags.Get(d)&^format.BGInodeUninit)
		}
		if tx.metadataCsum {
			d.SetInodeBitmapCsum(format.BitmapChecksum(tx.seed, bits, int(tx.inodesPerGroup/8)))
		}
	})
}

// initialised is the number of a group's inodes, from the first on, whose bytes in the inode table mean something.
func (v *view) initialised(d format.GroupDesc) uint32 {
	if v.flags(d)&format.BGInodeUninit != 0 {
		return 0
	}
	if !v.groupCsum {
		return v.inodesPerGroup
	}
	return v.inodesPerGroup - d.ItableUnused()
}

// prepareTable zeroes the inode table up to the block that an inode is in, where nobody has done so yet: what is there is
// whatever the device had before.
func (tx *Tx) prepareTable(g Group, d format.GroupDesc, index uint32) error {
	first := tx.initialised(d)
	if index < first || tx.flags(d)&format.BGInodeZeroed != 0 {
		return nil
	}
	perBlock := uint32(tx.blockSize / tx.inodeSize)
	for first <= index {
		b := d.InodeTable() + FSBlock(first/perBlock)
		if first%perBlock == 0 {
			tx.over.Fresh(b)
		} else {
			block, err := tx.over.Edit(b)
			if err != nil {
				return err
			}
			clear(block[first%perBlock*uint32(tx.inodeSize):])
		}
		first = (first/perBlock + 1) * perBlock
	}
	return nil
}
