// Inodes, judged: checksum, allocation, flags against features, sizes, block map, extended attributes.

package ext4ro

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	checksumLo = 0x7C // l_i_checksum_lo, of i_osd2
	checksumHi = 0x82 // i_checksum_hi
	fastLink   = 60   // bytes of i_block: a symlink of fewer is in the inode
)

// Inode judges an inode and the map of its blocks. An error that wraps ErrCorrupt is damage that leaves nothing to judge.
func (a *Audit) Inode(ino uint32) (*Inode, error) {
	if got, ok := a.inodes[ino]; ok {
		return got.in, got.err
	}
	got := &audited{}
	a.inodes[ino] = got
	if got.in, got.err = a.fs.Inode(ino); got.err != nil {
		return nil, got.err
	}
	if len(a.groups) <= int((ino-1)/a.fs.InodesPerGroup) {
		return got.in, nil // its descriptor was noted
	}
	a.inodeSelf(got.in)
	if err := a.allocated(got.in); err != nil {
		return nil, err
	}
	if err := a.inodeContent(got); err != nil {
		return nil, err
	}
	return got.in, a.attributes(got.in)
}

// inodeSelf judges an inode by its own bytes.
func (a *Audit) inodeSelf(in *Inode) {
	sb, object := a.fs.Superblock, fmt.Sprintf("inode %d", in.Ino)
	must := func(ok bool, format string, args ...any) {
		if !ok {
			a.note(object, format, args...)
		}
	}
	if sb.checksums() {
		got, want := in.checksum(sb)
		must(got == want, "the checksum is 0x%08x, that of what it holds is 0x%08x", got, want)
	}
	if room := sb.InodeSize - goodOldInode; room > 0 {
		must(in.ExtraIsize == 0 || in.ExtraIsize >= 4 && in.ExtraIsize <= room && in.ExtraIsize%4 == 0, "i_extra_isize is %d, of %d bytes", in.ExtraIsize, room)
	}
	must(in.Links > 0, "i_links_count is 0: to the kernel it is deleted")
	must(in.Dtime == 0, "i_dtime is set: it is deleted")
	switch in.Mode & ModeType {
	case ModeDir, ModeRegular, ModeSymlink, 0x1000, 0x2000, 0x6000, 0xC000:
	default:
		must(false, "i_mode 0%o is no type of file", in.Mode)
	}
	for _, f := range []struct {
		flag uint32
		name string
		ok   bool
	}{
		{FlagExtents, "extents", sb.FeatureIncompat&IncompatExtents != 0},
		{FlagEncrypt, "encrypt", sb.FeatureIncompat&IncompatEncrypt != 0},
		{FlagVerity, "verity", sb.FeatureRoCompat&RoCompatVerity != 0 && in.Mode&ModeType == ModeRegular},
		{FlagEaInode, "ea_inode", false}, // one of an extended attribute: the kernel opens it for nothing else
		{FlagInlineData, "inline_data", sb.FeatureIncompat&IncompatInlineData != 0},
		{FlagCasefold, "casefold", sb.FeatureIncompat&IncompatCasefold != 0 && in.Mode&ModeType == ModeDir},
		{FlagIndex, "index", sb.FeatureCompat&CompatDirIndex != 0 && in.Mode&ModeType == ModeDir},
		{FlagHugeFile, "huge_file", sb.FeatureRoCompat&RoCompatHugeFile != 0},
		{0x2000, "imagic", false},
	} {
		must(in.Flags&f.flag == 0 || f.ok, "the flag %s (0x%x), which it cannot have here", f.name, f.flag)
	}
	must(in.Faddr == 0, "i_obso_faddr is %d", in.Faddr)
	must(in.Size < 1<<63, "a size of %d bytes", in.Size)
}

// checksum returns the inode's checksum as it is and as it should be. Its upper half is only there where i_extra_isize reaches over it.
func (in *Inode) checksum(sb *Superblock) (got, want uint32) {
	got = uint32(binary.LittleEndian.Uint16(in.raw[checksumLo:]))
	sum := in.seed(sb).bytes(in.raw[:checksumLo]).zeros(2).bytes(in.raw[checksumLo+2 : goodOldInode])
	if len(in.raw) > goodOldInode && in.ExtraIsize >= checksumHi+2-goodOldInode {
		got |= uint32(binary.LittleEndian.Uint16(in.raw[checksumHi:])) << 16
		return got, uint32(sum.bytes(in.raw[goodOldInode:checksumHi]).zeros(2).bytes(in.raw[checksumHi+2:]))
	}
	return got, uint32(sum.bytes(in.raw[goodOldInode:])) & 0xffff
}

// allocated notes an inode that the inode bitmap has as free.
func (a *Audit) allocated(in *Inode) error {
	sb := a.fs.Superblock
	place := (in.Ino - 1) % sb.InodesPerGroup
	_, used, err := a.inUse(bitmapKey{(in.Ino - 1) / sb.InodesPerGroup, true}, place, place+1)
	if err == nil && !used {
		a.note(fmt.Sprintf("inode %d", in.Ino), "it is marked as free")
	}
	return err
}

// inodeContent judges where the content is.
func (a *Audit) inodeContent(got *audited) error {
	in, object := got.in, fmt.Sprintf("inode %d", got.in.Ino)
	if in.Flags&FlagInlineData != 0 && a.fs.FeatureIncompat&IncompatInlineData != 0 {
		return nil
	}
	blocks := uint64(0) // of the disk that it has
	switch kind := in.Mode & ModeType; {
	case kind == ModeSymlink && in.fast(a.fs.Superblock):
		if in.Size == 0 || in.Size >= fastLink || bytes.IndexByte(in.block, 0) != int(in.Size) {
			a.note(object, "a symlink whose target is not as long as its size, %d bytes", in.Size)
		}
		if in.Flags&(FlagExtents|FlagIndex) != 0 {
			a.note(object, "a symlink inside the inode with the flags 0x%x", in.Flags)
		}
	case kind == ModeRegular || kind == ModeDir || kind == ModeSymlink:
		m, err := a.fs.auditMap(in, a.note)
		if err != nil {
			got.err = a.noteErr(object, err)
			return got.err
		}
		got.m = m
		for _, r := range m.all {
			if a.reserved(r.disk, r.blocks) {
				a.note(object, "its blocks from %d, %d of them, are the file system's own", r.disk, r.blocks)
			}
			if err := a.blocksInUse(object, r.disk, r.blocks); err != nil {
				return err
			}
			blocks += r.blocks
		}
		if m.beyond {
			a.note(object, "it has data past its end, which is at %d bytes", in.Size)
		}
		if kind == ModeSymlink && (in.Size >= uint64(a.fs.BlockSize) || !m.Plain()) {
			a.note(object, "a symlink of %d bytes", in.Size)
		}
	default:
		return nil
	}
	if in.FileACL != 0 {
		blocks++
	}
	a.countBlocks(in, blocks)
	return nil
}

// fast says whether a symlink's target is in the inode: it has no blocks but that of its attributes.
func (in *Inode) fast(sb *Superblock) bool {
	own := uint64(0)
	if in.FileACL != 0 {
		own = uint64(sb.BlockSize) / 512
		if in.Flags&FlagHugeFile != 0 {
			own = 1
		}
	}
	return in.Blocks == own
}

// countBlocks compares i_blocks with the blocks that were found.
func (a *Audit) countBlocks(in *Inode, blocks uint64) {
	sb := a.fs.Superblock
	if sb.ClusterBlocks > 1 || sb.FeatureIncompat&IncompatEaInode != 0 {
		return // clusters and the values of attributes count as well
	}
	have := in.Blocks
	if sb.FeatureRoCompat&RoCompatHugeFile == 0 {
		have &= 0xffffffff
	}
	if in.Flags&FlagHugeFile == 0 {
		blocks *= uint64(sb.BlockSize) / 512
	}
	if have != blocks {
		a.note(fmt.Sprintf("inode %d", in.Ino), "i_blocks is %d, and it has %d", have, blocks)
	}
}
