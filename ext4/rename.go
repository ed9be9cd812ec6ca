package ext4

// This file renames files and directories.

import (
	"io/fs"
	"path"
	"strings"

	"boringboot/ext4/internal/format"
)

// Rename gives a file or a directory another name and perhaps another directory, as rename(2) does: a file of any kind but a
// directory replaces one that has the name (ErrIsDir where that is a directory), a directory an empty one (ErrNotEmpty, ErrNotDir);
// symlinks at the end of either path are not followed; where both are names of one file, nothing happens. A directory cannot
// become part of itself (fs.ErrInvalid), nor the root be renamed or replaced. What is replaced loses this name, and if it was the
// last, goes as Remove lets it go.
func (tx *Tx) Rename(old, new string) error {
	return tx.changePair("rename", old, new, func() error {
		r, err := tx.locateBoth(old, new)
		if err != nil {
			return err
		}
		if err := r.checkPlaces(); err != nil {
			return err
		}
		if r.to.exists && r.to.node.ino == r.from.node.ino {
			return nil
		}
		if err := tx.checkRename(r); err != nil {
			return err
		}
		return halfway(tx.rename(r))
	})
}

type renaming struct {
	from, to location
}

// locateBoth complains in the kernel's order: directories on the way first.
func (tx *Tx) locateBoth(old, new string) (r renaming, err error) {
	if r.from, err = tx.locate(old, false); err != nil {
		return r, err
	}
	if len(r.from.missing) > 1 {
		return r, fs.ErrNotExist
	}
	if r.to, err = tx.locate(new, false); err != nil {
		if !r.from.exists && len(path.Base(new)) > format.MaxNameLen {
			err = fs.ErrNotExist
		}
		return r, err
	}
	if !r.from.exists || len(r.to.missing) > 1 {
		return r, fs.ErrNotExist
	}
	return r, nil
}

// checkPlaces: neither is the root, and neither is above the other.
func (r renaming) checkPlaces() error {
	toDir := r.to.path
	if r.to.exists {
		toDir = path.Dir(toDir)
	}
	switch {
	case r.from.name == "" || r.to.exists && r.to.name == "":
		return kindf(fs.ErrInvalid, "the root directory has no name")
	case within(toDir, r.from.path):
		return kindf(fs.ErrInvalid, "inode %d would become part of itself", r.from.node.ino)
	case r.to.exists && within(path.Dir(r.from.path), r.to.path):
		return ErrNotEmpty
	}
	return nil
}

// within tells whether a path without symlinks is a directory or below it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

func (r renaming) isDir() bool { return r.from.node.Type() == format.ModeDir }

func (tx *Tx) checkRename(r renaming) error {
	if err := tx.checkTaken(r.from); err != nil {
		return err
	}
	if err := tx.checkProject(r.to.dir, r.from.node); err != nil {
		return err
	}
	if !r.to.exists {
		if err := tx.checkNew(r.to); err != nil {
			return err
		}
		if r.isDir() && r.from.dir.ino != r.to.dir.ino {
			if err := tx.checkSubdir(r.to.dir); err != nil {
				return err
			}
		}
	} else if err := tx.checkReplaced(r); err != nil {
		return err
	}
	if !r.isDir() {
		return nil
	}
	up, err := tx.parent(r.from.node)
	if err == nil && up != r.from.dir.ino {
		err = corruptf("inode %d: a directory of inode %d, but its parent is inode %d", r.from.node.ino, r.from.dir.ino, up)
	}
	return err
}

func (tx *Tx) checkReplaced(r renaming) error {
	if err := tx.checkTaken(r.to); err != nil {
		return err
	}
	switch isDir := r.to.node.Type() == format.ModeDir; {
	case isDir && !r.isDir():
		return ErrIsDir
	case !isDir && r.isDir():
		return ErrNotDir
	}
	return tx.checkGone(r.to.node)
}

// rename enters the new name before it takes out the old one: both may be in one directory, whose blocks the entry may move.
func (tx *Tx) rename(r renaming) error {
	n, err := tx.editInode(r.from.node.ino)
	if err != nil {
		return err
	}
	n.SetCtime(tx.now)
	tx.seal(n)
	if r.to.exists {
		err = tx.relink(r.to.dir, r.to.name, n)
	} else {
		err = tx.link(r.to.dir, r.to.name, n)
	}
	if err != nil {
		return err
	}
	if err := tx.unlink(r.from.dir, r.from.name); err != nil {
		return err
	}
	if r.to.exists {
		if err := tx.dropName(r.to.node.ino); err != nil {
			return err
		}
	}
	if r.isDir() {
		return tx.moveSubdir(r)
	}
	return nil
}

// moveSubdir lets the directories around one that was renamed know: its old one has one subdirectory less, the new one one more
// unless it replaced one there.
func (tx *Tx) moveSubdir(r renaming) error {
	same := r.from.dir.ino == r.to.dir.ino
	if !same {
		if err := tx.setParent(r.from.node, r.to.dir.ino); err != nil {
			return err
		}
	}
	if !same || r.to.exists {
		if err := tx.addSubdir(r.from.dir, -1); err != nil {
			return err
		}
	}
	if !same && !r.to.exists {
		return tx.addSubdir(r.to.dir, 1)
	}
	return nil
}
