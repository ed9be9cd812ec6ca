package ext4

// This file is data in the inode (feature inline_data): the first 60 bytes are where the map would be, what follows is the value of
// an extended attribute in the inode, system.data, which is there in any case.

import (
	"bytes"

	"boringboot/ext4/internal/format"
)

// inlineData is a copy of all bytes that an inode has room set for, and its list of attributes with the place of system.data in it.
func (v *view) inlineData(n node) (data []byte, list []format.Xattr, at int, err error) {
	if list, err = n.Xattrs(); err != nil {
		return nil, nil, 0, corruptf("inode %d: %w", n.ino, err)
	}
	at = indexXattr(list, format.XattrSystem, format.XattrInlineData)
	if at < 0 || list[at].Inum != 0 {
		return nil, nil, 0, corruptf("inode %d: data in the inode, but no attribute system.data in it", n.ino)
	}
	return append(bytes.Clone(n.IBlock()), list[at].Value...), list, at, nil
}

// readInline reads from off on what an inode has of its data; behind that there are zeros.
func (v *view) readInline(n node, p []byte, off uint64) (int, error) {
	data, _, _, err := v.inlineData(n)
	if err != nil {
		return 0, err
	}
	done := copy(p, data[min(off, uint64(len(data))):])
	clear(p[done:])
	return len(p), nil
}

// inlineRoom is how many bytes of data an inode has room for, beside its other attributes: none where there is no room for
// system.data with the least value, as the kernel has it (ext4_get_max_inline_size).
func (v *view) inlineRoom(n node) (int, error) {
	list, err := n.Xattrs()
	if err != nil {
		return 0, corruptf("inode %d: %w", n.ino, err)
	}
	list = withoutXattr(list, format.XattrSystem, format.XattrInlineData)
	free := n.XattrRoom() - format.XattrsSize(append(list, format.NewXattr(format.XattrSystem, format.XattrInlineData, nil)))
	if free &^= 3; free < 4 && !(n.flag(format.InodeInlineData) && free == 0) {
		return 0, nil
	}
	return format.IBlockSize + free, nil
}

// newInlineRoom is inlineRoom of a new inode.
func (tx *Tx) newInlineRoom() int {
	if !tx.sb.HasIncompat(format.IncompatInlineData) || tx.inodeSize == format.InodeBaseSize {
		return 0
	}
	in := make(format.Inode, tx.inodeSize)
	format.IExtraIsize.Set(in, tx.extraSize())
	room, _ := tx.inlineRoom(node{Inode: in}) // it has no attributes that could be wrong
	return room
}

// setInline makes data, at least 60 bytes, what an inode has: all of it fits. Size and checksum are the caller's.
func (tx *Tx) setInline(n node, data []byte) error {
	list, err := n.Xattrs()
	if err != nil {
		return corruptf("inode %d: %w", n.ino, err)
	}
	n.SetXattrs(withXattr(list, format.NewXattr(format.XattrSystem, format.XattrInlineData, data[format.IBlockSize:])))
	copy(n.IBlock(), data)
	format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)&^format.InodeExtents|format.InodeInlineData)
	return nil
}

// padInline is data with zeros up to the 60 bytes that are there in any case.
func padInline(data []byte) []byte {
	if short := format.IBlockSize - len(data); short > 0 {
		data = append(data, make([]byte, short)...)
	}
	return data
}

// dropInline takes an inode's data out of it. It has the map of a new file then; size and checksum are the caller's.
func (tx *Tx) dropInline(n node) error {
	tx.leavesTraces()
	list, err := n.Xattrs()
	if err != nil {
		return corruptf("inode %d: %w", n.ino, err)
	}
	n.SetXattrs(withoutXattr(list, format.XattrSystem, format.XattrInlineData))
	format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)&^format.InodeInlineData)
	tx.initMap(n)
	return nil
}

// fillInline gives an empty file its content in the inode, if it fits there. The content is read at once. An empty file has the map
// of one, as the kernel makes it.
func (tx *Tx) fillInline(n node, c fileContent) (bool, error) {
	if c.size == 0 || n.Type() != format.ModeRegular || n.flag(format.InodeEAInode) || !tx.sb.HasIncompat(format.IncompatInlineData) {
		return false, nil
	}
	room, err := tx.inlineRoom(n)
	if err != nil || c.size > int64(room) {
		return false, err
	}
	data := make([]byte, c.size)
	if err := (pending{content: c.Content, size: c.size}).read(0, data, tx.blockSize); err != nil {
		return false, err
	}
	if err := tx.setInline(n, padInline(data)); err != nil {
		return false, err
	}
	n.SetSize(uint64(c.size))
	tx.seal(n)
	tx.leavesTraces() // the log gets a copy of the inode, and so of the data
	return true, nil
}

// truncateInline sets the size of a file that has its data in the inode: it stays there if it fits, and has a map otherwise. It says
// whether that was all.
func (tx *Tx) truncateInline(n node, size uint64) (bool, error) {
	if size == n.Size() {
		return true, nil
	}
	tx.leavesTraces()
	data, _, _, err := tx.inlineData(n)
	if err != nil {
		return false, err
	}
	room, err := tx.inlineRoom(n)
	if err != nil {
		return false, err
	}
	old := min(n.Size(), uint64(len(data)))
	if size > uint64(room) && size > old {
		return false, tx.outlineFile(n)
	}
	kept := make([]byte, size)
	copy(kept, data[:min(old, size)])
	if err := tx.setInline(n, padInline(kept)); err != nil {
		return false, err
	}
	n.SetSize(size)
	tx.seal(n)
	return true, nil
}

// outlineFile moves a file's data from the inode into a block. The inode is sealed by the caller.
func (tx *Tx) outlineFile(n node) error {
	data, _, _, err := tx.inlineData(n)
	if err != nil {
		return err
	}
	data = data[:min(n.Size(), uint64(len(data)))]
	if err := tx.dropInline(n); err != nil {
		return err
	}
	if len(data) == 0 {
		return nil
	}
	return tx.appendBlocks(n, 0, 1, func(r run) {
		tx.data.add(pending{blockRun{r.start, r.count}, bytes.NewReader(data), 0, int64(len(data))})
	})
}

// checkInline is checkMapped for an inode that has its data in itself: i_blocks counts what its attributes have, and a directory is as
// large as what is there.
func (v *view) checkInline(n node) error {
	data, _, _, err := v.inlineData(n)
	if err != nil {
		return err
	}
	blocks, err := v.xattrBlocks(n)
	if err != nil {
		return err
	}
	if !n.flag(format.InodeHugeFile) {
		blocks *= uint64(v.blockSize / 512)
	}
	if n.RawBlocks() != blocks {
		return corruptf("inode %d: i_blocks is %d, its attributes make %d, and its data is in the inode", n.ino, n.RawBlocks(), blocks)
	}
	if n.Type() == format.ModeDir && n.Size() != uint64(len(data)) {
		return corruptf("inode %d: a directory of %d bytes that has %d in the inode", n.ino, n.Size(), len(data))
	}
	return nil
}
