package ext4

// This file is the reading side that a file system and a transaction share: descriptors and inodes by number, each checked
// before it is used. Over the device it is the file system, over a transaction's copies it is what the transaction has made.

import (
	"io/fs"

	"boringboot/ext4/internal/blocks"
	"boringboot/ext4/internal/format"
)

// source gives metadata blocks one by one and file data in runs.
type source interface {
	blocks.Source
	// Read fills b with the blocks from n on. Its length need not be a multiple of the block size.
	Read(n FSBlock, b []byte) error
	// Ahead reads count blocks from n on at once, which will be asked for one by one.
	Ahead(n FSBlock, count int)
}

type view struct {
	*geometry
	sb  format.Superblock
	src source
	// Of a transaction; nil for the file system, whose directories are not looked at as a whole.
	dirs *dirMemory
	// checked has the descriptors that were found right, for one goroutine: a transaction's. Those that it changes are its own
	// copies, whose checksums are set when it commits. Nil elsewhere.
	checked *checkedDescs
}

// checkedDescs are blocks of descriptors by their number among all of them: of many groups few are looked at, and those together.
type checkedDescs struct {
	blocks map[uint32]*descBlock
	last   *descBlock // that was asked for
}

func newCheckedDescs() *checkedDescs { return &checkedDescs{blocks: map[uint32]*descBlock{}} }

// descBlock is a block of descriptors, and which of them were found right.
type descBlock struct {
	nr    uint32
	data  []byte
	right bitmap
}

func (v *view) groupChecksum() format.GroupChecksum {
	return format.GroupChecksum{Metadata: v.metadataCsum, Seed: v.seed, UUID: v.sb.UUID()}
}

// desc reads group's descriptor and checks its checksum and its pointers.
func (v *view) desc(group Group) (format.GroupDesc, error) {
	if v.checked != nil {
		return v.descOnce(group)
	}
	b, off := v.descAt(group)
	block, err := v.src.Block(b)
	if err != nil {
		return nil, err
	}
	d := format.GroupDesc(block[off:][:v.descSize:v.descSize])
	return d, v.checkDesc(group, d)
}

// descOnce is desc for a descriptor that is checked the first time only.
func (v *view) descOnce(group Group) (format.GroupDesc, error) {
	known, err := v.descBlock(group)
	if err != nil {
		return nil, err
	}
	i := uint32(group % v.descsPerBlock)
	d := format.GroupDesc(known.data[int(i)*v.descSize:][:v.descSize:v.descSize])
	if known.right.get(i) {
		return d, nil
	}
	if err := v.checkDesc(group, d); err != nil {
		return nil, err
	}
	known.right.set(i, 1)
	return d, nil
}

// descAhead is how many bytes of descriptors are read at once: what placing a directory looks at (comparedGroups), in blocks of
// 4 KiB and with the 64bit feature.
const descAhead = 32 << 10

// descBlock is the block that a group's descriptor is in.
func (v *view) descBlock(group Group) (*descBlock, error) {
	perBlock, c := v.descsPerBlock, v.checked
	nr := uint32(group / perBlock)
	if c.last == nil || c.last.nr != nr {
		known := c.blocks[nr]
		if known == nil {
			b, _ := v.descAt(group)
			if n := min(descAhead/v.blockSize, int(v.plainDescBlocks())-int(nr)); n > 1 {
				v.src.Ahead(b, n)
			}
			block, err := v.src.Block(b)
			if err != nil {
				return nil, err
			}
			known = &descBlock{nr, block, make(bitmap, (perBlock+7)/8)}
			c.blocks[nr] = known
		}
		c.last = known
	}
	return c.last, nil
}

func (v *view) checkDesc(group Group, d format.GroupDesc) error {
	if v.groupCsum && !v.groupChecksum().OK(group, d) {
		return corruptf("group %d: descriptor: wrong checksum", group)
	}
	const uninit = format.BGInodeUninit | format.BGBlockUninit
	if flags := format.BGFlags.Get(d); !v.groupCsum && (flags&uninit != 0 || d.ItableUnused() != 0) {
		return corruptf("group %d: descriptor: flags %#x, %d unused inodes in a file system without uninitialised groups",
			group, flags, d.ItableUnused())
	}
	// The first group has the root, and the last one's end is not what a bitmap that nobody wrote would say.
	if flags := v.flags(d); group == 0 && flags&uninit != 0 || group == v.groups-1 && flags&format.BGBlockUninit != 0 {
		return corruptf("group %d: descriptor: flags %#x in the first or last of %d groups", group, flags, v.groups)
	}
	for _, p := range []struct {
		name  string
		start FSBlock
		count uint32
	}{
		{"block bitmap", d.BlockBitmap(), 1},
		{"inode bitmap", d.InodeBitmap(), 1},
		{"inode table", d.InodeTable(), v.inodeTableBlocks()},
	} {
		if !v.validRange(p.start, uint64(p.count)) || !v.flexBG && !v.within(group, p.start, p.count) {
			return corruptf("group %d: descriptor: %s at block %d", group, p.name, p.start)
		}
	}
	if d.FreeBlocks() > v.groupClusters(group) || d.FreeInodes() > v.inodesPerGroup || d.ItableUnused() > v.inodesPerGroup {
		return corruptf("group %d: descriptor: %d free blocks, %d free and %d unused inodes",
			group, d.FreeBlocks(), d.FreeInodes(), d.ItableUnused())
	}
	return nil
}

// flags are bg_flags where they mean something.
func (v *view) flags(d format.GroupDesc) uint16 {
	if !v.groupCsum {
		return format.BGInodeZeroed
	}
	return format.BGFlags.Get(d)
}

// inodeAt is the block and the offset of an inode.
func (v *view) inodeAt(ino Ino) (FSBlock, int, error) {
	if ino == 0 || ino > v.inodes {
		return 0, 0, corruptf("inode %d: there are %d", ino, v.inodes)
	}
	group, index := v.inodeGroup(ino)
	d, err := v.desc(group)
	if err != nil {
		return 0, 0, err
	}
	off := uint64(index) * uint64(v.inodeSize)
	return d.InodeTable() + FSBlock(off/uint64(v.blockSize)), int(off % uint64(v.blockSize)), nil
}

// node is an inode that was read: its number and its bytes, which are not changed through it.
type node struct {
	ino Ino
	format.Inode
}

// inode reads an inode that something refers to, so it has to be in use.
func (v *view) inode(ino Ino) (node, error) {
	n, err := v.rawInode(ino)
	if err != nil {
		return node{}, err
	}
	if n.flag(format.InodeEAInode) && v.sb.HasIncompat(format.IncompatEAInode) {
		return node{}, corruptf("inode %d: it holds the value of an extended attribute, but something else refers to it", ino)
	}
	return n, v.checkInode(n)
}

// rawInode reads an inode that may hold anything.
func (v *view) rawInode(ino Ino) (node, error) {
	b, off, err := v.inodeAt(ino)
	if err != nil {
		return node{}, err
	}
	block, err := v.src.Block(b)
	if err != nil {
		return node{}, err
	}
	return node{ino, format.Inode(block[off:][:v.inodeSize:v.inodeSize])}, nil
}

func (v *view) checkInode(n node) error {
	if v.metadataCsum && !n.ChecksumOK(v.seed, n.ino) {
		return corruptf("inode %d: wrong checksum", n.ino)
	}
	if v.inodeSize > format.InodeBaseSize {
		extra := int(format.IExtraIsize.Get(n.Inode))
		if extra%4 != 0 || format.InodeBaseSize+extra > v.inodeSize {
			return corruptf("inode %d: i_extra_isize %d in an inode of %d bytes", n.ino, extra, v.inodeSize)
		}
	}
	if format.ILinksCount.Get(n.Inode) == 0 || format.IMode.Get(n.Inode) == 0 {
		return corruptf("inode %d: in use by a directory, but its link count is %d and its mode %#o",
			n.ino, format.ILinksCount.Get(n.Inode), format.IMode.Get(n.Inode))
	}
	if t := format.IDtime.Get(n.Inode); t != 0 {
		return corruptf("inode %d: in use, but deleted at %d (i_dtime)", n.ino, t)
	}
	if at := n.FileACL(); at != 0 && !v.validRange(at, 1) {
		return corruptf("inode %d: extended attributes at block %d", n.ino, at)
	}
	if fileMode(format.IMode.Get(n.Inode))&fs.ModeIrregular != 0 {
		return corruptf("inode %d: no file type has the mode %#o", n.ino, format.IMode.Get(n.Inode))
	}
	return v.checkFlags(n)
}

// checkFlags: a flag that needs a feature which is off, or another type of file, is what the kernel takes for damage as well.
func (v *view) checkFlags(n node) error {
	strange := uint32(format.InodeInlineData | format.InodeEncrypt | format.InodeCasefold | format.InodeEAInode | format.InodeVerity | format.InodeImagic)
	if !v.sb.HasIncompat(format.IncompatExtents) {
		strange |= format.InodeExtents
	}
	if v.sb.HasIncompat(format.IncompatEncrypt) {
		strange &^= format.InodeEncrypt
	}
	if v.sb.HasIncompat(format.IncompatCasefold) && n.Type() == format.ModeDir {
		strange &^= format.InodeCasefold
	}
	if v.sb.HasROCompat(format.ROCompatVerity) && n.Type() == format.ModeRegular {
		strange &^= format.InodeVerity
	}
	if v.sb.HasIncompat(format.IncompatEAInode) {
		strange &^= format.InodeEAInode
	}
	if v.sb.HasIncompat(format.IncompatInlineData) {
		strange &^= format.InodeInlineData
	}
	if !v.sb.HasROCompat(format.ROCompatHugeFile) {
		strange |= format.InodeHugeFile
	}
	if !v.dirIndex && v.metadataCsum { // without checksums an index that nobody uses is free space (ext4_iget)
		strange |= format.InodeIndex
	}
	flags := format.IFlags.Get(n.Inode)
	if flags&strange != 0 {
		return corruptf("inode %d: flags %#x of a feature that the superblock does not have", n.ino, flags&strange)
	}
	if typ := n.Type(); flags&format.InodeInlineData != 0 && (flags&(format.InodeExtents|format.InodeIndex) != 0 ||
		typ != format.ModeDir && typ != format.ModeRegular && typ != format.ModeSymlink) {
		return corruptf("inode %d: data in the inode, but mode %#o and flags %#x", n.ino, format.IMode.Get(n.Inode), flags)
	}
	if flags&format.InodeIndex != 0 && n.Type() != format.ModeDir {
		return corruptf("inode %d: an index (flags %#x), but no directory", n.ino, flags)
	}
	return nil
}

// named reads the inode that a directory entry leads to: not one of the file system's own.
func (v *view) named(ino Ino) (node, error) {
	if ino < v.firstIno {
		return node{}, corruptf("inode %d: reserved, but a directory names it", ino)
	}
	return v.inode(ino)
}

// flag tells whether a bit of i_flags is set.
func (n node) flag(bit uint32) bool { return format.IFlags.Get(n.Inode)&bit != 0 }

// seedOf is where the checksums of an inode's directory and extent blocks start.
func (v *view) seedOf(n node) uint32 {
	return format.InodeSeed(v.seed, n.ino, format.IGeneration.Get(n.Inode))
}
