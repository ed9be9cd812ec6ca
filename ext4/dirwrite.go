package ext4

// This file puts names into directories: into a gap, into a new block, and once one block is full through an index.

import (
	"boringboot/ext4/internal/format"
)

// entryType is an entry's file type, which without the filetype feature is not stored.
func (tx *Tx) entryType(mode uint16) uint8 {
	if !tx.filetype {
		return format.FTUnknown
	}
	return format.FileType(mode)
}

// link enters a name that the directory does not have yet.
func (tx *Tx) link(parent node, name string, child node) error {
	dir, err := tx.editInode(parent.ino)
	if err != nil {
		return err
	}
	if err := tx.vetDir(dir, name); err != nil {
		return err
	}
	tx.dropStaleIndex(dir)
	e := newEntry{name: name, ino: child.ino, typ: tx.entryType(format.IMode.Get(child.Inode))}
	if tx.hashed(dir) {
		err = tx.insertHashed(dir, e)
	} else {
		err = tx.insertLinear(dir, e)
	}
	if err != nil {
		return err
	}
	tx.touch(dir)
	tx.seal(dir)
	return nil
}

// dropStaleIndex: without dir_index a directory that has an index is linear, its nodes look like free entries, and whoever changes
// it clears the flag, so that nothing takes them for an index later (ext4_update_dx_flag).
func (tx *Tx) dropStaleIndex(dir node) {
	if !tx.dirIndex {
		format.IFlags.Set(dir.Inode, format.IFlags.Get(dir.Inode)&^format.InodeIndex)
	}
}

// relink lets an existing name lead to another inode.
func (tx *Tx) relink(parent node, name string, child node) error {
	dir, err := tx.editInode(parent.ino)
	if err != nil {
		return err
	}
	if err := tx.vetDir(dir, name); err != nil {
		return err
	}
	tx.dropStaleIndex(dir)
	typ := tx.entryType(format.IMode.Get(child.Inode))
	if dir.flag(format.InodeInlineData) {
		err = tx.editInlineEntry(dir, name, func(b format.DirBlock, _ int, d format.Dirent) { b.SetIno(d.Offset, child.ino, typ) })
	} else {
		err = tx.relinkInBlock(dir, name, child.ino, typ)
	}
	if err != nil {
		return err
	}
	tx.touch(dir)
	tx.seal(dir)
	return nil
}

func (tx *Tx) relinkInBlock(dir node, name string, ino Ino, typ uint8) error {
	p, err := tx.placeOf(dir, name)
	if err != nil {
		return err
	}
	block, err := tx.over.Edit(p.at)
	if err != nil {
		return err
	}
	format.DirBlock(block).SetIno(p.entry.Offset, ino, typ)
	tx.sealLeaf(dir, block)
	return nil
}

type newEntry struct {
	name string
	ino  Ino
	typ  uint8
}

func (tx *Tx) sealLeaf(dir node, b format.DirBlock) {
	if tx.metadataCsum {
		b.SetChecksum(tx.seedOf(dir))
	}
}

// insertLinear tries every block that may have room, then makes an index of a directory of one block, or appends a block.
func (tx *Tx) insertLinear(dir node, e newEntry) error {
	if dir.flag(format.InodeInlineData) {
		if done, err := tx.insertInline(dir, e); done || err != nil {
			return err
		}
	}
	blocks, err := tx.dirBlocks(dir)
	if err != nil {
		return err
	}
	tx.dirs.unlist(dir.ino)
	known := tx.linearOf(dir) // by vetDir
	size := format.DirentSize(len(e.name))
	for fb := known.firstGap(size); fb < blocks; fb++ {
		if ok, err := tx.insertInBlock(dir, fb, e); ok || err != nil {
			known.added(e.name, size, fb)
			return err
		}
	}
	if tx.dirIndex && blocks == 1 {
		if err := tx.makeIndex(dir); err != nil {
			return err
		}
		return tx.insertHashed(dir, e)
	}
	fb, _, err := tx.appendDirBlock(dir)
	if err != nil {
		return err
	}
	if ok, err := tx.insertInBlock(dir, fb, e); !ok || err != nil {
		return corruptf("inode %d: no room in an empty directory block (%w)", dir.ino, err)
	}
	known.added(e.name, size, fb)
	return nil
}

// insertInBlock puts an entry into the first gap that is wide enough, if there is one.
func (tx *Tx) insertInBlock(dir node, fb FileBlock, e newEntry) (bool, error) {
	at, data, index, err := tx.dirBlock(dir, fb)
	if err != nil {
		return false, err
	}
	if index {
		return false, corruptf("inode %d: directory block %d: an index node where a leaf belongs", dir.ino, fb)
	}
	need := format.DirentSize(len(e.name))
	var gap format.Dirent
	found, err := tx.eachInBlock(dir, fb, data, func(d format.Dirent) (bool, error) {
		gap = d
		if d.Ino == 0 {
			return d.RecLen >= need, nil
		}
		return d.RecLen-format.DirentSize(len(d.Name)) >= need, nil
	})
	if !found || err != nil {
		return false, err
	}
	block, err := tx.over.Edit(at)
	if err != nil {
		return false, err
	}
	b := format.DirBlock(block)
	off, length := gap.Offset, gap.RecLen
	if gap.Ino != 0 {
		used := format.DirentSize(len(gap.Name))
		b.SetRecLen(off, used)
		off, length = off+used, length-used
	}
	b.Put(off, length, e.ino, e.typ, e.name)
	tx.sealLeaf(dir, b)
	return true, nil
}

// appendDirBlock adds a block with one free entry to a directory. The directory is sealed by the caller.
func (tx *Tx) appendDirBlock(dir node) (FileBlock, []byte, error) {
	fb, block, err := tx.appendRawBlock(dir)
	if err != nil {
		return 0, nil, err
	}
	b := format.DirBlock(block)
	b.SetRecLen(0, tx.leafSpace())
	if tx.metadataCsum {
		b.InitTail()
	}
	tx.sealLeaf(dir, b)
	return fb, block, nil
}

// appendRawBlock adds a zeroed block to a directory.
func (tx *Tx) appendRawBlock(dir node) (FileBlock, []byte, error) {
	fb := FileBlock(dir.Size() / uint64(tx.blockSize))
	if fb == 0 {
		tx.dirs.forget(dir.ino)
	}
	if dir.Size()+uint64(tx.blockSize) > tx.maxDirSize() {
		return 0, nil, &NoSpaceError{Resource: "directory blocks", Needed: 1}
	}
	var block []byte
	if err := tx.appendBlocks(dir, fb, 1, func(r run) { block = tx.over.Fresh(r.start) }); err != nil {
		return 0, nil, err
	}
	dir.SetSize(dir.Size() + uint64(tx.blockSize))
	return fb, block, nil
}
