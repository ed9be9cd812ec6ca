package format

// This file is what has to be known of extended attributes to give them up with a file, or to see that a file has an access
// control list (kernel: struct ext4_xattr_header, ext4_xattr_ibody_header, ext4_xattr_entry).

import (
	"encoding/binary"
	"fmt"
)

const (
	xhMagic    U32 = 0
	xhRefcount U32 = 4
	xhChecksum U32 = 16

	xattrMagic       = 0xEA020000
	xattrBlockHeader = 32 // bytes before a block's entries
	xattrIbodyHeader = 4  // bytes before an inode's entries
	xattrEntrySize   = 16 // bytes before an entry's name

	xeNameLen   U8 = 0
	xeNameIndex U8 = 1

	XattrPosixACLAccess = 2 // e_name_index of system.posix_acl_access
)

// XattrBlock is a view of a block of extended attributes, which several inodes may share.
type XattrBlock []byte

func (b XattrBlock) Check() error {
	if xhMagic.Get(b) != xattrMagic || xhRefcount.Get(b) == 0 {
		return fmt.Errorf("extended attributes: magic %#x, %d users", xhMagic.Get(b), xhRefcount.Get(b))
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

// HasIndex tells whether an attribute with that e_name_index is in the block.
func (b XattrBlock) HasIndex(index uint8) bool { return hasXattrIndex(b[xattrBlockHeader:], index) }

// HasXattrIndex tells the same of the attributes in the inode.
func (in Inode) HasXattrIndex(index uint8) bool {
	area := in.XattrArea()
	if len(area) < xattrIbodyHeader || xhMagic.Get(area) != xattrMagic {
		return false
	}
	return hasXattrIndex(area[xattrIbodyHeader:], index)
}

// Entries end with four zero bytes.
func hasXattrIndex(entries []byte, index uint8) bool {
	for len(entries) >= xattrEntrySize && U32(0).Get(entries) != 0 {
		if xeNameIndex.Get(entries) == index {
			return true
		}
		size := (xattrEntrySize + int(xeNameLen.Get(entries)) + 3) &^ 3
		entries = entries[min(size, len(entries)):]
	}
	return false
}
