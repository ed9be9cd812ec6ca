package ext4

// This file takes inodes and frees them: the inode bitmap, the counters of descriptor and superblock, and the part of the inode
// table that nobody has initialised.

import (
	"boringboot/ext4/internal/format"
)

// loadInodes reads and checks a group's inode bitmap. Nil where the group has none yet.
func (tx *Tx) loadInodes(g Group, d format.GroupDesc) (bitmap, error) {
	s := tx.group(g)
	if s.inodes != nil {
		return s.inodes, nil
	}
	if tx.flags(d)&format.BGInodeUninit != 0 {
		if d.FreeInodes() != tx.inodesPerGroup {
			return nil, corruptf("group %d: descriptor: %d free inodes in a group whose inode bitmap is not initialised", g, d.FreeInodes())
		}
		return nil, nil
	}
	block, err := tx.src.Block(d.InodeBitmap())
	if err != nil || s.inodesChecked {
		return block, err
	}
	if tx.metadataCsum && d.InodeBitmapCsum() != tx.inodeBitmapSum(block)&d.CsumMask() {
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

// editInodes gives a group's inode bitmap to be changed.
func (tx *Tx) editInodes(g Group, d format.GroupDesc) (bitmap, error) {
	s := tx.group(g)
	if s.inodes != nil {
		return s.inodes, nil
	}
	if _, err := tx.loadInodes(g, d); err != nil {
		return nil, err
	}
	if tx.flags(d)&format.BGInodeUninit != 0 {
		s.inodes = tx.over.Fresh(d.InodeBitmap())
		s.inodes.set(tx.inodesPerGroup, uint32(8*tx.blockSize)-tx.inodesPerGroup)
		return s.inodes, nil
	}
	bits, err := tx.over.Edit(d.InodeBitmap())
	if err != nil {
		return nil, err
	}
	s.inodes = bits
	return s.inodes, nil
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

// takeInode takes a free inode of a group, if there is one.
func (tx *Tx) takeInode(g Group, dir bool) (Ino, bool, error) {
	d, err := tx.desc(g)
	if err != nil || d.FreeInodes() == 0 {
		return 0, false, err
	}
	index, ok, err := tx.findInode(g, d)
	if err != nil || !ok {
		return 0, false, err
	}
	return Ino(uint64(g)*uint64(tx.inodesPerGroup)) + Ino(index) + 1, true, tx.setInode(g, index, dir)
}

// setInode marks an inode as used.
func (tx *Tx) setInode(g Group, index uint32, dir bool) error {
	d, err := tx.editDesc(g)
	if err != nil {
		return err
	}
	if tx.flags(d)&format.BGBlockUninit != 0 {
		// The kernel initialises a group's block bitmap with its inode bitmap.
		if err := tx.setClusters(g, 0, 0, true); err != nil {
			return err
		}
	}
	if err := tx.prepareTable(g, d, index); err != nil {
		return err
	}
	bits, err := tx.editInodes(g, d)
	if err != nil {
		return err
	}
	bits.set(index, 1)
	format.SFreeInodesCount.Set(tx.sb, format.SFreeInodesCount.Get(tx.sb)-1)
	d.SetFreeInodes(d.FreeInodes() - 1)
	if dir {
		tx.dirCount.n++
		d.SetUsedDirs(d.UsedDirs() + 1)
	}
	if tx.groupCsum {
		if index >= tx.initialised(d) {
			d.SetItableUnused(tx.inodesPerGroup - index - 1)
		}
		format.BGFlags.Set(d, format.BGFlags.Get(d)&^format.BGInodeUninit)
	}
	return nil
}

// freeInode marks an inode as free; isDir says that it counts as a directory in its group. What its slot of the inode table holds
// is the caller's. It is not allocated again in this transaction, and bg_itable_unused stays: the slot has been in use.
func (tx *Tx) freeInode(ino Ino, isDir bool) error {
	if ino < tx.firstIno || ino > tx.inodes {
		return corruptf("inode %d: to be freed, but it is reserved or does not exist", ino)
	}
	used, err := tx.inodeUsed(ino)
	if err != nil {
		return err
	}
	if !used {
		return corruptf("inode %d: to be freed, but its bitmap calls it free", ino)
	}
	g, index := tx.inodeGroup(ino)
	d, err := tx.editDesc(g)
	if err != nil {
		return err
	}
	if isDir && d.UsedDirs() == 0 {
		return corruptf("inode %d: a directory in group %d, whose descriptor counts none", ino, g)
	}
	bits, err := tx.editInodes(g, d)
	if err != nil {
		return err
	}
	bits.clear(index, 1)
	s := tx.group(g)
	if s.freedInodes == nil {
		s.freedInodes = map[uint32]bool{}
	}
	s.freedInodes[index] = true
	format.SFreeInodesCount.Set(tx.sb, format.SFreeInodesCount.Get(tx.sb)+1)
	d.SetFreeInodes(d.FreeInodes() + 1)
	if isDir {
		tx.dirCount.n--
		d.SetUsedDirs(d.UsedDirs() - 1)
	}
	return nil
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
			if d.FreeBlocks() < leastBlocks {
				continue
			}
			if ino, ok, err := tx.takeInode(g, dir); ok || err != nil {
				return ino, err
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
