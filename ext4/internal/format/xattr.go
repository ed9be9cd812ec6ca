package format

// This file is extended attributes: entries that grow downwards and values that grow upwards from the end, behind a header, in
// the rest of an inode or in a block that several inodes may share (kernel: struct ext4_xattr_header, ext4_xattr_ibody_header,
// ext4_xattr_entry). An area is decoded as a list and encoded again as a whole: what is between entries and values is zeros.

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

const (
	xhMagic    U32 = 0
	xhRefcount U32 = 4
	xhBlocks   U32 = 8
	xhHash     U32 = 12
	xhChecksum U32 = 16

	xeNameLen   U8  = 0
	xeNameIndex U8  = 1
	xeValueOffs U16 = 2 // from the block's beginning, or from the inode's first entry
	xeValueInum U32 = 4
	xeValueSize U32 = 8
	xeHash      U32 = 12

	xattrMagic       = 0xEA020000
	XattrBlockHeader = 32 // bytes before a block's entries
	xattrIbodyHeader = 4  // bytes before an inode's entries
	xattrEntrySize   = 16 // bytes before an entry's name
	xattrEnd         = 4  // zero bytes behind the last entry

	// XattrMaxRefs is how many inodes share a block at most (EXT4_XATTR_REFCOUNT_MAX).
	XattrMaxRefs = 1024
	// XattrMaxSize is the longest value that the kernel's interface can set (XATTR_SIZE_MAX), in bytes.
	XattrMaxSize = 1 << 16
	// XattrMaxStored is the longest value that an image may have (EXT4_XATTR_SIZE_MAX), in bytes.
	XattrMaxStored = 1 << 24
)

// XattrLargeValue is above which padded size a value has an inode at once, in blocks of blockSize bytes: what would fill a block but
// for an entry with a name of three bytes (EXT4_XATTR_MIN_LARGE_EA_SIZE).
func XattrLargeValue(blockSize int) int {
	return blockSize - XattrSize("abc", 0) - XattrBlockHeader - xattrEnd
}

// Values of e_name_index: what stands for the beginning of an attribute's name.
const (
	XattrUser            = 1
	XattrPosixACLAccess  = 2 // the whole name: e_name_len is 0
	XattrPosixACLDefault = 3
	XattrTrusted         = 4
	XattrSecurity        = 6
	XattrSystem          = 7 // "data" is an inode's inline data
	XattrEncryption      = 9
	XattrHurd            = 10
)

// XattrInlineData is the name, below XattrSystem, of what an inode's inline data has beyond i_block.
const XattrInlineData = "data"

// Xattr is one attribute as it is stored.
type Xattr struct {
	Index uint8  // e_name_index
	Name  string // without what Index stands for
	Value []byte // nil where Inum has it
	Inum  Ino    // e_value_inum: the inode that has the value, 0 for none
	Size  uint32 // e_value_size
	Hash  uint32 // e_hash
	// offs is where the value was when it was decoded: values keep their order. A new one is 0 and comes last, which is lowest.
	offs int
}

// Is tells whether it is the attribute of that index and name.
func (x Xattr) Is(index uint8, name string) bool { return x.Index == index && x.Name == name }

func pad4(n int) int { return (n + 3) &^ 3 }

// XattrValueSize is what a value of n bytes takes.
func XattrValueSize(n int) int { return pad4(n) }

// XattrSize is what an attribute takes of an area, in bytes: its entry and, where that is not in an inode, its value.
func XattrSize(name string, value int) int { return pad4(xattrEntrySize+len(name)) + pad4(value) }

func (x Xattr) size() int { return XattrSize(x.Name, len(x.Value)) }

// XattrsSize is what a list of attributes takes of an area behind its header, the end mark included.
func XattrsSize(list []Xattr) int {
	total := xattrEnd
	for _, x := range list {
		total += x.size()
	}
	return total
}

// decodeXattrs reads the entries from byte first of area on. Offsets of values are from area's beginning. Values are copies.
func decodeXattrs(area []byte, first int) ([]Xattr, error) {
	area = bytes.Clone(area)
	var list []Xattr
	off := first
	for {
		if off+xattrEnd > len(area) {
			return nil, fmt.Errorf("extended attributes: entries without an end")
		}
		if binary.LittleEndian.Uint32(area[off:]) == 0 {
			break
		}
		if off+xattrEntrySize > len(area) {
			return nil, fmt.Errorf("extended attributes: entry at byte %d passes the end", off)
		}
		e := area[off:]
		end := pad4(xattrEntrySize + int(xeNameLen.Get(e)))
		if end > len(e)-xattrEnd {
			return nil, fmt.Errorf("extended attributes: entry at byte %d passes the end", off)
		}
		x := Xattr{
			Index: xeNameIndex.Get(e), Name: string(e[xattrEntrySize:][:xeNameLen.Get(e)]),
			Inum: Ino(xeValueInum.Get(e)), Size: xeValueSize.Get(e), Hash: xeHash.Get(e), offs: int(xeValueOffs.Get(e)),
		}
		switch {
		case x.Index == 0:
			return nil, fmt.Errorf("extended attributes: entry at byte %d has the name index 0", off)
		case strings.ContainsRune(x.Name, 0):
			return nil, fmt.Errorf("extended attributes: entry at byte %d has a NUL in its name", off)
		case x.Size > XattrMaxStored:
			return nil, fmt.Errorf("extended attributes: entry at byte %d has a value of %d bytes", off, x.Size)
		case x.Inum != 0 && x.Size == 0:
			return nil, fmt.Errorf("extended attributes: entry at byte %d has an empty value in inode %d", off, x.Inum)
		}
		list = append(list, x)
		off += end
	}
	return list, takeValues(area, off+xattrEnd, list)
}

// takeValues finds the values of decoded entries: behind the entries, none within another.
func takeValues(area []byte, low int, list []Xattr) error {
	order := make([]int, 0, len(list))
	for i := range list {
		x := &list[i]
		if x.Inum != 0 || x.Size == 0 {
			x.offs = 0
			continue
		}
		if x.offs < low || x.offs > len(area) || pad4(int(x.Size)) > len(area)-x.offs {
			return fmt.Errorf("extended attributes: attribute %d has its value of %d bytes at byte %d of %d", i, x.Size, x.offs, len(area))
		}
		x.Value = area[x.offs:][:x.Size:x.Size]
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(list[a].offs, list[b].offs) })
	for k := 1; k < len(order); k++ {
		a, b := list[order[k-1]], list[order[k]]
		if a.offs+pad4(int(a.Size)) > b.offs {
			return fmt.Errorf("extended attributes: the values of attributes %d and %d share bytes", order[k-1], order[k])
		}
	}
	for i, x := range list {
		for _, y := range list[:i] {
			if x.Is(y.Index, y.Name) {
				return fmt.Errorf("extended attributes: attribute %d is there for the second time", i)
			}
		}
	}
	return nil
}

// encodeXattrs writes entries from byte first of area on and values from its end downwards, and clears what is between. The list
// must fit: XattrsSize.
func encodeXattrs(area []byte, first int, list []Xattr) {
	clear(area[first:])
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(list[b].offs, list[a].offs) })
	low := len(area)
	for _, i := range order {
		x := &list[i]
		if x.offs = 0; len(x.Value) > 0 {
			low -= pad4(len(x.Value))
			copy(area[low:], x.Value)
			x.offs = low
		}
	}
	off := first
	for _, x := range list {
		e := area[off:]
		xeNameLen.Set(e, uint8(len(x.Name)))
		xeNameIndex.Set(e, x.Index)
		xeValueOffs.Set(e, uint16(x.offs))
		xeValueInum.Set(e, uint32(x.Inum))
		xeValueSize.Set(e, x.Size)
		xeHash.Set(e, x.Hash)
		copy(e[xattrEntrySize:], x.Name)
		off += pad4(xattrEntrySize + len(x.Name))
	}
}

// NewXattr is an attribute that has its value beside it, for an inode, where e_hash is 0.
func NewXattr(index uint8, name string, value []byte) Xattr {
	return Xattr{Index: index, Name: name, Value: value, Size: uint32(len(value))}
}

// Replaces puts x in the place of old. A value that takes as much room as the old one stays where that was, as the kernel has it.
func (x Xattr) Replaces(old Xattr) Xattr {
	x.offs = 0
	if pad4(len(x.Value)) == pad4(len(old.Value)) {
		x.offs = old.offs
	}
	return x
}

// xattrHash is ext4_xattr_hash_entry: over the name's bytes and the words of the value, which zeros fill up. Before Linux 6.3 the
// name's bytes were signed where char is: signed is that hash, which older images have.
func xattrHash(name string, value []byte, signed bool) uint32 {
	h := uint32(0)
	for i := range len(name) {
		c := uint32(name[i])
		if signed {
			c = uint32(int32(int8(name[i])))
		}
		h = h<<5 ^ h>>27 ^ c
	}
	for len(value) > 0 {
		var word [4]byte
		n := copy(word[:], value)
		h = h<<16 ^ h>>16 ^ binary.LittleEndian.Uint32(word[:])
		value = value[n:]
	}
	return h
}

// hashed is what e_hash covers besides the name: the value, or of a value in an inode the hash that this inode has.
func (x Xattr) hashed(inodeHash uint32) []byte {
	if x.Inum == 0 {
		return x.Value
	}
	return binary.LittleEndian.AppendUint32(nil, inodeHash)
}

// SetHash sets e_hash. inodeHash is that of the inode that has the value, if one has.
func (x *Xattr) SetHash(inodeHash uint32) { x.Hash = xattrHash(x.Name, x.hashed(inodeHash), false) }

// HashOK verifies e_hash.
func (x Xattr) HashOK(inodeHash uint32) bool {
	v := x.hashed(inodeHash)
	return x.Hash == xattrHash(x.Name, v, false) || x.Hash == xattrHash(x.Name, v, true)
}

// XattrBlock is a view of a block of extended attributes.
type XattrBlock []byte

// Init makes an empty block that one inode uses.
func (b XattrBlock) Init() {
	clear(b)
	xhMagic.Set(b, xattrMagic)
	xhBlocks.Set(b, 1)
	xhRefcount.Set(b, 1)
}

// Check looks at the header.
func (b XattrBlock) Check() error {
	if xhMagic.Get(b) != xattrMagic || xhRefcount.Get(b) == 0 || xhBlocks.Get(b) != 1 {
		return fmt.Errorf("extended attributes: magic %#x, %d users, %d blocks", xhMagic.Get(b), xhRefcount.Get(b), xhBlocks.Get(b))
	}
	return nil
}

func (b XattrBlock) Refcount() uint32     { return xhRefcount.Get(b) }
func (b XattrBlock) SetRefcount(v uint32) { xhRefcount.Set(b, v) }

func (b XattrBlock) checksum(seed uint32, at FSBlock) uint32 {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], uint64(at))
	sum := CRC32C(seed, word[:])
	sum = CRC32C(sum, b[:xhChecksum])
	sum = crc32cWord(sum, 0)
	return CRC32C(sum, b[xhChecksum+4:])
}

func (b XattrBlock) ChecksumOK(seed uint32, at FSBlock) bool {
	return xhChecksum.Get(b) == b.checksum(seed, at)
}
func (b XattrBlock) SetChecksum(seed uint32, at FSBlock) { xhChecksum.Set(b, b.checksum(seed, at)) }

// Xattrs decodes the block. Values are copies.
func (b XattrBlock) Xattrs() ([]Xattr, error) { return decodeXattrs(b, XattrBlockHeader) }

// Room is what a list of attributes may take at most (XattrsSize).
func (b XattrBlock) Room() int { return len(b) - XattrBlockHeader }

// SetXattrs encodes a list, sorted by index, length of name and name, and sets h_hash. Every e_hash is set already.
func (b XattrBlock) SetXattrs(list []Xattr) {
	slices.SortFunc(list, func(x, y Xattr) int {
		return cmp.Or(cmp.Compare(x.Index, y.Index), cmp.Compare(len(x.Name), len(y.Name)), cmp.Compare(x.Name, y.Name))
	})
	encodeXattrs(b, XattrBlockHeader, list)
	hash := uint32(0)
	for _, x := range list {
		if x.Hash == 0 { // such a block is not shared
			hash = 0
			break
		}
		hash = hash<<16 ^ hash>>16 ^ x.Hash
	}
	xhHash.Set(b, hash)
}

// Xattrs decodes the attributes in the inode. Values are copies.
func (in Inode) Xattrs() ([]Xattr, error) {
	area := in.XattrArea()
	if len(area) < xattrIbodyHeader || xhMagic.Get(area) != xattrMagic {
		return nil, nil
	}
	return decodeXattrs(area[xattrIbodyHeader:], 0)
}

// XattrRoom is what a list of attributes may take at most in the inode (XattrsSize); 0 where there is no room for any.
func (in Inode) XattrRoom() int {
	room := len(in.XattrArea()) - xattrIbodyHeader
	if room < xattrEnd {
		return 0
	}
	return room
}

// SetXattrs encodes a list of attributes in the inode; none clears all that the inode has for them.
func (in Inode) SetXattrs(list []Xattr) {
	area := in.XattrArea()
	if len(list) == 0 {
		clear(area)
		return
	}
	encodeXattrs(area[xattrIbodyHeader:], 0, list)
	xhMagic.Set(area, xattrMagic)
}
