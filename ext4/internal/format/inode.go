package format

// This file is the inode: 128 bytes, and with s_inode_size above that an extra part of i_extra_isize bytes, then extended
// attributes (kernel: struct ext4_inode).

const (
	IMode        U16 = 0x00
	iUIDLo       U16 = 0x02
	iSizeLo      U32 = 0x04
	iAtime       U32 = 0x08
	iCtime       U32 = 0x0C
	iMtime       U32 = 0x10
	IDtime       U32 = 0x14
	iGIDLo       U16 = 0x18
	ILinksCount  U16 = 0x1A
	iBlocksLo    U32 = 0x1C
	IFlags       U32 = 0x20
	IVersion     U32 = 0x24
	iBlock           = 0x28 // 60 bytes
	IGeneration  U32 = 0x64
	iFileACLLo   U32 = 0x68
	iSizeHi      U32 = 0x6C
	iBlocksHi    U16 = 0x74
	iFileACLHi   U16 = 0x76
	iUIDHi       U16 = 0x78
	iGIDHi       U16 = 0x7A
	IChecksumLo  U16 = 0x7C
	IExtraIsize  U16 = 0x80
	IChecksumHi  U16 = 0x82
	iCtimeExtra  U32 = 0x84
	iMtimeExtra  U32 = 0x88
	iAtimeExtra  U32 = 0x8C
	iCrtime      U32 = 0x90
	iCrtimeExtra U32 = 0x94
	IProjid      U32 = 0x9C

	InodeBaseSize = 128 // bytes, s_inode_size at least
	IBlockSize    = 60  // bytes of i_block: extent root, block map or a short symlink's target
	// InodeExtraSize is what the kernel gives new inodes for i_extra_isize: its struct has 160 bytes.
	InodeExtraSize = 32
)

// File types in i_mode.
const (
	ModeTypeMask = 0xF000
	ModeFIFO     = 0x1000
	ModeCharDev  = 0x2000
	ModeDir      = 0x4000
	ModeBlockDev = 0x6000
	ModeRegular  = 0x8000
	ModeSymlink  = 0xA000
	ModeSocket   = 0xC000
)

// Bits of i_flags.
const (
	InodeSecrm       = 0x00000001
	InodeUnrm        = 0x00000002
	InodeCompr       = 0x00000004
	InodeSync        = 0x00000008
	InodeImmutable   = 0x00000010
	InodeAppend      = 0x00000020
	InodeNodump      = 0x00000040
	InodeNoatime     = 0x00000080
	InodeNocompr     = 0x00000400
	InodeEncrypt     = 0x00000800
	InodeIndex       = 0x00001000 // a hashed directory
	InodeImagic      = 0x00002000
	InodeJournalData = 0x00004000
	InodeNotail      = 0x00008000
	InodeDirsync     = 0x00010000
	InodeTopDir      = 0x00020000 // subdirectories are spread as those of the root are
	InodeHugeFile    = 0x00040000 // i_blocks counts file system blocks
	InodeExtents     = 0x00080000
	InodeVerity      = 0x00100000
	InodeEAInode     = 0x00200000
	InodeDAX         = 0x02000000
	InodeInlineData  = 0x10000000
	InodeProjInherit = 0x20000000 // new files in this directory belong to its project
	InodeCasefold    = 0x40000000
)

// Inode is a view of s_inode_size bytes.
type Inode []byte

// fits tells whether a field of the extra part that ends at byte end is there in this inode.
func (in Inode) fits(end int) bool {
	return len(in) > InodeBaseSize && InodeBaseSize+int(IExtraIsize.Get(in)) >= end && len(in) >= end
}

func (in Inode) UID() uint32 { return uint32(iUIDLo.Get(in)) | uint32(iUIDHi.Get(in))<<16 }
func (in Inode) GID() uint32 { return uint32(iGIDLo.Get(in)) | uint32(iGIDHi.Get(in))<<16 }

func (in Inode) SetUID(v uint32) {
	iUIDLo.Set(in, uint16(v))
	iUIDHi.Set(in, uint16(v>>16))
}

func (in Inode) SetGID(v uint32) {
	iGIDLo.Set(in, uint16(v))
	iGIDHi.Set(in, uint16(v>>16))
}

// Project is the inode's project, 0 where it has no room for one.
func (in Inode) Project() uint32 {
	if !in.fits(int(IProjid) + 4) {
		return 0
	}
	return IProjid.Get(in)
}

func (in Inode) SetProject(v uint32) {
	if in.fits(int(IProjid) + 4) {
		IProjid.Set(in, v)
	}
}

func (in Inode) Type() uint16     { return IMode.Get(in) & ModeTypeMask }
func (in Inode) Size() uint64     { return lohi(in, iSizeLo, iSizeHi) }
func (in Inode) SetSize(v uint64) { setLohi(in, iSizeLo, iSizeHi, v) }

// RawBlocks is i_blocks: in units of 512 bytes, or of file system blocks where InodeHugeFile is set.
func (in Inode) RawBlocks() uint64 { return uint64(iBlocksLo.Get(in)) | uint64(iBlocksHi.Get(in))<<32 }

func (in Inode) SetRawBlocks(v uint64) {
	iBlocksLo.Set(in, uint32(v))
	iBlocksHi.Set(in, uint16(v>>32))
}

// FileACL is the block of extended attributes, 0 for none.
func (in Inode) FileACL() FSBlock {
	return FSBlock(iFileACLLo.Get(in)) | FSBlock(iFileACLHi.Get(in))<<32
}

func (in Inode) SetFileACL(b FSBlock) {
	iFileACLLo.Set(in, uint32(b))
	iFileACLHi.Set(in, uint16(b>>32))
}

// IBlock is the 60 bytes of i_block.
func (in Inode) IBlock() []byte { return in[iBlock:][:IBlockSize] }

// XattrArea is what follows the extra part: extended attributes in the inode. Nil where there is none; the kernel sees none either
// where i_extra_isize is 0.
func (in Inode) XattrArea() []byte {
	if len(in) <= InodeBaseSize || IExtraIsize.Get(in) == 0 {
		return nil
	}
	start := InodeBaseSize + int(IExtraIsize.Get(in))
	if start > len(in) {
		return nil
	}
	return in[start:]
}

// Timestamp is seconds since 1970 and nanoseconds.
type Timestamp struct {
	Sec  int64
	Nsec uint32
}

// An inode's time: 32 signed bits of seconds; the extra word has two more bits of seconds (epochs of 2^32) below 30 bits of
// nanoseconds.
func (in Inode) time(base, extra U32) Timestamp {
	t := Timestamp{Sec: int64(int32(base.Get(in)))}
	if in.fits(int(extra) + 4) {
		x := extra.Get(in)
		t.Sec += int64(x&3) << 32
		t.Nsec = x >> 2
	}
	return t
}

// Bounds of seconds that fit: 32 signed bits, or the same three epochs of 2^32 later.
const (
	MinTime     = -1 << 31
	MaxTime     = 1<<31 - 1
	MaxTimeLong = 3<<32 + MaxTime
)

// TimeFits tells whether a time can be stored in this inode.
func (in Inode) TimeFits(t Timestamp) bool {
	last := int64(MaxTime)
	if in.fits(int(iAtimeExtra) + 4) {
		last = MaxTimeLong
	}
	return t.Sec >= MinTime && t.Sec <= last
}

// A time that does not fit is stored as the nearest that does.
func (in Inode) setTime(base, extra U32, t Timestamp) {
	if in.fits(int(extra) + 4) {
		t.Sec = min(max(t.Sec, MinTime), MaxTimeLong)
		base.Set(in, uint32(t.Sec))
		extra.Set(in, t.Nsec<<2|uint32((t.Sec-int64(int32(t.Sec)))>>32)&3)
		return
	}
	base.Set(in, uint32(min(max(t.Sec, MinTime), MaxTime)))
}

func (in Inode) Atime() Timestamp     { return in.time(iAtime, iAtimeExtra) }
func (in Inode) Mtime() Timestamp     { return in.time(iMtime, iMtimeExtra) }
func (in Inode) Ctime() Timestamp     { return in.time(iCtime, iCtimeExtra) }
func (in Inode) SetAtime(t Timestamp) { in.setTime(iAtime, iAtimeExtra, t) }
func (in Inode) SetMtime(t Timestamp) { in.setTime(iMtime, iMtimeExtra, t) }
func (in Inode) SetCtime(t Timestamp) { in.setTime(iCtime, iCtimeExtra, t) }

// Crtime is zero where the inode has no room for it.
func (in Inode) Crtime() Timestamp {
	if !in.fits(int(iCrtime) + 4) {
		return Timestamp{}
	}
	return in.time(iCrtime, iCrtimeExtra)
}

func (in Inode) SetCrtime(t Timestamp) {
	if in.fits(int(iCrtime) + 4) {
		in.setTime(iCrtime, iCrtimeExtra, t)
	}
}

// An inode that holds the value of an extended attribute (InodeEAInode) has that value's hash for i_atime, and how often it is
// referred to for i_ctime (high half) and i_version (kernel: ext4_xattr_inode_get_ref, ext4_xattr_inode_get_hash).

func (in Inode) EAHash() uint32 { return iAtime.Get(in) }
func (in Inode) EARefs() uint64 { return uint64(iCtime.Get(in))<<32 | uint64(IVersion.Get(in)) }

func (in Inode) SetEAHash(hash uint32) { in.setWord(iAtime, iAtimeExtra, hash) }

func (in Inode) SetEARefs(refs uint64) {
	in.setWord(iCtime, iCtimeExtra, uint32(refs>>32))
	IVersion.Set(in, uint32(refs))
}

// setWord stores 32 unsigned bits where a time is: the two bits above them in the extra word make the same time of them.
func (in Inode) setWord(base, extra U32, v uint32) {
	base.Set(in, v)
	if in.fits(int(extra) + 4) {
		extra.Set(in, v>>31)
	}
}

// hasChecksumHi tells whether the inode has room for i_checksum_hi.
func (in Inode) hasChecksumHi() bool { return in.fits(int(IChecksumHi) + 2) }
