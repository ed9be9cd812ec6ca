// Extended attributes, judged: those behind an inode's fields and those in a block of their own.

package ext4ro

import (
	"encoding/binary"
	"fmt"
)

const (
	xattrMagic  = 0xEA020000 // h_magic
	xattrHeader = 32         // bytes of the header of a block of attributes
	xattrEntry  = 16         // bytes of an entry before its name
)

// attributes judges the extended attributes of an inode.
func (a *Audit) attributes(in *Inode) error {
	sb, object := a.fs.Superblock, fmt.Sprintf("inode %d", in.Ino)
	if at := goodOldInode + int(in.ExtraIsize); in.ExtraIsize > 0 && at+8 <= len(in.raw) {
		if area := in.raw[at:]; binary.LittleEndian.Uint32(area) == xattrMagic {
			a.entries(object, area[4:], 0)
		}
	}
	if in.FileACL == 0 {
		return nil
	}
	if in.FileACL < uint64(sb.FirstDataBlock) || in.FileACL >= sb.BlocksCount || a.reserved(in.FileACL, 1) {
		a.note(object, "its extended attributes are at block %d", in.FileACL)
		return nil
	}
	if err := a.blocksInUse(object, in.FileACL, 1); err != nil {
		return err
	}
	block, err := a.block(in.FileACL)
	if err != nil {
		return err
	}
	c := &cursor{block}
	magic, refs, blocks := c.u32(), c.u32(), c.u32()
	c.skip(4) // h_hash
	got := c.u32()
	if magic != xattrMagic || refs == 0 || blocks != 1 {
		a.note(object, "block %d holds no extended attributes: magic number 0x%08x, %d references, %d blocks", in.FileACL, magic, refs, blocks)
		return nil
	}
	if sb.checksums() {
		if want := uint32(sb.seed().u64(in.FileACL).bytes(block[:0x10]).zeros(4).bytes(block[0x14:])); got != want {
			a.note(object, "the checksum of its extended attributes in block %d is 0x%08x, that of what they are is 0x%08x", in.FileACL, got, want)
		}
	}
	a.entries(object, block, xattrHeader)
	return nil
}

// entries judges the entries that start at first in an area, in which the places of values are counted from its start.
func (a *Audit) entries(object string, area []byte, first int) {
	at := first
	var values []zone
	for {
		if at+4 > len(area) {
			a.note(object, "its extended attributes have no end")
			return
		}
		if binary.LittleEndian.Uint32(area[at:]) == 0 {
			break
		}
		if at+xattrEntry > len(area) {
			a.note(object, "its extended attributes have no end")
			return
		}
		c := &cursor{area[at:]}
		nameLength := int(c.u8())
		c.skip(1) // e_name_index
		offset, inum, size := int(c.u16()), c.u32(), int64(c.u32())
		next := at + (xattrEntry+nameLength+3)&^3
		if next > len(area) || inum == 0 && size > 0 && int64(offset)+size > int64(len(area)) || inum != 0 && a.fs.FeatureIncompat&IncompatEaInode == 0 {
			a.note(object, "an extended attribute that reaches out of its place")
			return
		}
		if inum == 0 && size > 0 {
			values = append(values, zone{uint64(offset), uint64(offset) + uint64(size)})
		}
		at = next
	}
	for i, v := range values {
		if v.first < uint64(at+4) {
			a.note(object, "the value of an extended attribute lies on the names")
		}
		for _, w := range values[:i] {
			if v.first < w.end && w.first < v.end {
				a.note(object, "the values of two extended attributes overlap")
			}
		}
	}
}
