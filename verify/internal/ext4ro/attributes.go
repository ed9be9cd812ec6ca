// Extended attributes, compared: what an inode has of them, wherever they are, and whether there is anything beside them.

package ext4ro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
)

// attribute is where an extended attribute is.
type attribute struct {
	index        uint8 // e_name_index
	name         string
	offset, size int    // of the value, in the area
	inum         uint32 // the inode that holds the value, or 0
}

// isData says whether an attribute is the content of an inode that holds that itself.
func (x attribute) isData() bool { return x.index == xattrSystem && x.name == inlineName }

// attributeName is a name with the number of its kind.
type attributeName struct {
	index uint8
	name  string
}

// attributeValue is what an attribute holds: bytes, or the inode that they are in.
type attributeValue struct {
	bytes string
	inum  uint32
}

// attributes are those of one inode.
type attributes map[attributeName]attributeValue

// listAttributes lists those whose entries start at first, and where the names end. It is not ok that the list has no end.
func listAttributes(area []byte, first int) (list []attribute, end int, ok bool) {
	for at := first; ; {
		if at+4 > len(area) {
			return nil, 0, false
		}
		if binary.LittleEndian.Uint32(area[at:]) == 0 {
			return list, at + 4, true
		}
		if at+xattrEntry > len(area) {
			return nil, 0, false
		}
		c := &cursor{area[at:]}
		length := int(c.u8())
		x := attribute{index: c.u8(), offset: int(c.u16()), inum: c.u32(), size: int(c.u32())}
		c.skip(4) // e_hash
		if length > len(c.rest) || x.inum == 0 && (x.offset > len(area) || x.size > len(area)-x.offset) {
			return nil, 0, false
		}
		x.name = string(c.bytes(length))
		list = append(list, x)
		at += (xattrEntry + length + 3) &^ 3
	}
}

// add notes the attributes of an area, but for what is content.
func (a attributes) add(area []byte, first int, inline bool) error {
	list, _, ok := listAttributes(area, first)
	if !ok {
		return fmt.Errorf("%w: its extended attributes have no end", ErrCorrupt)
	}
	for _, x := range list {
		if inline && x.isData() {
			continue
		}
		value := attributeValue{inum: x.inum}
		if x.inum == 0 {
			value.bytes = string(area[x.offset:][:x.size])
		}
		name := attributeName{x.index, x.name}
		for _, twice := a[name]; twice; _, twice = a[name] {
			name.name += "\x00" // none that an attribute can have
		}
		a[name] = value
	}
	return nil
}

// areaOf is what is behind an inode's fields; behind its magic number if it has attributes there.
func areaOf(raw []byte, extra int) (area []byte, has bool) {
	if extra = min(extra, len(raw)); extra+4 > len(raw) || binary.LittleEndian.Uint32(raw[extra:]) != xattrMagic {
		return raw[extra:], false
	}
	return raw[extra+4:], true
}

// attributesOf reads an inode's attributes; not its data.
func (fs *FS) attributesOf(in *Inode) (attributes, error) {
	all := attributes{}
	inline := in.Flags&FlagInlineData != 0
	if area, has := areaOf(in.raw, goodOldInode+int(in.ExtraIsize)); has {
		if err := all.add(area, 0, inline); err != nil {
			return nil, fmt.Errorf("inode %d: %w", in.Ino, err)
		}
	}
	if in.FileACL != 0 {
		if in.FileACL >= fs.BlocksCount {
			return nil, fmt.Errorf("inode %d: %w: its extended attributes are at block %d", in.Ino, ErrCorrupt, in.FileACL)
		}
		block := make([]byte, fs.BlockSize)
		if _, err := fs.r.ReadAt(block, int64(in.FileACL)*fs.BlockSize); err != nil {
			return nil, fmt.Errorf("inode %d: extended attributes: %w", in.Ino, err)
		}
		if err := all.add(block, xattrHeader, inline); err != nil {
			return nil, fmt.Errorf("inode %d: %w", in.Ino, err)
		}
	}
	return all, nil
}

// tidyArea says whether there is nothing behind an inode's fields but attributes, with zeros between their names and their values.
func tidyArea(behind []byte) bool {
	area, has := areaOf(behind, 0)
	return !has && allZeros(behind) || has && tidyAttributes(area, 0)
}

// TidyAttributes is that for a block of attributes, whose header has nothing in its reserved fields.
func TidyAttributes(block []byte) bool {
	return allZeros(block[0x14:xattrHeader]) && tidyAttributes(block, xattrHeader)
}

func tidyAttributes(area []byte, first int) bool {
	list, end, ok := listAttributes(area, first)
	if !ok {
		return false
	}
	area = bytes.Clone(area)
	at := first
	for _, x := range list {
		name := at + xattrEntry + len(x.name)
		if at = (name + 3) &^ 3; !allZeros(area[name:min(at, len(area))]) {
			return false
		}
		if x.inum == 0 {
			clear(area[x.offset:][:x.size])
		}
	}
	return allZeros(area[min(end, len(area)):])
}

// sameArea says whether two states of what is behind an inode's fields hold the same attributes, but for what is content and, if it was changed,
// for what an access control list has of the mode.
func sameArea(a, b []byte, inlineBefore, inline, chmod bool, mode uint16) bool {
	if bytes.Equal(a, b) {
		return true
	}
	was, is := attributes{}, attributes{}
	if area, has := areaOf(a, 0); has && was.add(area, 0, inlineBefore) != nil {
		return false
	}
	if area, has := areaOf(b, 0); has && is.add(area, 0, inline) != nil {
		return false
	}
	if chmod {
		for name, value := range was {
			if is[name] != value {
				was[name] = value.chmod(name, mode)
			}
		}
	}
	return maps.Equal(was, is) && tidyArea(b)
}

// Of access control lists as they are stored (ext4_acl_header, version 1): tags of entries, of which those for users and groups have a number behind.
const (
	aclAccess = 2 // EXT4_XATTR_INDEX_POSIX_ACL_ACCESS

	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

// chmod is what a change of the mode leaves of an attribute: of an access control list another owner's entry, mask (or owning group's entry without
// one), and others' entry.
func (v attributeValue) chmod(name attributeName, mode uint16) attributeValue {
	if name != (attributeName{aclAccess, ""}) || len(v.bytes) < 4 || v.inum != 0 {
		return v
	}
	b := []byte(v.bytes)
	var group []byte // the permissions that the group's bits are
	for at := 4; at+4 <= len(b); at += 4 {
		tag, perm := binary.LittleEndian.Uint16(b[at:]), b[at+2:at+4]
		switch tag {
		case aclUserObj:
			binary.LittleEndian.PutUint16(perm, mode>>6&7)
		case aclOther:
			binary.LittleEndian.PutUint16(perm, mode&7)
		case aclMask:
			group = perm
		case aclGroupObj:
			if group == nil {
				group = perm
			}
		case aclUser, aclGroup:
			at += 4
		default:
			return v
		}
	}
	if group != nil {
		binary.LittleEndian.PutUint16(group, mode>>3&7)
	}
	return attributeValue{bytes: string(b)}
}
