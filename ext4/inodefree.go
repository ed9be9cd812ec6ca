package ext4

// This file frees inodes.

import (
	"boringboot/ext4/internal/format"
)

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
	d, err := tx.desc(g)
	if err != nil {
		return err
	}
	if isDir && d.UsedDirs() == 0 {
		return corruptf("inode %d: a directory in group %d, whose descriptor counts none", ino, g)
	}
	bits, err := tx.over.Edit(d.InodeBitmap())
	if err != nil {
		return err
	}
	bitmap(bits).clear(index, 1)
	s := tx.group(g)
	if s.freedInodes == nil {
		s.freedInodes = map[uint32]bool{}
	}
	s.freedInodes[index] = true
	format.SFreeInodesCount.Set(tx.sb, format.SFreeInodesCount.Get(tx.sb)+1)
	return tx.editDesc(g, func(d format.GroupDesc) {
		d.SetFreeInodes(d.FreeInodes() + 1)
		if isDir {
			d.SetUsedDirs(d.UsedDirs() - 1)
		}
		if tx.metadataCsum {
			d.SetInodeBitmapCsum(format.BitmapChecksum(tx.seed, bits, int(tx.inodesPerGroup/8)))
		}
	})
}
