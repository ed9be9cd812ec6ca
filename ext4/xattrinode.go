package ext4

// This file is values of extended attributes that have an inode of their own (feature ea_inode): it has no name, is found by its
// number in an entry, and counts the entries that refer to it, each block of attributes once however many inodes share it. Those
// inodes' i_blocks count the value, each as if it were its own.

import (
	"bytes"
	"math"

	"boringboot/ext4/internal/format"
)

// eaInode reads and checks the inode that has an attribute's value.
func (v *view) eaInode(n node, a format.Xattr) (node, error) {
	wrong := func(text string, args ...any) (node, error) {
		return node{}, corruptf("inode %d: extended attribute %d:%q: value in inode %d: "+text, append([]any{n.ino, a.Index, a.Name, a.Inum}, args...)...)
	}
	if !v.sb.HasIncompat(format.IncompatEAInode) {
		return wrong("without the ea_inode feature")
	}
	if a.Inum < v.firstIno || a.Inum > v.inodes || a.Inum == n.ino {
		return wrong("not a number that it can have")
	}
	ea, err := v.rawInode(a.Inum)
	if err != nil {
		return node{}, err
	}
	if err := v.checkInode(ea); err != nil {
		return node{}, err
	}
	switch {
	case !ea.flag(format.InodeEAInode) || ea.Type() != format.ModeRegular || ea.flag(format.InodeInlineData):
		return wrong("mode %#o, flags %#x", format.IMode.Get(ea.Inode), format.IFlags.Get(ea.Inode))
	case ea.Size() != uint64(a.Size):
		return wrong("%d bytes, not %d", ea.Size(), a.Size)
	case ea.FileACL() != 0 || format.ILinksCount.Get(ea.Inode) != 1 || ea.EARefs() == 0:
		return wrong("%d links, %d references, attributes at block %d", format.ILinksCount.Get(ea.Inode), ea.EARefs(), ea.FileACL())
	case !a.HashOK(ea.EAHash()) && uint32(ea.Mtime().Sec) == uint32(n.ino) && format.IGeneration.Get(ea.Inode) == format.IGeneration.Get(n.Inode):
		return node{}, unsupportedf("inode %d: extended attribute %d:%q: value in inode %d in Lustre's old form", n.ino, a.Index, a.Name, a.Inum)
	}
	return ea, nil
}

// eaValue reads a value that has an inode.
func (v *view) eaValue(n node, a format.Xattr) ([]byte, error) {
	ea, err := v.eaInode(n, a)
	if err != nil {
		return nil, err
	}
	value, err := v.readAll(ea)
	if err != nil {
		return nil, err
	}
	if format.CRC32C(v.seed, value) != ea.EAHash() {
		return nil, corruptf("inode %d: extended attribute %d:%q: value in inode %d: wrong hash", n.ino, a.Index, a.Name, a.Inum)
	}
	return value, nil
}

// eaCharge is how many blocks the value of an entry adds to the i_blocks of each inode that has the entry: whole clusters.
func (v *view) eaCharge(a format.Xattr) int64 {
	if a.Inum == 0 {
		return 0
	}
	cluster := int64(v.clusterBlocks) * int64(v.blockSize)
	return (int64(a.Size) + cluster - 1) / cluster * int64(v.clusterBlocks)
}

// xattrBlocks is how many blocks of an inode's i_blocks its extended attributes make: their block, and values that have inodes.
func (v *view) xattrBlocks(n node) (uint64, error) {
	x, err := v.xattrsOf(n)
	if err != nil {
		return 0, err
	}
	total := int64(0)
	if x.at != 0 {
		total += int64(v.clusterBlocks)
	}
	for _, a := range x.inode {
		total += v.eaCharge(a)
	}
	for _, a := range x.block {
		total += v.eaCharge(a)
	}
	return uint64(total), nil
}

// newEAInode makes an inode for a value, with one reference, near inode n and with its owner.
func (tx *Tx) newEAInode(n node, value []byte) (node, error) {
	ea, err := tx.newInode(n, format.ModeRegular, Attr{Mode: 0o600, UID: n.UID(), GID: n.GID()})
	if err != nil {
		return node{}, err
	}
	format.IFlags.Set(ea.Inode, format.IFlags.Get(ea.Inode)|format.InodeEAInode)
	ea.SetEAHash(format.CRC32C(tx.seed, value))
	ea.SetEARefs(1)
	c, err := tx.measure(bytes.NewReader(bytes.Clone(value)))
	if err != nil {
		return node{}, err
	}
	return ea, tx.fill(ea, c)
}

// referEA counts one more reference to, or one less of, the inode that has a value; the last one's end frees it.
func (tx *Tx) referEA(n node, a format.Xattr, change int) error {
	if a.Inum == 0 {
		return nil
	}
	if _, err := tx.eaInode(n, a); err != nil {
		return err
	}
	ea, err := tx.editRaw(a.Inum)
	if err != nil {
		return err
	}
	refs := ea.EARefs()
	if change > 0 && refs == math.MaxUint64 {
		return corruptf("inode %d: a value of extended attributes with %d references", ea.ino, refs)
	}
	refs += uint64(change)
	ea.SetEARefs(refs)
	if refs == 0 {
		return tx.dropInode(ea)
	}
	tx.seal(ea)
	return nil
}
