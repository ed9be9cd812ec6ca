package ext4

// This file cleans up inodes that were left halfway: those that had lost their last name while they were open are deleted,
// those that were being truncated or extended are cut to their size. The superblock begins a list of them that goes on in
// i_dtime (kernel: ext4_orphan_cleanup), or they are in the orphan file.

import (
	"boringboot/ext4/internal/format"
)

// cleanOrphans cleans up all that the superblock's list and the orphan file name.
func (tx *Tx) cleanOrphans(r *Recovery) error {
	if err := tx.cleanOrphanList(r); err != nil {
		return err
	}
	var listed []Ino
	err := tx.orphanBlocks(func(n node, at FSBlock, b format.OrphanBlock) error {
		list := b.Inodes()
		if len(list) == 0 {
			return nil
		}
		listed = append(listed, list...)
		block, err := tx.over.Edit(at)
		if err != nil {
			return err
		}
		format.OrphanBlock(block).Empty()
		if tx.metadataCsum {
			format.OrphanBlock(block).SetChecksum(tx.seedOf(n), at)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, ino := range listed {
		if err := tx.cleanOrphan(ino, r); err != nil {
			return err
		}
	}
	format.SFeatureROCompat.Set(tx.sb, format.SFeatureROCompat.Get(tx.sb)&^format.ROCompatOrphanPresent)
	format.SState.Set(tx.sb, format.SState.Get(tx.sb)&^format.StateOrphan)
	return nil
}

// cleanOrphanList follows the list. It ends: an inode that was on it is not an orphan any more.
func (tx *Tx) cleanOrphanList(r *Recovery) error {
	seen := map[Ino]bool{}
	for {
		ino := Ino(format.SLastOrphan.Get(tx.sb))
		if ino == 0 {
			return nil
		}
		if seen[ino] {
			return corruptf("inode %d: twice on the list of orphans", ino)
		}
		seen[ino] = true
		n, err := tx.orphan(ino)
		if err != nil {
			return err
		}
		format.SLastOrphan.Set(tx.sb, format.IDtime.Get(n.Inode))
		format.IDtime.Set(n.Inode, 0)
		tx.seal(n)
		if err := tx.cleanOrphan(ino, r); err != nil {
			return err
		}
	}
}

// orphan gives an inode that may have no links and no name, to be changed.
func (tx *Tx) orphan(ino Ino) (node, error) {
	if ino < tx.firstIno || ino > tx.inodes {
		return node{}, corruptf("inode %d: an orphan, but reserved or beyond the last of %d", ino, tx.inodes)
	}
	used, err := tx.inodeUsed(ino)
	if err != nil {
		return node{}, err
	}
	if !used {
		return node{}, corruptf("inode %d: an orphan, but the bitmap calls it free", ino)
	}
	n, err := tx.editRaw(ino)
	if err != nil {
		return node{}, err
	}
	looksLike := node{ino, append(format.Inode(nil), n.Inode...)} // but for what makes it an orphan
	if tx.metadataCsum && !n.ChecksumOK(tx.seed, ino) {
		return node{}, corruptf("inode %d: wrong checksum", ino)
	}
	format.IDtime.Set(looksLike.Inode, 0)
	if format.ILinksCount.Get(n.Inode) == 0 {
		format.ILinksCount.Set(looksLike.Inode, 1)
	}
	tx.seal(looksLike)
	return n, tx.checkInode(looksLike)
}

// cleanOrphan deletes an inode without links, and cuts another one to its size.
func (tx *Tx) cleanOrphan(ino Ino, r *Recovery) error {
	n, err := tx.orphan(ino)
	if err != nil {
		return err
	}
	if format.ILinksCount.Get(n.Inode) == 0 {
		r.Deleted++
		return tx.dropInode(n)
	}
	switch n.Type() {
	case format.ModeRegular, format.ModeDir, format.ModeSymlink:
		if !tx.fastSymlink(n) {
			r.Truncated++
			return tx.truncate(n, n.Size())
		}
	}
	return nil
}
