package ext4

// This file makes files, directories and symlinks, and replaces files.

import (
	"io/fs"
	"strings"

	"boringboot/ext4/internal/format"
)

// linkMax is how many links an inode has at most (EXT4_LINK_MAX).
const linkMax = 65000

// makeFile makes a regular file.
func (tx *Tx) makeFile(dir node, name string, c fileContent, a Attr) error {
	n, err := tx.newInode(dir, format.ModeRegular, a)
	if err != nil {
		return err
	}
	if err := tx.fill(n, c); err != nil {
		return err
	}
	return tx.link(dir, name, n)
}

// checkReplace: only a regular file that nothing protects is replaced.
func (tx *Tx) checkReplace(loc location) error {
	switch loc.node.Type() {
	case format.ModeRegular:
	case format.ModeDir:
		return ErrIsDir
	default:
		return unsupportedf("inode %d: neither a regular file nor a directory", loc.node.ino)
	}
	if err := tx.checkMutable(loc.node); err != nil {
		return err
	}
	if err := tx.checkMapped(loc.node); err != nil {
		return err
	}
	if format.ILinksCount.Get(loc.node.Inode) > 1 { // the name will lead to another inode
		return tx.checkTaken(loc)
	}
	return nil
}

// replaceFile gives a name another content. An inode with other names is left to them.
func (tx *Tx) replaceFile(loc location, c fileContent, a Attr) error {
	if format.ILinksCount.Get(loc.node.Inode) > 1 {
		return tx.replaceName(loc, c, a)
	}
	n, err := tx.editInode(loc.node.ino)
	if err != nil {
		return err
	}
	if err := tx.dropBlocks(n); err != nil {
		return err
	}
	if err := tx.dropXattrs(n); err != nil {
		return err
	}
	format.IMode.Set(n.Inode, format.ModeRegular|permissions(a.Mode))
	n.SetUID(a.UID)
	n.SetGID(a.GID)
	n.SetAtime(tx.now)
	tx.touch(n)
	tx.seal(n)
	return tx.fill(n, c)
}

// replaceName makes a new inode for a name and takes one link from the old one.
func (tx *Tx) replaceName(loc location, c fileContent, a Attr) error {
	n, err := tx.newInode(loc.dir, format.ModeRegular, a)
	if err != nil {
		return err
	}
	if err := tx.fill(n, c); err != nil {
		return err
	}
	old, err := tx.editInode(loc.node.ino)
	if err != nil {
		return err
	}
	format.ILinksCount.Set(old.Inode, format.ILinksCount.Get(old.Inode)-1)
	old.SetCtime(tx.now)
	tx.seal(old)
	return tx.relink(loc.dir, loc.name, n)
}

// checkTarget: not empty, no NUL, and with its NUL it fits into a block.
func (tx *Tx) checkTarget(target string) error {
	switch {
	case target == "" || strings.ContainsRune(target, 0):
		return fs.ErrInvalid
	case len(target) > maxTarget || len(target) >= tx.blockSize:
		return ErrNameTooLong
	}
	return nil
}

// makeSymlink keeps a target of up to 59 bytes in i_block, where the 60th is a NUL, and a longer one in a block.
func (tx *Tx) makeSymlink(dir node, name, target string, a Attr) error {
	a.Mode = 0o777
	n, err := tx.newInode(dir, format.ModeSymlink, a)
	if err != nil {
		return err
	}
	if len(target) < format.IBlockSize {
		format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)&^format.InodeExtents)
		clear(n.IBlock())
		copy(n.IBlock(), target)
	} else {
		err := tx.appendBlocks(n, 0, 1, func(r run) { copy(tx.over.Fresh(r.start), target) })
		if err != nil {
			return err
		}
	}
	n.SetSize(uint64(len(target)))
	tx.seal(n)
	return tx.link(dir, name, n)
}

// checkSubdir: a directory has a link from each of its subdirectories. With dir_nlink a hashed one that has too many is counted
// as 1.
func (tx *Tx) checkSubdir(dir node) error {
	if format.ILinksCount.Get(dir.Inode) >= linkMax && !(tx.sb.HasROCompat(format.ROCompatDirNlink) && tx.hashed(dir)) {
		return ErrTooManyLinks
	}
	return nil
}

// makeDir makes an empty directory.
func (tx *Tx) makeDir(dir node, name string, a Attr) error {
	n, err := tx.newInode(dir, format.ModeDir, a)
	if err != nil {
		return err
	}
	if err := tx.beginDir(n, dir.ino); err != nil {
		return err
	}
	if err := tx.link(dir, name, n); err != nil {
		return err
	}
	return tx.addSubdir(dir, 1)
}

// beginDir makes a new directory an empty one: in the inode, or in one block with "." and "..".
func (tx *Tx) beginDir(n node, parent Ino) error {
	inline, err := tx.makeInlineDir(n, parent)
	if err == nil && !inline {
		err = tx.makeDirBlock(n, parent)
	}
	if err != nil {
		return err
	}
	format.ILinksCount.Set(n.Inode, 2)
	tx.seal(n)
	return nil
}

func (tx *Tx) makeDirBlock(n node, parent Ino) error {
	_, block, err := tx.appendDirBlock(n)
	if err != nil {
		return err
	}
	b := format.DirBlock(block)
	typ := tx.entryType(format.ModeDir)
	b.Put(0, format.DirentSize(1), n.ino, typ, ".")
	b.Put(format.DirentSize(1), tx.leafSpace()-format.DirentSize(1), parent, typ, "..")
	tx.sealLeaf(n, b)
	return nil
}
