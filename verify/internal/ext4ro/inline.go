// Data inside the inode (inline_data): the 60 bytes of i_block, and what does not fit there in an attribute called system.data.

package ext4ro

import (
	"encoding/binary"
	"fmt"
)

const (
	xattrSystem = 7 // EXT4_XATTR_INDEX_SYSTEM
	inlineName  = "data"
)

// inlineData returns what an inode holds itself, of the length that its size says.
func (fs *FS) inlineData(in *Inode) ([]byte, error) {
	if fs.FeatureIncompat&IncompatInlineData == 0 {
		return nil, fmt.Errorf("inode %d: %w: its data are inside it, without inline_data", in.Ino, ErrCorrupt)
	}
	more, found, err := fs.inlineValue(in)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("inode %d: %w: the attribute that holds its data is missing", in.Ino, ErrCorrupt)
	}
	if in.Size > uint64(len(in.block)+len(more)) {
		return nil, fmt.Errorf("inode %d: %w: %d bytes, and room for %d inside it", in.Ino, ErrCorrupt, in.Size, len(in.block)+len(more))
	}
	data := make([]byte, 0, len(in.block)+len(more))
	return append(append(data, in.block...), more...)[:in.Size], nil
}

// inlineValue finds the value of system.data behind an inode's fields.
func (fs *FS) inlineValue(in *Inode) (value []byte, found bool, err error) {
	corrupt := fmt.Errorf("inode %d: %w: its extended attributes have no end", in.Ino, ErrCorrupt)
	at := goodOldInode + int(in.ExtraIsize)
	if at+4 > len(in.raw) || binary.LittleEndian.Uint32(in.raw[at:]) != xattrMagic {
		return nil, false, nil
	}
	area := in.raw[at+4:]
	for at := 0; ; {
		if at+4 > len(area) {
			return nil, false, corrupt
		}
		if binary.LittleEndian.Uint32(area[at:]) == 0 {
			return nil, false, nil
		}
		if at+xattrEntry > len(area) {
			return nil, false, corrupt
		}
		c := &cursor{area[at:]}
		nameLength, index := int(c.u8()), c.u8()
		offset, inum, size := int(c.u16()), c.u32(), c.u32()
		c.skip(4) // e_hash
		if nameLength > len(c.rest) {
			return nil, false, corrupt
		}
		if index == xattrSystem && string(c.bytes(nameLength)) == inlineName {
			if inum != 0 || int64(offset)+int64(size) > int64(len(area)) {
				return nil, false, fmt.Errorf("inode %d: %w: the attribute that holds its data reaches out of its place", in.Ino, ErrCorrupt)
			}
			return area[offset:][:size], true, nil
		}
		at += (xattrEntry + nameLength + 3) &^ 3
	}
}

// inlineDirectory judges a directory inside its inode: the one above by its number, then two areas of entries, each to its end.
func (x *dirReader) inlineDirectory() error {
	data, err := x.a.fs.inlineData(x.in)
	if err != nil {
		return err
	}
	if len(data) < len(x.in.block) {
		return fmt.Errorf("inode %d: %w: a directory of %d bytes inside its inode", x.in.Ino, ErrCorrupt, len(data))
	}
	x.entry(0, 0, x.in.Ino, typeDir, ".")
	x.entry(0, direntHead+4, binary.LittleEndian.Uint32(data), typeDir, "..")
	x.chain(inlineArea, data[4:len(x.in.block)])
	if rest := data[len(x.in.block):]; len(rest) > 0 {
		x.chain(inlineArea+1, rest)
	}
	return nil
}

// inlineArea is the number by which the first area inside an inode goes in findings: none that a block could have.
const inlineArea = 1
