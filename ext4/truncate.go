package ext4

// This file changes the size of a file: what is cut off is freed and leaves no trace, what is added is a hole.

import (
	"bytes"
	"io/fs"

	"boringboot/ext4/internal/format"
)

// Truncate changes the size of a regular file, in bytes. What is cut off is overwritten with zeros; what is added is a hole. A
// symlink is followed. It fails with ErrIsDir for a directory, ErrTooLarge for a size that a file cannot have, and fs.ErrPermission
// for what nobody may change. setuid, setgid and security.capability stay.
func (tx *Tx) Truncate(name string, size int64) error {
	return tx.change("truncate", name, func() error {
		loc, err := tx.locate(name, true)
		if err != nil {
			return err
		}
		if !loc.exists {
			return fs.ErrNotExist
		}
		if err := tx.checkTruncate(loc.node, size); err != nil {
			return err
		}
		n, err := tx.editInode(loc.node.ino)
		if err != nil {
			return err
		}
		old := string(n.Inode)
		if err := tx.truncate(n, uint64(size)); err != nil {
			return halfway(err)
		}
		if string(n.Inode) != old {
			tx.touch(n)
			tx.seal(n)
		}
		return nil
	})
}

// checkTruncate: a regular file that may be changed, whose map is right, and a size that it can have.
func (tx *Tx) checkTruncate(n node, size int64) error {
	switch n.Type() {
	case format.ModeRegular:
	case format.ModeDir:
		return ErrIsDir
	default:
		return unsupportedf("inode %d: neither a regular file nor a directory", n.ino)
	}
	if size < 0 {
		return fs.ErrInvalid
	}
	if err := tx.checkMutable(n); err != nil {
		return err
	}
	if n.flag(format.InodeEncrypt) {
		return unsupportedf("inode %d: it is encrypted", n.ino)
	}
	if uint64(size) > tx.maxBytes(tx.sb.HasIncompat(format.IncompatExtents) && n.flag(format.InodeExtents|format.InodeInlineData)) {
		return ErrTooLarge
	}
	return tx.checkMapped(n)
}

// truncate sets the size of a file that has a map, and seals it. Blocks that are reserved beyond the size go, too, as the kernel has
// it; only where it grows they stay. Times are the caller's.
func (tx *Tx) truncate(n node, size uint64) error {
	if n.flag(format.InodeInlineData) {
		if done, err := tx.truncateInline(n, size); done || err != nil {
			return err
		}
	}
	bs := uint64(tx.blockSize)
	old := n.Size()
	if size <= old {
		if err := tx.unmapBlocks(n, (size+bs-1)/bs, mapEnd); err != nil {
			return err
		}
	}
	// What a last block holds behind the end is to be zeros, but nobody promises that it is.
	if err := tx.clearTail(n, min(size, old)); err != nil {
		return err
	}
	tx.setSize(n, size)
	tx.seal(n)
	return nil
}

// clearTail zeroes what the block that a file ends in has behind the end.
func (tx *Tx) clearTail(n node, end uint64) error {
	bs := uint64(tx.blockSize)
	keep := int(end % bs)
	if keep == 0 || end/bs >= mapEnd {
		return nil
	}
	r, err := tx.lookup(n, FileBlock(end/bs))
	if err != nil || r.start == 0 {
		return err
	}
	if tx.data.shorten(r.start, keep) {
		return nil
	}
	block, err := tx.over.Block(r.start)
	if err != nil || isZero(block[keep:]) {
		return err
	}
	if block, err = tx.over.Edit(r.start); err == nil {
		clear(block[keep:])
	}
	return err
}

func isZero(b []byte) bool { return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) }
