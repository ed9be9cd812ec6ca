package ext4

// This file removes names, and with its last name a file: its blocks, extended attributes and inode.

import (
	"io/fs"

	"boringboot/ext4/internal/format"
)

// Remove removes a name: of a file of any kind, of which a symlink is not followed, or of an empty directory (ErrNotEmpty). What
// has no other name is given up, and what it held is overwritten with zeros: data, target, attributes, and the name itself. The
// root cannot be removed (fs.ErrInvalid). What is immutable or append-only, or in such a directory, is fs.ErrPermission.
func (tx *Tx) Remove(name string) error {
	return tx.change("remove", name, func() error {
		loc, err := tx.locate(name, false)
		if err != nil {
			return err
		}
		if !loc.exists {
			return fs.ErrNotExist
		}
		if err := tx.checkTaken(loc); err != nil {
			return err
		}
		if err := tx.checkGone(loc.node); err != nil {
			return err
		}
		return halfway(tx.removeName(loc))
	})
}

// RemoveAll removes a name and, of a directory, everything below it, or nothing if any of it cannot be removed. It is no error if
// the name is not there. Of a file that has other names elsewhere the file stays. It remembers the directories below name, four
// bytes of each and whether they were seen, and nothing of other files.
func (tx *Tx) RemoveAll(name string) error {
	return tx.change("removeall", name, func() error {
		loc, err := tx.locate(name, false)
		if err != nil || !loc.exists {
			return err
		}
		if err := tx.checkTaken(loc); err != nil {
			return err
		}
		if loc.node.Type() != format.ModeDir {
			if err := tx.checkGone(loc.node); err != nil {
				return err
			}
			return halfway(tx.removeName(loc))
		}
		if err := tx.checkTree(loc.node.ino); err != nil {
			return err
		}
		return halfway(tx.removeTree(loc))
	})
}

// checkTaken: a name that may be taken from its directory, and what it leads to from the name.
func (tx *Tx) checkTaken(loc location) error {
	if loc.name == "" {
		return kindf(fs.ErrInvalid, "the root directory has no name")
	}
	if err := tx.checkNames(loc.dir); err != nil {
		return err
	}
	if err := tx.checkUnprotected(loc.dir); err != nil {
		return err
	}
	if err := tx.checkUnprotected(loc.node); err != nil {
		return err
	}
	return tx.vetDir(loc.dir, loc.name)
}

// checkGone: what loses a name, and perhaps its last.
func (tx *Tx) checkGone(n node) error {
	if n.Type() == format.ModeDir {
		empty, err := tx.isEmptyDir(n)
		if err == nil && !empty {
			err = ErrNotEmpty
		}
		if err != nil {
			return err
		}
	}
	return tx.checkMapped(n)
}

func (tx *Tx) removeName(loc location) error {
	if err := tx.unlink(loc.dir, loc.name); err != nil {
		return err
	}
	if loc.node.Type() == format.ModeDir {
		if err := tx.addSubdir(loc.dir, -1); err != nil {
			return err
		}
	}
	return tx.dropName(loc.node.ino)
}

// dropName takes a link from an inode whose name is gone: from a directory both it has, from other files one of perhaps several.
// With the last the inode goes.
func (tx *Tx) dropName(ino Ino) error {
	n, err := tx.editInode(ino)
	if err != nil {
		return err
	}
	links := format.ILinksCount.Get(n.Inode)
	if n.Type() == format.ModeDir || links == 1 {
		return tx.dropInode(n)
	}
	format.ILinksCount.Set(n.Inode, links-1)
	n.SetCtime(tx.now)
	tx.seal(n)
	return nil
}

// dropInode gives up an inode that has no name any more, with all that it has.
func (tx *Tx) dropInode(n node) error {
	if err := tx.dropBlocks(n); err != nil {
		return err
	}
	if err := tx.dropXattrs(n); err != nil {
		return err
	}
	if rest := n.RawBlocks(); rest != 0 {
		return corruptf("inode %d: i_blocks says %d more than its blocks are", n.ino, rest)
	}
	if err := tx.freeInode(n.ino, n.Type() == format.ModeDir); err != nil {
		return err
	}
	tx.wipe(n)
	tx.dirs.forget(n.ino)
	return nil
}

// wipe leaves nothing of an inode in its slot but the generation, which the next one there must not have again, and when it was
// deleted. The kernel leaves mode, owner, times and a symlink's target as well. e2fsck takes an i_dtime below the number of
// inodes for a link of the list of orphans, so such a time is left out: without a mode none is missed.
func (tx *Tx) wipe(n node) {
	tx.leavesTraces()
	generation := format.IGeneration.Get(n.Inode)
	extra := uint16(0)
	if tx.inodeSize > format.InodeBaseSize {
		extra = format.IExtraIsize.Get(n.Inode)
	}
	clear(n.Inode)
	format.IGeneration.Set(n.Inode, generation)
	if extra != 0 {
		format.IExtraIsize.Set(n.Inode, extra)
	}
	if deleted := uint32(tx.now.Sec); deleted >= uint32(tx.inodes) {
		format.IDtime.Set(n.Inode, deleted)
	}
	tx.seal(n)
}
