package ext4

// This file deletes inodes that nothing refers to.

import "boringboot/ext4/internal/format"

// dropInode frees an inode without links and all that it has.
func (tx *Tx) dropInode(n node) error {
	isDir := n.Type() == format.ModeDir
	if err := tx.dropXattrs(n); err != nil {
		return err
	}
	if n.RawBlocks() > 0 {
		if err := tx.dropBlocks(n); err != nil {
			return err
		}
	}
	format.IDtime.Set(n.Inode, uint32(tx.now.Sec))
	tx.seal(n)
	return tx.freeInode(n.ino, isDir)
}
