package ext4

// This file is directories in the inode: the parent's number in four bytes, entries in the other 56 of i_block, and further ones in
// the value of system.data. "." and ".." have no entries. One that is full moves into a block.

import (
	"bytes"

	"boringboot/ext4/internal/format"
)

const inlineParent = 4 // bytes of i_block before the entries

// inlineParts are copies of the two places where entries are; the second is empty where system.data is.
func (v *view) inlineParts(n node) ([2]format.DirBlock, error) {
	data, _, _, err := v.inlineData(n)
	if err != nil {
		return [2]format.DirBlock{}, err
	}
	if n.Type() != format.ModeDir || n.Size() != uint64(len(data)) {
		return [2]format.DirBlock{}, corruptf("inode %d: a directory of %d bytes that has %d in the inode", n.ino, n.Size(), len(data))
	}
	return [2]format.DirBlock{data[inlineParent:format.IBlockSize], data[format.IBlockSize:]}, nil
}

// eachInPart calls visit for every entry of one of the two parts, free ones too, until it says stop.
func (v *view) eachInPart(n node, part int, b format.DirBlock, visit func(d format.Dirent) (stop bool, err error)) (bool, error) {
	for off := 0; off < len(b); {
		d, err := b.At(off)
		if err != nil {
			return false, corruptf("inode %d: directory in the inode, part %d: %w", n.ino, part, err)
		}
		if d.Ino > v.inodes {
			return false, corruptf("inode %d: directory in the inode, part %d: entry at byte %d names inode %d of %d", n.ino, part, off, d.Ino, v.inodes)
		}
		if stop, err := visit(d); stop || err != nil {
			return stop, err
		}
		off += d.RecLen
	}
	return false, nil
}

// inlineDots are "." and ".." as a block would have them.
func (v *view) inlineDots(n node) ([2]format.Dirent, error) {
	parent := format.Ino(format.U32(0).Get(n.IBlock()))
	if parent == 0 || parent > v.inodes {
		return [2]format.Dirent{}, corruptf("inode %d: directory in the inode: its parent is inode %d of %d", n.ino, parent, v.inodes)
	}
	typ := uint8(format.FTUnknown)
	if v.filetype {
		typ = format.FTDir
	}
	dot := format.DirentSize(1)
	return [2]format.Dirent{
		{RecLen: dot, Ino: n.ino, Type: typ, Name: []byte(".")},
		{Offset: dot, RecLen: format.DirentSize(2), Ino: parent, Type: typ, Name: []byte("..")},
	}, nil
}

// eachInline is each for a directory in the inode.
func (v *view) eachInline(n node, visit func(d format.Dirent) (stop bool, err error)) error {
	dots, err := v.inlineDots(n)
	if err != nil {
		return err
	}
	for _, d := range dots {
		if stop, err := visit(d); stop || err != nil {
			return err
		}
	}
	parts, err := v.inlineParts(n)
	if err != nil {
		return err
	}
	for i, b := range parts {
		stop, err := v.eachInPart(n, i, b, func(d format.Dirent) (bool, error) {
			if d.Ino == 0 {
				return false, nil
			}
			return visit(d)
		})
		if stop || err != nil {
			return err
		}
	}
	return nil
}

// findInline is find for a directory in the inode.
func (v *view) findInline(n node, name string) (found format.Dirent, ok bool, err error) {
	err = v.eachInline(n, func(d format.Dirent) (bool, error) {
		found, ok = d, string(d.Name) == name
		return ok, nil
	})
	return found, ok, err
}

// inline is block for a directory in the inode, all of it.
func (c *dirCheck) inline(visit func(d format.Dirent) error) error {
	dots, err := c.v.inlineDots(c.dir)
	if err != nil {
		return err
	}
	for i, d := range dots {
		if err := c.dots(d, i+1); err != nil {
			return err
		}
	}
	parts, err := c.v.inlineParts(c.dir)
	if err != nil {
		return err
	}
	for i, b := range parts {
		_, err := c.v.eachInPart(c.dir, i, b, func(d format.Dirent) (bool, error) {
			if d.Ino == 0 {
				return false, nil
			}
			if err := c.entry(FileBlock(i), d); err != nil || visit == nil {
				return false, err
			}
			return false, visit(d)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// setInlinePart puts a part back that was changed.
func (tx *Tx) setInlinePart(n node, part int, b format.DirBlock) error {
	data, _, _, err := tx.inlineData(n)
	if err != nil {
		return err
	}
	copy(data[[2]int{inlineParent, format.IBlockSize}[part]:], b)
	return tx.setInline(n, data)
}

// editInlineEntry changes an entry that has to be there: fn gets the part that it is in, and the offset of the entry before it there,
// -1 for the first. The directory is sealed by the caller.
func (tx *Tx) editInlineEntry(dir node, name string, fn func(b format.DirBlock, before int, d format.Dirent)) error {
	parts, err := tx.inlineParts(dir)
	if err != nil {
		return err
	}
	for i, b := range parts {
		before := -1
		found, err := tx.eachInPart(dir, i, b, func(d format.Dirent) (bool, error) {
			if d.Ino != 0 && string(d.Name) == name {
				fn(b, before, d)
				return true, nil
			}
			before = d.Offset
			return false, nil
		})
		if err != nil {
			return err
		}
		if found {
			return tx.setInlinePart(dir, i, b)
		}
	}
	return corruptf("inode %d: an entry that was found is gone", dir.ino)
}

// insertInline puts an entry into a directory in the inode, where there is room: the value of system.data begins to be used when
// i_block is full, with all the room that it can have (ext4_try_add_inline_entry). Where there is none the directory moves into a
// block, and false is returned.
func (tx *Tx) insertInline(dir node, e newEntry) (bool, error) {
	parts, err := tx.inlineParts(dir)
	if err != nil {
		return false, err
	}
	for i, b := range parts {
		if i == 1 && len(b) == 0 {
			if b, err = tx.growInline(dir); err != nil || b == nil {
				break
			}
		}
		ok, err := tx.insertInPart(dir, i, b, e)
		if err != nil {
			return false, err
		}
		if ok {
			return true, tx.setInlinePart(dir, i, b)
		}
	}
	if err != nil {
		return false, err
	}
	return false, tx.outlineDir(dir)
}

func (tx *Tx) insertInPart(dir node, part int, b format.DirBlock, e newEntry) (bool, error) {
	need := format.DirentSize(len(e.name))
	return tx.eachInPart(dir, part, b, func(d format.Dirent) (bool, error) {
		used := 0
		if d.Ino != 0 {
			used = format.DirentSize(len(d.Name))
		}
		if d.RecLen-used < need {
			return false, nil
		}
		if used > 0 {
			b.SetRecLen(d.Offset, used)
		}
		b.Put(d.Offset+used, d.RecLen-used, e.ino, e.typ, e.name)
		return true, nil
	})
}

// growInline gives system.data all the room that the inode has, with one free entry in it; nil where that is too little
// (ext4_update_inline_dir).
func (tx *Tx) growInline(dir node) (format.DirBlock, error) {
	room, err := tx.inlineRoom(dir)
	if err != nil || room-format.IBlockSize <= format.MinDirentSize {
		return nil, err
	}
	b := make(format.DirBlock, room-format.IBlockSize)
	b.SetRecLen(0, len(b))
	if err := tx.setInline(dir, append(bytes.Clone(dir.IBlock()), b...)); err != nil {
		return nil, err
	}
	dir.SetSize(uint64(room))
	return b, nil
}

// makeInlineDir makes a new directory an empty one in the inode, if there is room for one. The caller seals it.
func (tx *Tx) makeInlineDir(n node, parent Ino) (bool, error) {
	if !tx.sb.HasIncompat(format.IncompatInlineData) {
		return false, nil
	}
	if room, err := tx.inlineRoom(n); err != nil || room == 0 {
		return false, err
	}
	data := make([]byte, format.IBlockSize)
	format.U32(0).Set(data, uint32(parent))
	format.DirBlock(data[inlineParent:]).SetRecLen(0, format.IBlockSize-inlineParent)
	if err := tx.setInline(n, data); err != nil {
		return false, err
	}
	n.SetSize(format.IBlockSize)
	return true, nil
}

// outlineDir moves a directory from the inode into a block, with entries for "." and "..". The caller seals it.
func (tx *Tx) outlineDir(dir node) error {
	var list []format.Dirent
	err := tx.eachInline(dir, func(d format.Dirent) (bool, error) {
		list = append(list, d)
		return false, nil
	})
	if err != nil {
		return err
	}
	if err := tx.dropInline(dir); err != nil {
		return err
	}
	dir.SetSize(0)
	_, block, err := tx.appendDirBlock(dir)
	if err != nil {
		return err
	}
	known := &linearDir{names: map[string]FileBlock{}}
	tx.dirs.linear[dir.ino] = known
	b, off := format.DirBlock(block), 0
	for i, d := range list {
		if i > 1 {
			known.names[string(d.Name)] = 0
		}
		size := format.DirentSize(len(d.Name))
		if off+size > tx.leafSpace() {
			return corruptf("inode %d: directory in the inode: more entries than fit into a block", dir.ino)
		}
		if i == len(list)-1 {
			size = tx.leafSpace() - off
		}
		b.Put(off, size, d.Ino, d.Type, string(d.Name))
		off += size
	}
	tx.sealLeaf(dir, b)
	return nil
}
