package format

// This file is a block group's descriptor: 32 bytes, or s_desc_size (64 and up) with the 64bit feature
// (kernel: struct ext4_group_desc).

const (
	bgBlockBitmapLo     U32 = 0x00
	bgInodeBitmapLo     U32 = 0x04
	bgInodeTableLo      U32 = 0x08
	bgFreeBlocksLo      U16 = 0x0C
	bgFreeInodesLo      U16 = 0x0E
	bgUsedDirsLo        U16 = 0x10
	BGFlags             U16 = 0x12
	bgBlockBitmapCsumLo U16 = 0x18
	bgInodeBitmapCsumLo U16 = 0x1A
	bgItableUnusedLo    U16 = 0x1C
	BGChecksum          U16 = 0x1E
	bgBlockBitmapHi     U32 = 0x20
	bgInodeBitmapHi     U32 = 0x24
	bgInodeTableHi      U32 = 0x28
	bgFreeBlocksHi      U16 = 0x2C
	bgFreeInodesHi      U16 = 0x2E
	bgUsedDirsHi        U16 = 0x30
	bgItableUnusedHi    U16 = 0x32
	bgBlockBitmapCsumHi U16 = 0x38
	bgInodeBitmapCsumHi U16 = 0x3A

	GroupDescSize   = 32 // bytes, without 64bit
	GroupDescSize64 = 64 // bytes, the least with 64bit
)

// Bits of bg_flags. They mean something only where descriptors have a checksum.
const (
	BGInodeUninit = 0x1 // the inode bitmap is not initialised: no inode in use
	BGBlockUninit = 0x2 // the block bitmap is not initialised: only metadata in use
	BGInodeZeroed = 0x4 // the whole inode table has been zeroed
)

// GroupDesc is a view of one descriptor; its length says whether the high halves are there.
type GroupDesc []byte

func (d GroupDesc) wide() bool { return len(d) >= GroupDescSize64 }

func (d GroupDesc) block(lo, hi U32) FSBlock {
	if d.wide() {
		return FSBlock(lohi(d, lo, hi))
	}
	return FSBlock(lo.Get(d))
}

func (d GroupDesc) count(lo, hi U16) uint32 {
	if d.wide() {
		return uint32(lo.Get(d)) | uint32(hi.Get(d))<<16
	}
	return uint32(lo.Get(d))
}

func (d GroupDesc) setCount(lo, hi U16, v uint32) {
	lo.Set(d, uint16(v))
	if d.wide() {
		hi.Set(d, uint16(v>>16))
	}
}

func (d GroupDesc) BlockBitmap() FSBlock { return d.block(bgBlockBitmapLo, bgBlockBitmapHi) }
func (d GroupDesc) InodeBitmap() FSBlock { return d.block(bgInodeBitmapLo, bgInodeBitmapHi) }
func (d GroupDesc) InodeTable() FSBlock  { return d.block(bgInodeTableLo, bgInodeTableHi) }

func (d GroupDesc) FreeBlocks() uint32       { return d.count(bgFreeBlocksLo, bgFreeBlocksHi) }
func (d GroupDesc) SetFreeBlocks(v uint32)   { d.setCount(bgFreeBlocksLo, bgFreeBlocksHi, v) }
func (d GroupDesc) FreeInodes() uint32       { return d.count(bgFreeInodesLo, bgFreeInodesHi) }
func (d GroupDesc) SetFreeInodes(v uint32)   { d.setCount(bgFreeInodesLo, bgFreeInodesHi, v) }
func (d GroupDesc) UsedDirs() uint32         { return d.count(bgUsedDirsLo, bgUsedDirsHi) }
func (d GroupDesc) SetUsedDirs(v uint32)     { d.setCount(bgUsedDirsLo, bgUsedDirsHi, v) }
func (d GroupDesc) ItableUnused() uint32     { return d.count(bgItableUnusedLo, bgItableUnusedHi) }
func (d GroupDesc) SetItableUnused(v uint32) { d.setCount(bgItableUnusedLo, bgItableUnusedHi, v) }
func (d GroupDesc) BlockBitmapCsum() uint32  { return d.count(bgBlockBitmapCsumLo, bgBlockBitmapCsumHi) }
func (d GroupDesc) InodeBitmapCsum() uint32  { return d.count(bgInodeBitmapCsumLo, bgInodeBitmapCsumHi) }
func (d GroupDesc) SetBlockBitmapCsum(v uint32) {
	d.setCount(bgBlockBitmapCsumLo, bgBlockBitmapCsumHi, v)
}
func (d GroupDesc) SetInodeBitmapCsum(v uint32) {
	d.setCount(bgInodeBitmapCsumLo, bgInodeBitmapCsumHi, v)
}

// CsumMask is what of a bitmap's crc32c a descriptor of this size can hold: 16 bits or 32.
func (d GroupDesc) CsumMask() uint32 {
	if d.wide() {
		return 0xFFFFFFFF
	}
	return 0xFFFF
}
