package format

// This file is the journal's fast commits: records of a tag, a length and a value behind each other, little-endian (kernel:
// fs/ext4/fast_commit.h).

import "fmt"

// Tags of fast commits.
const (
	FCAddRange = 1
	FCDelRange = 2
	FCCreate   = 3
	FCLink     = 4
	FCUnlink   = 5
	FCInode    = 6
	FCPad      = 7
	FCTail     = 8
	FCHead     = 9

	FCRecordHeader = 4 // bytes before a value

	fcTag    U16 = 0
	fcLength U16 = 2

	// Values. Each but head and tail begins with an inode's number.
	fcIno         U32 = 0 // of FCInode, FCAddRange, FCDelRange
	fcRawInode        = 4 // of FCInode, to the end
	fcExtent          = 4 // of FCAddRange, as in an extent tree
	fcBlock       U32 = 4 // of FCDelRange: a file block
	fcCount       U32 = 8
	fcParent      U32 = 0 // of FCCreate, FCLink, FCUnlink
	fcChild       U32 = 4
	fcName            = 8 // to the end
	fcFeatures    U32 = 0 // of FCHead; none is known
	fcHeadNumber  U32 = 4
	fcTailNumber  U32 = 0 // of FCTail
	fcTailSum     U32 = 4
	fcTailSummed      = FCRecordHeader + 4 // bytes of the tail's record that the checksum covers
	fcTailMinimum     = 8
)

// FastCommitRecord is a record: its header and its value.
type FastCommitRecord []byte

// NextFastCommitRecord cuts the first record off the rest of a block. It is false where there is none that is right by its tag
// and length.
func NextFastCommitRecord(rest []byte, inodeSize int) (FastCommitRecord, []byte, bool) {
	if len(rest) < FCRecordHeader {
		return nil, nil, false
	}
	size := FCRecordHeader + int(fcLength.Get(rest))
	if size > len(rest) {
		return nil, nil, false
	}
	r := FastCommitRecord(rest[:size:size])
	return r, rest[size:], r.lengthOK(inodeSize)
}

func (r FastCommitRecord) Tag() uint16   { return fcTag.Get(r) }
func (r FastCommitRecord) value() []byte { return r[FCRecordHeader:] }

func (r FastCommitRecord) lengthOK(inodeSize int) bool {
	n := len(r.value())
	switch r.Tag() {
	case FCAddRange:
		return n == fcExtent+ExtentEntry
	case FCDelRange:
		return n == int(fcCount)+4
	case FCCreate, FCLink, FCUnlink:
		return n > fcName && n <= fcName+MaxNameLen
	case FCInode:
		return n >= fcRawInode+InodeBaseSize && n <= fcRawInode+inodeSize
	case FCPad:
		return true
	case FCTail:
		return n >= fcTailMinimum
	case FCHead:
		return n == int(fcHeadNumber)+4
	}
	return false
}

// Ino is the inode that an FCInode, FCAddRange or FCDelRange is about.
func (r FastCommitRecord) Ino() Ino { return Ino(fcIno.Get(r.value())) }

// RawInode is the beginning of an inode as the inode table has it: 128 bytes at least.
func (r FastCommitRecord) RawInode() []byte { return r.value()[fcRawInode:] }

// Added is the extent of an FCAddRange.
func (r FastCommitRecord) Added() Extent {
	node := make(ExtentNode, 2*ExtentEntry)
	copy(node[ExtentEntry:], r.value()[fcExtent:])
	return node.Extent(0)
}

// Removed is the range of an FCDelRange.
func (r FastCommitRecord) Removed() (first FileBlock, count uint32) {
	return FileBlock(fcBlock.Get(r.value())), fcCount.Get(r.value())
}

// Name is what an FCCreate, FCLink or FCUnlink is about: an entry of a directory and the inode it leads to.
func (r FastCommitRecord) Name() (parent, child Ino, name string) {
	v := r.value()
	return Ino(fcParent.Get(v)), Ino(fcChild.Get(v)), string(v[fcName:])
}

// Head is the number of the transaction that the commits behind it belong to.
func (r FastCommitRecord) Head() (number uint32, err error) {
	if f := fcFeatures.Get(r.value()); f != 0 {
		return 0, fmt.Errorf("fast commits with features %#x", f)
	}
	return fcHeadNumber.Get(r.value()), nil
}

// Tail ends a commit: the transaction's number, and a crc32c from 0 over all records since the one before.
func (r FastCommitRecord) Tail() (number, sum uint32) {
	return fcTailNumber.Get(r.value()), fcTailSum.Get(r.value())
}

// Sum continues a commit's checksum.
func (r FastCommitRecord) Sum(sum uint32) uint32 {
	if r.Tag() == FCTail {
		return CRC32C(sum, r[:fcTailSummed])
	}
	return CRC32C(sum, r)
}
