package ext4

// This file removes a directory with everything below it: it looks at all of it first, then lets go of inode after inode. Names
// within are not taken out one by one, since their directories go as a whole.

import (
	"boringboot/ext4/internal/format"
)

// checkTree looks at everything below a directory: whether it may be removed, and whether it is a tree.
func (tx *Tx) checkTree(top Ino) error {
	seen := map[Ino]bool{top: true}
	return tx.eachDir(top, func(dir node) ([]Ino, error) {
		var below []Ino
		named := false
		err := tx.entries(dir, func(_ string, d format.Dirent) error {
			if !named {
				named = true
				if err := tx.checkNames(dir); err != nil {
					return err
				}
			}
			child, err := tx.named(d.Ino)
			if err != nil {
				return err
			}
			if err := tx.checkUnprotected(child); err != nil {
				return err
			}
			if child.Type() != format.ModeDir {
				return nil
			}
			up, err := tx.parent(child)
			if err != nil {
				return err
			}
			if up != dir.ino || seen[child.ino] {
				return corruptf("inode %d: a directory of inode %d, whose parent is inode %d, or that has two names", child.ino, dir.ino, up)
			}
			seen[child.ino] = true
			below = append(below, child.ino)
			return nil
		})
		return below, err
	})
}

// removeTree removes a directory that checkTree has looked at.
func (tx *Tx) removeTree(loc location) error {
	if err := tx.unlink(loc.dir, loc.name); err != nil {
		return err
	}
	if err := tx.addSubdir(loc.dir, -1); err != nil {
		return err
	}
	return tx.eachDir(loc.node.ino, func(dir node) ([]Ino, error) {
		var below []Ino
		err := tx.entries(dir, func(_ string, d format.Dirent) error {
			child, err := tx.named(d.Ino)
			if err != nil {
				return err
			}
			if child.Type() == format.ModeDir {
				below = append(below, d.Ino)
				return nil
			}
			return tx.dropName(d.Ino)
		})
		if err != nil {
			return nil, err
		}
		return below, tx.dropName(dir.ino)
	})
}

// eachDir calls visit for a directory and for those below it that visit names.
func (tx *Tx) eachDir(top Ino, visit func(dir node) (below []Ino, err error)) error {
	for left := []Ino{top}; len(left) > 0; {
		last := len(left) - 1
		dir, err := tx.named(left[last])
		if err != nil {
			return err
		}
		below, err := visit(dir)
		if err != nil {
			return err
		}
		left = append(left[:last], below...)
	}
	return nil
}
