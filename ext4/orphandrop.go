package ext4

// This file is temporary glue.

import "boringboot/ext4/internal/format"

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

// truncate gives up the blocks of a file from size on.
func (tx *Tx) truncate(n node, size uint64) error {
	if !n.flag(format.InodeExtents) {
		return unsupportedf("inode %d: its blocks are mapped by indirect blocks, which are not written yet", n.ino)
	}
	bs := uint64(tx.blockSize)
	end := (size + bs - 1) / bs
	beyond := false
	err := tx.walkExtents(n, func(e format.Extent) error {
		beyond = beyond || uint64(e.Block)+uint64(e.Len) > end
		return nil
	}, nil)
	if err != nil || !beyond {
		return err
	}
	root := format.ExtentNode(n.IBlock())
	if root.Depth() > 0 {
		return unsupportedf("inode %d: truncation of an extent tree of depth %d", n.ino, root.Depth())
	}
	for i := root.Entries() - 1; i >= 0; i-- {
		e := root.Extent(i)
		keep := uint32(0)
		if uint64(e.Block) < end {
			keep = uint32(min(end-uint64(e.Block), uint64(e.Len)))
		}
		if keep == e.Len {
			break
		}
		if err := tx.release(e.Start+FSBlock(keep), e.Len-keep); err != nil {
			return err
		}
		if err := tx.addBlocks(n, -int64(e.Len-keep)); err != nil {
			return err
		}
		if keep == 0 {
			root.SetEntries(i)
			continue
		}
		e.Len = keep
		root.SetExtent(i, e)
	}
	tx.seal(n)
	return nil
}
