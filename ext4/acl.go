package ext4

// This file is POSIX access control lists: the form that programs see (struct posix_acl_xattr_header, version 2, entries of 8 bytes)
// and the one that ext4 stores (ext4_acl_header, version 1, entries of 8 bytes or of 4 where there is no number), and their part in
// a file's mode.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"boringboot/ext4/internal/format"
)

// Tags of entries (ACL_USER_OBJ and so on), in the order in which a list has them.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

const (
	aclUserVersion = 2
	aclDiskVersion = 1
	aclNoID        = ^uint32(0) // of entries that name nobody
)

type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// numbered tells whether an entry is for a user or group by its number.
func (e aclEntry) numbered() bool { return e.tag == aclUser || e.tag == aclGroup }

type acl []aclEntry

func isACL(index uint8) bool {
	return index == format.XattrPosixACLAccess || index == format.XattrPosixACLDefault
}

// parseUserACL reads the form of setxattr(2). An empty list stands for none.
func parseUserACL(b []byte) (acl, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != aclUserVersion || (len(b)-4)%8 != 0 {
		return nil, fmt.Errorf("an access control list of %d bytes that is not of version %d", len(b), aclUserVersion)
	}
	var list acl
	for b = b[4:]; len(b) > 0; b = b[8:] {
		e := aclEntry{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])}
		if !e.numbered() {
			e.id = aclNoID
		}
		list = append(list, e)
	}
	return list, nil
}

func (list acl) user() []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclUserVersion)
	for _, e := range list {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// parseDiskACL reads ext4's own form.
func parseDiskACL(b []byte) (acl, error) {
	if len(b) < 4 || binary.LittleEndian.Uint32(b) != aclDiskVersion {
		return nil, fmt.Errorf("an access control list of %d bytes that is not of version %d", len(b), aclDiskVersion)
	}
	var list acl
	for b = b[4:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, errors.New("an access control list that ends within an entry")
		}
		e := aclEntry{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), aclNoID}
		b = b[4:]
		if e.numbered() {
			if len(b) < 4 {
				return nil, errors.New("an access control list that ends within an entry")
			}
			e.id = binary.LittleEndian.Uint32(b)
			b = b[4:]
		}
		list = append(list, e)
	}
	return list, list.check()
}

func (list acl) disk() []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclDiskVersion)
	for _, e := range list {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		if e.numbered() {
			b = binary.LittleEndian.AppendUint32(b, e.id)
		}
	}
	return b
}

// aclToUser translates what is stored.
func aclToUser(disk []byte) ([]byte, error) {
	list, err := parseDiskACL(disk)
	if err != nil {
		return nil, err
	}
	return list.user(), nil
}

// check: the owner, users, the owning group, groups, the mask, which there is where somebody is named and may be elsewhere, and
// all others, in this order (posix_acl_valid).
func (list acl) check() error {
	count := map[uint16]int{}
	last := uint16(0)
	for _, e := range list {
		switch e.tag {
		case aclUserObj, aclUser, aclGroupObj, aclGroup, aclMask, aclOther:
		default:
			return fmt.Errorf("an access control list with the tag %#x", e.tag)
		}
		count[e.tag]++
		switch {
		case e.tag < last || !e.numbered() && count[e.tag] > 1:
			return fmt.Errorf("an access control list with the tag %#x behind %#x", e.tag, last)
		case e.perm > 7:
			return fmt.Errorf("an access control list with the permissions %#x", e.perm)
		case e.numbered() && e.id == aclNoID:
			return fmt.Errorf("an access control list with an entry for the number %d", e.id)
		}
		last = e.tag
	}
	if count[aclUserObj] == 0 || count[aclGroupObj] == 0 || count[aclOther] == 0 {
		return errors.New("an access control list without the owner, the owning group or all others")
	}
	if count[aclUser]+count[aclGroup] > 0 && count[aclMask] == 0 {
		return errors.New("an access control list that names somebody and has no mask")
	}
	return nil
}

// mode is a mode with the permission bits that a list stands for, and whether they say all that it does (posix_acl_equiv_mode). The
// group's bits are the mask where there is one.
func (list acl) mode(mode uint16) (uint16, bool) {
	equivalent := true
	mode &^= 0o777
	group := uint16(0)
	for _, e := range list {
		switch e.tag {
		case aclUserObj:
			mode |= e.perm << 6
		case aclGroupObj:
			group = e.perm
		case aclOther:
			mode |= e.perm
		default:
			equivalent = false
		}
	}
	for _, e := range list {
		if e.tag == aclMask {
			group = e.perm
		}
	}
	return mode | group<<3, equivalent
}

// setACL sets an inode's access or default list, or removes it for an empty value, as ext4_set_acl does.
func (tx *Tx) setACL(n node, index uint8, value []byte) error {
	if n.Type() == format.ModeSymlink {
		return kindf(fs.ErrPermission, "inode %d: a symlink has no access control list", n.ino)
	}
	list, err := parseUserACL(value)
	if err != nil {
		return kindf(fs.ErrInvalid, "%w", err)
	}
	if index == format.XattrPosixACLDefault && n.Type() != format.ModeDir && len(list) > 0 {
		return kindf(fs.ErrPermission, "inode %d: only directories have a default access control list", n.ino)
	}
	if len(list) > 0 {
		if err := list.check(); err != nil {
			return kindf(fs.ErrInvalid, "%w", err)
		}
	}
	if index == format.XattrPosixACLDefault {
		return tx.storeACL(n, index, list)
	}
	if len(list) == 0 {
		return tx.storeACL(n, index, nil)
	}
	mode, equivalent := list.mode(format.IMode.Get(n.Inode))
	if equivalent {
		list = nil
	}
	if err := tx.storeACL(n, index, list); err != nil {
		return err
	}
	tx.setMode(n, mode)
	return nil
}

func (tx *Tx) storeACL(n node, index uint8, list acl) error {
	if len(list) > 0 {
		return tx.setXattr(n, index, "", list.disk())
	}
	x, err := tx.xattrsOf(n)
	if err != nil {
		return err
	}
	if _, ok := x.find(index, ""); !ok {
		return nil
	}
	return halfway(tx.dropXattr(n, index, ""))
}

func (tx *Tx) setMode(n node, mode uint16) {
	if format.IMode.Get(n.Inode) == mode {
		return
	}
	format.IMode.Set(n.Inode, mode)
	n.SetCtime(tx.now)
	tx.seal(n)
}

// setACLMode sets an inode's permission bits as chmod(2) does: with an access control list the owner's entry, the mask (or the
// owning group's where there is none) and all others' change with them.
func (tx *Tx) setACLMode(n node, perm uint16) error {
	stored, err := tx.storedXattr(n, format.XattrPosixACLAccess, "")
	if err != nil && !errors.Is(err, ErrNoXattr) {
		return err
	}
	if err == nil {
		list, err := parseDiskACL(stored)
		if err != nil {
			return corruptf("inode %d: %w", n.ino, err)
		}
		if err := tx.storeACL(n, format.XattrPosixACLAccess, list.chmod(perm)); err != nil {
			return err
		}
	}
	tx.setMode(n, n.Type()|perm)
	return nil
}

// chmod is a list after a change of the mode (__posix_acl_chmod_masq).
func (list acl) chmod(perm uint16) acl {
	out := append(acl(nil), list...)
	group := -1
	for i := range out {
		switch e := &out[i]; e.tag {
		case aclUserObj:
			e.perm = perm >> 6 & 7
		case aclOther:
			e.perm = perm & 7
		case aclGroupObj:
			if group < 0 {
				group = i
			}
		case aclMask:
			group = i
		}
	}
	if group >= 0 {
		out[group].perm = perm >> 3 & 7
	}
	return out
}
