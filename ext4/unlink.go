package ext4

// This file takes names out of directories, and rewrites what a directory says of the tree around it: ".." and its link count.
// Blocks that become empty stay, as the kernel leaves them.

import (
	"errors"

	"boringboot/ext4/internal/format"
)

// place is where an entry is.
type place struct {
	at     FSBlock
	fb     FileBlock
	entry  format.Dirent
	before int // offset of the entry before it in its block, -1 for the first
}

// placeOf finds an entry that has to be there.
func (tx *Tx) placeOf(dir node, name string) (place, error) {
	blocks, err := tx.dirBlocks(dir)
	if err != nil {
		return place{}, err
	}
	first := FileBlock(0)
	if tx.hashed(dir) {
		d, fb, err := tx.findHashed(dir, name)
		if err != nil {
			return place{}, err
		}
		if d.Ino == 0 {
			return place{}, corruptf("inode %d: an entry is gone from the index", dir.ino)
		}
		first, blocks = fb, fb+1
	} else if known := tx.linearOf(dir); known != nil {
		fb, there := known.names[name]
		if !there {
			return place{}, corruptf("inode %d: an entry is gone", dir.ino)
		}
		first, blocks = fb, min(blocks, fb+1)
	}
	for fb := first; fb < blocks; fb++ {
		at, data, _, err := tx.dirBlock(dir, fb)
		if err != nil {
			return place{}, err
		}
		p, last := place{at: at, fb: fb}, -1
		found, err := tx.eachInBlock(dir, fb, data, func(d format.Dirent) (bool, error) {
			p.entry, p.before = d, last
			last = d.Offset
			return d.Ino != 0 && string(d.Name) == name, nil
		})
		if found || err != nil {
			return p, err
		}
	}
	return place{}, corruptf("inode %d: an entry that was found is gone", dir.ino)
}

// unlink removes a name, which is neither "." nor "..", from a directory that vetDir has looked at. Nothing of it is left in the
// block. What the name led to is not changed.
func (tx *Tx) unlink(dir node, name string) error {
	dir, err := tx.editInode(dir.ino)
	if err != nil {
		return err
	}
	if err := tx.vetDir(dir, name); err != nil {
		return err
	}
	tx.leavesTraces()
	tx.dropStaleIndex(dir)
	if dir.flag(format.InodeInlineData) {
		err = tx.editInlineEntry(dir, name, func(b format.DirBlock, before int, d format.Dirent) { b.Remove(before, d.Offset) })
	} else {
		err = tx.unlinkInBlock(dir, name)
		tx.nameGone(dir.ino, name)
	}
	if err != nil {
		return err
	}
	tx.touch(dir)
	tx.seal(dir)
	return nil
}

func (tx *Tx) unlinkInBlock(dir node, name string) error {
	p, err := tx.placeOf(dir, name)
	if err != nil {
		return err
	}
	block, err := tx.over.Edit(p.at)
	if err != nil {
		return err
	}
	b := format.DirBlock(block)
	b.Remove(p.before, p.entry.Offset)
	tx.sealLeaf(dir, b)
	tx.dirs.unlist(dir.ino)
	if known := tx.linearOf(dir); known != nil {
		known.removed(name, p.fb)
	}
	return nil
}

// setParent lets ".." of a directory lead to another one. Its times are the caller's.
func (tx *Tx) setParent(dir node, parent Ino) error {
	dir, err := tx.editInode(dir.ino)
	if err != nil {
		return err
	}
	if _, err := tx.parent(dir); err != nil {
		return err
	}
	if dir.flag(format.InodeInlineData) {
		format.U32(0).Set(dir.IBlock(), uint32(parent))
		tx.dirs.below[dir.ino] = parent
		tx.seal(dir)
		return nil
	}
	at, _, index, err := tx.dirBlock(dir, 0)
	if err != nil {
		return err
	}
	block, err := tx.over.Edit(at)
	if err != nil {
		return err
	}
	b := format.DirBlock(block)
	dot, err := b.At(0)
	if err != nil {
		return corruptf("inode %d: directory block 0: %w", dir.ino, err)
	}
	b.SetIno(dot.RecLen, parent, tx.entryType(format.ModeDir))
	tx.dirs.below[dir.ino] = parent
	if !index {
		tx.sealLeaf(dir, b)
		return nil
	}
	x, err := format.DXRoot(block, tx.metadataCsum)
	if err != nil {
		return corruptf("inode %d: directory block 0: %w", dir.ino, err)
	}
	tx.sealIndex(dir, x)
	return nil
}

var errNotEmpty = errors.New("not empty")

// isEmptyDir tells whether a directory has no entry but "." and "..", which it must have.
func (v *view) isEmptyDir(dir node) (bool, error) {
	err := v.entries(dir, func(string, format.Dirent) error { return errNotEmpty })
	if errors.Is(err, errNotEmpty) {
		return false, nil
	}
	return err == nil, err
}

// addSubdir counts a subdirectory more or, with -1, one less among a directory's links. With dir_nlink a hashed directory of more
// links than there can be has the count 1, and keeps it when subdirectories are removed (ext4_inc_count, ext4_dec_count).
func (tx *Tx) addSubdir(dir node, delta int) error {
	dir, err := tx.editInode(dir.ino)
	if err != nil {
		return err
	}
	links := format.ILinksCount.Get(dir.Inode)
	switch {
	case links == 1: // too many to count already
	case delta > 0 && links >= linkMax:
		if err := tx.checkSubdir(dir); err != nil {
			return err
		}
		links = 1
	case delta > 0:
		links++
	case links <= 2:
		return corruptf("inode %d: a subdirectory is to go, but its link count is %d", dir.ino, links)
	default:
		links--
	}
	format.ILinksCount.Set(dir.Inode, links)
	tx.seal(dir)
	return nil
}
