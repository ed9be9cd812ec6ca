package ext4

// This file reads extended attributes: names as Linux has them, and what an inode has of them, in itself and in a block.

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"boringboot/ext4/internal/format"
)

// ErrNoXattr: the file has no extended attribute of that name.
var ErrNoXattr = errors.New("no such extended attribute")

// xattrNames has what e_name_index stands for. A whole name stands alone, a prefix ends in a dot.
var xattrNames = []struct {
	index uint8
	name  string
}{
	{format.XattrUser, "user."},
	{format.XattrPosixACLAccess, "system.posix_acl_access"},
	{format.XattrPosixACLDefault, "system.posix_acl_default"},
	{format.XattrTrusted, "trusted."},
	{format.XattrSecurity, "security."},
	{format.XattrHurd, "gnu."},
}

// maxXattrName is the longest name of an attribute, its namespace included (XATTR_NAME_MAX).
const maxXattrName = 255

// parseXattrName splits a name into its index and the rest.
func parseXattrName(attr string) (index uint8, name string, err error) {
	if len(attr) > maxXattrName {
		return 0, "", ErrNameTooLong
	}
	for _, x := range xattrNames {
		rest, ok := strings.CutPrefix(attr, x.name)
		switch prefix := strings.HasSuffix(x.name, "."); {
		case !ok || !prefix && rest != "":
			continue
		case prefix && (rest == "" || strings.ContainsRune(rest, 0)):
			return 0, "", kindf(fs.ErrInvalid, "%q names no extended attribute", attr)
		}
		return x.index, rest, nil
	}
	return 0, "", kindf(fs.ErrInvalid, "%q is in no namespace of extended attributes that ext4 has for users", attr)
}

// xattrName is an attribute's name; false where it is one that users do not see, as inline data.
func xattrName(x format.Xattr) (string, bool) {
	for _, known := range xattrNames {
		if known.index == x.Index {
			return known.name + x.Name, strings.HasSuffix(known.name, ".") == (x.Name != "")
		}
	}
	return "", false
}

// xattrs is what an inode has of extended attributes.
type xattrs struct {
	inode []format.Xattr
	block []format.Xattr
	at    FSBlock // of the block, 0 for none
	refs  uint32  // inodes that share the block
}

// xattrsOf reads and checks all of an inode's attributes, and the inodes that have values of them, but not these values.
func (v *view) xattrsOf(n node) (xattrs, error) {
	var x xattrs
	var err error
	if x.inode, err = n.Xattrs(); err != nil {
		return xattrs{}, corruptf("inode %d: %w", n.ino, err)
	}
	for _, a := range x.inode {
		if a.Inum == 0 && a.Hash == 0 { // which is what the kernel stores in inodes
			continue
		}
		if err := v.checkXattr(n, a); err != nil {
			return xattrs{}, err
		}
	}
	b, err := v.xattrBlock(n)
	if err != nil || b == nil {
		return x, err
	}
	x.at, x.refs = n.FileACL(), b.Refcount()
	if x.block, err = b.Xattrs(); err != nil {
		return xattrs{}, corruptf("inode %d: block %d: %w", n.ino, x.at, err)
	}
	for _, a := range x.block {
		if err := v.checkXattr(n, a); err != nil {
			return xattrs{}, err
		}
	}
	return x, nil
}

func (v *view) checkXattr(n node, a format.Xattr) error {
	hash := uint32(0)
	if a.Inum != 0 {
		ea, err := v.eaInode(n, a)
		if err != nil {
			return err
		}
		hash = ea.EAHash()
	}
	if !a.HashOK(hash) {
		return corruptf("inode %d: extended attribute %d:%q: wrong hash", n.ino, a.Index, a.Name)
	}
	return nil
}

// xattrBlock reads an inode's block of extended attributes; nil where it has none.
func (v *view) xattrBlock(n node) (format.XattrBlock, error) {
	at := n.FileACL()
	if at == 0 {
		return nil, nil
	}
	if !v.validRange(at, 1) {
		return nil, corruptf("inode %d: extended attributes at block %d", n.ino, at)
	}
	block, err := v.src.Block(at)
	if err != nil {
		return nil, err
	}
	b := format.XattrBlock(block)
	if err := b.Check(); err != nil {
		return nil, corruptf("inode %d: block %d: %w", n.ino, at, err)
	}
	if v.metadataCsum && !b.ChecksumOK(v.seed, at) {
		return nil, corruptf("inode %d: block %d: extended attributes: wrong checksum", n.ino, at)
	}
	return b, nil
}

// find is the attribute of that index and name, in the inode before the block.
func (x xattrs) find(index uint8, name string) (format.Xattr, bool) {
	for _, list := range [][]format.Xattr{x.inode, x.block} {
		if i := indexXattr(list, index, name); i >= 0 {
			return list[i], true
		}
	}
	return format.Xattr{}, false
}

func indexXattr(list []format.Xattr, index uint8, name string) int {
	return slices.IndexFunc(list, func(a format.Xattr) bool { return a.Is(index, name) })
}

// xattrValue is an attribute's value as it is stored.
func (v *view) xattrValue(n node, a format.Xattr) ([]byte, error) {
	if a.Inum == 0 {
		return bytes.Clone(a.Value), nil
	}
	return v.eaValue(n, a)
}

// storedXattr is the value of an attribute as it is stored; ErrNoXattr where there is none.
func (v *view) storedXattr(n node, index uint8, name string) ([]byte, error) {
	x, err := v.xattrsOf(n)
	if err != nil {
		return nil, err
	}
	a, ok := x.find(index, name)
	if !ok {
		return nil, ErrNoXattr
	}
	return v.xattrValue(n, a)
}

func (v *view) xattr(path, attr string) ([]byte, error) {
	loc, err := v.existing("getxattr", path, true)
	if err != nil {
		return nil, err
	}
	value, err := v.nodeXattr(loc.node, attr)
	if err != nil {
		return nil, &fs.PathError{Op: "getxattr", Path: path, Err: err}
	}
	return value, nil
}

func (v *view) nodeXattr(n node, attr string) ([]byte, error) {
	index, name, err := parseXattrName(attr)
	if err != nil {
		return nil, err
	}
	value, err := v.storedXattr(n, index, name)
	if err != nil {
		return nil, err
	}
	if isACL(index) {
		if value, err = aclToUser(value); err != nil {
			return nil, corruptf("inode %d: %s: %w", n.ino, attr, err)
		}
	}
	return value, nil
}

func (v *view) listXattr(path string) ([]string, error) {
	loc, err := v.existing("listxattr", path, true)
	if err != nil {
		return nil, err
	}
	x, err := v.xattrsOf(loc.node)
	if err != nil {
		return nil, &fs.PathError{Op: "listxattr", Path: path, Err: err}
	}
	var names []string
	for _, a := range slices.Concat(x.inode, x.block) {
		if name, ok := xattrName(a); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Xattr gives the value of a file's extended attribute by its name in Linux: "user.x", "security.capability". The values of
// "system.posix_acl_access" and "system.posix_acl_default" are in the form that getxattr(2) gives. A symlink is followed. The error
// is ErrNoXattr where there is none.
func (fsys *FS) Xattr(name, attr string) ([]byte, error) {
	return read(fsys, func(v *view) ([]byte, error) { return v.xattr(name, attr) })
}

// ListXattr lists the names of a file's extended attributes, sorted. A symlink is followed.
func (fsys *FS) ListXattr(name string) ([]string, error) {
	return read(fsys, func(v *view) ([]string, error) { return v.listXattr(name) })
}

// Xattr and ListXattr are FS's on what the transaction has made of the file system.
func (tx *Tx) Xattr(name, attr string) ([]byte, error) { return tx.xattr(name, attr) }
func (tx *Tx) ListXattr(name string) ([]string, error) { return tx.listXattr(name) }
