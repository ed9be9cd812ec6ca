package ext4

// This file gives files further names, and says what may be done to a name.

import (
	"io/fs"

	"boringboot/ext4/internal/format"
)

// Link makes new another name of old. A symlink at the end of old is not followed: it is what gets the name. A directory has one
// name only (fs.ErrPermission, as link(2) has it), any other file up to 65,000 (ErrTooManyLinks).
func (tx *Tx) Link(old, new string) error {
	return tx.changePair("link", old, new, func() error {
		from, err := tx.locate(old, false)
		if err != nil {
			return err
		}
		if !from.exists {
			return fs.ErrNotExist
		}
		to, err := tx.locate(new, false)
		if err != nil {
			return err
		}
		if err := tx.checkNew(to); err != nil {
			return err
		}
		if err := tx.checkLinkable(from.node); err != nil {
			return err
		}
		if err := tx.checkProject(to.dir, from.node); err != nil {
			return err
		}
		return halfway(tx.addName(from.node.ino, to))
	})
}

// checkLinkable: no directory, not protected, and with links to spare.
func (tx *Tx) checkLinkable(n node) error {
	if err := tx.checkUnprotected(n); err != nil {
		return err
	}
	if n.Type() == format.ModeDir {
		return kindf(fs.ErrPermission, "inode %d is a directory", n.ino)
	}
	if format.ILinksCount.Get(n.Inode) >= linkMax {
		return ErrTooManyLinks
	}
	return nil
}

func (tx *Tx) addName(ino Ino, to location) error {
	n, err := tx.editInode(ino)
	if err != nil {
		return err
	}
	format.ILinksCount.Set(n.Inode, format.ILinksCount.Get(n.Inode)+1)
	n.SetCtime(tx.now)
	tx.seal(n)
	return tx.link(to.dir, to.name, n)
}

// checkUnprotected: an inode that is of the tree, and neither immutable nor append-only. Its names and its link count may be
// changed; verity protects what it holds, not these.
func (tx *Tx) checkUnprotected(n node) error {
	if n.ino < tx.firstIno && n.ino != format.RootIno {
		return corruptf("inode %d: reserved, but a file of the tree", n.ino)
	}
	if n.flag(format.InodeImmutable | format.InodeAppend) {
		return tx.immutable(n)
	}
	return tx.checkPlain(n)
}

// checkNames: a directory whose names may be changed. Those of an encrypted one cannot be written without its key, those of a
// casefolded one not without Unicode's tables. An append-only one takes new names; checkUnprotected is for what takes them away.
func (tx *Tx) checkNames(dir node) error {
	switch {
	case dir.ino < tx.firstIno && dir.ino != format.RootIno:
		return corruptf("inode %d: reserved, but a directory of the tree", dir.ino)
	case dir.flag(format.InodeImmutable):
		return tx.immutable(dir)
	case dir.flag(format.InodeEncrypt):
		return unsupportedf("inode %d: a directory with encrypted names", dir.ino)
	case dir.flag(format.InodeCasefold):
		return unsupportedf("inode %d: a directory that does not tell upper from lower case", dir.ino)
	}
	return nil
}
