package ext4

// This file makes and changes inodes.

import (
	"boringboot/ext4/internal/format"
)

// editInode gives an inode whose bytes may be changed; seal sets its checksum afterwards. Until the transaction ends it is the
// same bytes every time.
func (tx *Tx) editInode(ino Ino) (node, error) {
	if _, err := tx.inode(ino); err != nil {
		return node{}, err
	}
	return tx.editRaw(ino)
}

// editRaw is editInode for an inode that may hold anything.
func (tx *Tx) editRaw(ino Ino) (node, error) {
	b, off, err := tx.inodeAt(ino)
	if err != nil {
		return node{}, err
	}
	block, err := tx.over.Edit(b)
	if err != nil {
		return node{}, err
	}
	if tx.sb.HasROCompat(format.ROCompatQuota) {
		tx.edited[ino] = true
	}
	return node{ino, format.Inode(block[off:][:tx.inodeSize:tx.inodeSize])}, nil
}

func (tx *Tx) seal(n node) {
	if tx.metadataCsum {
		n.SetChecksum(tx.seed, n.ino)
	}
}

// newInode makes an inode near a directory. Its link count is 1; it has no blocks and no name yet.
func (tx *Tx) newInode(dir node, mode uint16, a Attr) (node, error) {
	near, err := tx.placeInode(dir, mode == format.ModeDir)
	if err != nil {
		return node{}, err
	}
	ino, err := tx.allocInode(near, mode == format.ModeDir)
	if err != nil {
		return node{}, err
	}
	n, err := tx.editRaw(ino)
	if err != nil {
		return node{}, err
	}
	generation := tx.generation(n)
	clear(n.Inode)
	format.IMode.Set(n.Inode, mode|permissions(a.Mode))
	format.ILinksCount.Set(n.Inode, 1)
	format.IGeneration.Set(n.Inode, generation)
	if tx.inodeSize > format.InodeBaseSize {
		format.IExtraIsize.Set(n.Inode, tx.extraSize())
	}
	tx.inherit(n, dir)
	n.SetUID(a.UID)
	n.SetGID(a.GID)
	n.SetAtime(tx.now)
	n.SetMtime(tx.now)
	n.SetCtime(tx.now)
	n.SetCrtime(tx.now)
	tx.initMap(n)
	tx.seal(n)
	return n, nil
}

// generation is a new inode's: not the one of the slot's last user, and the same for the same inputs.
func (tx *Tx) generation(old node) uint32 {
	g := format.InodeSeed(tx.seed, old.ino, uint32(tx.now.Sec))
	if g == format.IGeneration.Get(old.Inode) {
		g++
	}
	return g
}

// extraSize is i_extra_isize of new inodes: what the kernel's struct needs, or what the superblock asks for if it is more.
func (tx *Tx) extraSize() uint16 {
	size := uint16(format.InodeExtraSize)
	if tx.sb.HasROCompat(format.ROCompatExtraIsize) {
		size = max(size, format.SWantExtraIsize.Get(tx.sb), format.SMinExtraIsize.Get(tx.sb))
	}
	return min(size, uint16(tx.inodeSize-format.InodeBaseSize)) &^ 3
}

// addBlocks counts blocks in i_blocks; negative ones are given up. With bigalloc they are whole clusters (clusters.go).
func (tx *Tx) addBlocks(n node, blocks int64) error {
	limit := uint64(1)<<32 - 1
	if tx.sb.HasROCompat(format.ROCompatHugeFile) {
		limit = 1<<48 - 1
	}
	unit := int64(tx.blockSize / 512)
	if n.flag(format.InodeHugeFile) {
		unit = 1
	}
	count := int64(n.RawBlocks()) + blocks*unit
	switch {
	case count < 0:
		return corruptf("inode %d: i_blocks is %d, but it has %d blocks to give up", n.ino, n.RawBlocks(), -blocks)
	case uint64(count) > limit:
		return ErrTooLarge
	}
	n.SetRawBlocks(uint64(count))
	return nil
}

// touch sets the times of an inode whose content changed.
func (tx *Tx) touch(n node) {
	n.SetMtime(tx.now)
	n.SetCtime(tx.now)
}
