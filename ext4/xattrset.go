package ext4

// This file sets and removes extended attributes: in the inode where there is room, else in its block, else the value in an inode
// of its own. A block that other inodes share is copied before it is changed.

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"

	"boringboot/ext4/internal/format"
)

// SetXattr sets an extended attribute by its name in Linux, in the namespaces user, trusted and security, or one of the two POSIX
// access control lists in the form of setxattr(2) (version 2), of which the access list sets the mode's permission bits, too, and is
// not stored where these say it all. Values have at most 64 KiB; without the ea_inode feature all of a file's attributes share what
// is left of the inode and one block: ErrNoSpace. A symlink is followed. The change time is set.
func (tx *Tx) SetXattr(name, attr string, value []byte) error {
	return tx.changeXattr("setxattr", name, attr, func(n node, index uint8, rest string) error {
		if err := checkXattrValue(index, rest, value); err != nil {
			return err
		}
		if isACL(index) {
			return tx.setACL(n, index, value)
		}
		return tx.setXattr(n, index, rest, value)
	})
}

// RemoveXattr removes an extended attribute; ErrNoXattr where there is none, but for access control lists, as the kernel. The mode
// stays. A symlink is followed. What held the value is overwritten with zeros. The change time is set.
func (tx *Tx) RemoveXattr(name, attr string) error {
	return tx.changeXattr("removexattr", name, attr, func(n node, index uint8, rest string) error {
		if isACL(index) {
			return tx.setACL(n, index, nil)
		}
		x, err := tx.xattrsOf(n)
		if err != nil {
			return err
		}
		if _, ok := x.find(index, rest); !ok {
			return ErrNoXattr
		}
		return halfway(tx.dropXattr(n, index, rest))
	})
}

// changeXattr runs fn on a file's inode, which may be changed.
func (tx *Tx) changeXattr(op, name, attr string, fn func(n node, index uint8, rest string) error) error {
	return tx.change(op, name, func() error {
		index, rest, err := parseXattrName(attr)
		if err != nil {
			return err
		}
		loc, err := tx.locate(name, true)
		if err != nil {
			return err
		}
		if !loc.exists {
			return fs.ErrNotExist
		}
		if err := tx.checkMutable(loc.node); err != nil {
			return err
		}
		if typ := loc.node.Type(); index == format.XattrUser && typ != format.ModeRegular && typ != format.ModeDir {
			return kindf(fs.ErrPermission, "inode %d: only files and directories have attributes in the namespace user", loc.node.ino)
		}
		n, err := tx.editInode(loc.node.ino)
		if err != nil {
			return err
		}
		tx.leavesTraces() // of the old value
		return fn(n, index, rest)
	})
}

// checkXattrValue refuses what the kernel refuses to set.
func checkXattrValue(index uint8, name string, value []byte) error {
	switch {
	case len(value) > format.XattrMaxSize:
		return kindf(ErrTooLarge, "an extended attribute of %d bytes, where %d is the most", len(value), format.XattrMaxSize)
	case index == format.XattrHurd:
		return kindf(fs.ErrInvalid, "the namespace gnu is the Hurd's")
	case index == format.XattrSecurity && name == "capability":
		return checkCapability(value)
	}
	return nil
}

// checkCapability: a struct vfs_cap_data of revision 2, or of revision 3, which has the root user's number besides.
func checkCapability(value []byte) error {
	size := map[uint32]int{0x02000000: 20, 0x03000000: 24}
	if len(value) < 4 || size[format.U32(0).Get(value)&0xFF000000] != len(value) {
		return kindf(fs.ErrInvalid, "security.capability: %d bytes that are no capabilities of revision 2 or 3", len(value))
	}
	return nil
}

// xattrPlace is where an attribute is going to be: both lists as they will be, and whether the value has an inode.
type xattrPlace struct {
	inode, block []format.Xattr
	target       *format.Xattr // the new attribute, in one of the lists
	inBlock      bool
	external     bool
}

// setXattr sets an attribute to a value as it is stored. Where it has that value already nothing changes.
func (tx *Tx) setXattr(n node, index uint8, name string, value []byte) error {
	x, err := tx.xattrsOf(n)
	if err != nil {
		return err
	}
	if old, ok := x.find(index, name); ok {
		same, err := tx.xattrValue(n, old)
		if err != nil {
			return err
		}
		if bytes.Equal(same, value) {
			return nil
		}
	}
	p, err := tx.placeXattr(n, x, index, name, value)
	if err != nil {
		return err
	}
	return halfway(tx.storeXattr(n, x, p, value))
}

// placeXattr finds room for an attribute: in the inode, in the block, and where the value may have an inode with that, in the order
// of ext4_xattr_set_handle.
func (tx *Tx) placeXattr(n node, x xattrs, index uint8, name string, value []byte) (xattrPlace, error) {
	can := tx.sb.HasIncompat(format.IncompatEAInode) && len(value) > 0
	blockRoom := tx.blockSize - format.XattrBlockHeader
	external := can && format.XattrValueSize(len(value)) > format.XattrLargeValue(tx.blockSize)
	for {
		a := format.NewXattr(index, name, value)
		if external { // no room is needed for the value; its inode is made when it is known that the entry fits
			a = format.Xattr{Index: index, Name: name, Inum: n.ino, Size: uint32(len(value))}
		}
		if p := withXattr(x.inode, a); format.XattrsSize(p) <= n.XattrRoom() {
			return xattrPlace{inode: p, block: withoutXattr(x.block, index, name), target: pick(p, a), external: external}, nil
		}
		if p := withXattr(x.block, a); format.XattrsSize(p) <= blockRoom && !(can && !external && tx.crowded(p)) {
			return xattrPlace{inode: withoutXattr(x.inode, index, name), block: p, target: pick(p, a), inBlock: true, external: external}, nil
		}
		if external || !can {
			free := blockRoom - format.XattrsSize(withoutXattr(x.block, index, name))
			return xattrPlace{}, &NoSpaceError{Resource: "bytes for extended attributes in the inode's block",
				Needed: uint64(format.XattrSize(name, len(a.Value))), Free: uint64(max(free, 0))}
		}
		external = true
	}
}

// crowded tells whether values leave too little of a block to entries, where a value could have an inode instead
// (EXT4_XATTR_BLOCK_RESERVE).
func (tx *Tx) crowded(list []format.Xattr) bool {
	values := 0
	for _, a := range list {
		values += format.XattrValueSize(len(a.Value))
	}
	return tx.blockSize-values < min(tx.blockSize/8, 1024)
}

func withXattr(list []format.Xattr, a format.Xattr) []format.Xattr {
	list = slices.Clone(list)
	if i := indexXattr(list, a.Index, a.Name); i >= 0 {
		list[i] = a.Replaces(list[i])
		return list
	}
	return append(list, a)
}

func withoutXattr(list []format.Xattr, index uint8, name string) []format.Xattr {
	return slices.DeleteFunc(slices.Clone(list), func(a format.Xattr) bool { return a.Is(index, name) })
}

func pick(list []format.Xattr, a format.Xattr) *format.Xattr {
	return &list[indexXattr(list, a.Index, a.Name)]
}

// storeXattr puts an attribute where its place was found.
func (tx *Tx) storeXattr(n node, x xattrs, p xattrPlace, value []byte) error {
	made := Ino(0)
	if p.external {
		ea, err := tx.newEAInode(n, value)
		if err != nil {
			return err
		}
		made, p.target.Inum = ea.ino, ea.ino
		p.target.SetHash(ea.EAHash())
	} else if p.inBlock {
		p.target.SetHash(0)
	}
	if err := tx.putXattrs(n, x, p.inode, p.block, made); err != nil {
		return err
	}
	format.SFeatureCompat.Set(tx.sb, format.SFeatureCompat.Get(tx.sb)|format.CompatExtAttr)
	return nil
}

// dropXattr removes an attribute that is there, or is not.
func (tx *Tx) dropXattr(n node, index uint8, name string) error {
	tx.leavesTraces()
	x, err := tx.xattrsOf(n)
	if err != nil {
		return err
	}
	return tx.putXattrs(n, x, withoutXattr(x.inode, index, name), withoutXattr(x.block, index, name), 0)
}

// dropXattrs removes all of an inode's extended attributes, its inline data, too: those in the inode, and its share in a block.
func (tx *Tx) dropXattrs(n node) error {
	tx.leavesTraces()
	x, err := tx.xattrsOf(n)
	if err != nil {
		return err
	}
	return tx.putXattrs(n, x, nil, nil, 0)
}

// putXattrs makes inode and block what an inode has of extended attributes, where it had x. made is the inode of a value that was
// just made, with one reference. The inode is sealed, its change time set.
func (tx *Tx) putXattrs(n node, x xattrs, inode, block []format.Xattr, made Ino) error {
	charge := int64(0)
	for _, a := range slices.Concat(inode, block) {
		charge += tx.eaCharge(a)
	}
	for _, a := range slices.Concat(x.inode, x.block) {
		charge -= tx.eaCharge(a)
	}
	for _, a := range x.inode {
		if !keeps(inode, a) {
			if err := tx.referEA(n, a, -1); err != nil {
				return err
			}
		}
	}
	n.SetXattrs(inode)
	if !slices.EqualFunc(x.block, block, sameXattr) {
		if err := tx.putXattrBlock(n, x, block, made); err != nil {
			return err
		}
	}
	if err := tx.addBlocks(n, charge); err != nil {
		return err
	}
	n.SetCtime(tx.now)
	tx.seal(n)
	return nil
}

// keeps tells whether a list still refers to the inode that has an attribute's value.
func keeps(list []format.Xattr, a format.Xattr) bool {
	return slices.ContainsFunc(list, func(b format.Xattr) bool { return b.Inum == a.Inum && b.Is(a.Index, a.Name) })
}

func sameXattr(a, b format.Xattr) bool {
	return a.Is(b.Index, b.Name) && a.Inum == b.Inum && a.Hash == b.Hash && a.Size == b.Size && bytes.Equal(a.Value, b.Value)
}

// putXattrBlock gives an inode a block of attributes with that list, in place where no other inode shares it, or none for an empty
// list.
func (tx *Tx) putXattrBlock(n node, x xattrs, list []format.Xattr, made Ino) error {
	if x.at != 0 && x.refs == 1 && len(list) > 0 {
		for _, a := range x.block {
			if !keeps(list, a) {
				if err := tx.referEA(n, a, -1); err != nil {
					return err
				}
			}
		}
		return tx.writeXattrBlock(x.at, list, false)
	}
	n.SetFileACL(0)
	if len(list) > 0 {
		// The new block's references come before those of the old one are given up.
		for _, a := range list {
			if a.Inum == made {
				continue
			}
			if err := tx.referEA(n, a, 1); err != nil {
				return err
			}
		}
		at, err := tx.allocMeta(n, tx.homeOf(n))
		if err != nil {
			return err
		}
		if err := tx.writeXattrBlock(at, list, true); err != nil {
			return err
		}
		n.SetFileACL(at)
	}
	if x.at == 0 {
		return nil
	}
	return tx.leaveXattrBlock(n, x)
}

func (tx *Tx) writeXattrBlock(at FSBlock, list []format.Xattr, fresh bool) error {
	var b format.XattrBlock
	if fresh {
		b = tx.over.Fresh(at)
		b.Init()
	} else {
		block, err := tx.over.Edit(at)
		if err != nil {
			return err
		}
		b = block
	}
	b.SetXattrs(list)
	if tx.metadataCsum {
		b.SetChecksum(tx.seed, at)
	}
	return nil
}

// leaveXattrBlock gives up an inode's share in a block: the last one frees it.
func (tx *Tx) leaveXattrBlock(n node, x xattrs) error {
	if x.refs == 1 {
		for _, a := range x.block {
			if err := tx.referEA(n, a, -1); err != nil {
				return err
			}
		}
		return tx.freeMeta(n, x.at)
	}
	block, err := tx.over.Edit(x.at)
	if err != nil {
		return err
	}
	b := format.XattrBlock(block)
	if b.Refcount() != x.refs {
		return fmt.Errorf("block %d: %d inodes share it, not %d", x.at, b.Refcount(), x.refs)
	}
	b.SetRefcount(x.refs - 1)
	if tx.metadataCsum {
		b.SetChecksum(tx.seed, x.at)
	}
	return tx.addBlocks(n, -int64(tx.clusterBlocks))
}
