// Two states of one structure: whether they differ only in what an update has to touch.

package ext4ro

import "bytes"

// field is a run of bytes of a structure.
type field struct{ first, end int }

// sameBut compares all bytes but those of some fields.
func sameBut(a, b []byte, fields []field) bool {
	if len(a) != len(b) {
		return false
	}
	return bytes.Equal(without(a, fields), without(b, fields))
}

// without is a copy with zeros in some fields. A short structure, as an inode of 128 bytes is, has not all of them.
func without(b []byte, fields []field) []byte {
	b = bytes.Clone(b)
	for _, f := range fields {
		if f.first < len(b) {
			clear(b[f.first:min(f.end, len(b))])
		}
	}
	return b
}

// SameSuperblock says whether two superblocks of 1024 bytes differ in no more than counts, times and marks of what goes on. Four bytes that
// nobody reads may make up for them, so that the checksum stays: those at the end of the name of the last mount point, if the name ends
// before them, or of the function of the first error, if there was none.
func SameSuperblock(a, b []byte) bool {
	const lastMounted, firstErrorFunc = 0x88, 0x1A8
	fields := []field{
		{0x0C, 0x14},   // s_free_blocks_count_lo, s_free_inodes_count
		{0x30, 0x34},   // s_wtime
		{0x158, 0x15C}, // s_free_blocks_count_hi
		{0x178, 0x180}, // s_kbytes_written
		{0x274, 0x275}, // s_wtime_hi
		{0x3FC, 0x400}, // s_checksum
	}
	if bytes.IndexByte(a[lastMounted:lastMounted+60], 0) >= 0 {
		fields = append(fields, field{lastMounted + 60, lastMounted + 64})
	} else if allZeros(a[0x194:0x19C]) { // s_error_count, s_first_error_time
		fields = append(fields, field{firstErrorFunc + 28, firstErrorFunc + 32})
	}
	if !sameBut(a, b, append(fields, field{0x5C, 0x60}, field{0x64, 0x68})) {
		return false
	}
	// s_feature_compat: ext_attr comes with the first attribute.
	const compatExtAttr = 0x8
	if x, y := (&cursor{a[0x5C:]}).u32(), (&cursor{b[0x5C:]}).u32(); x != y && x|compatExtAttr != y {
		return false
	}
	// s_feature_ro_compat: large_file comes with the first large file.
	const roCompatLargeFile = 0x2
	x, y := (&cursor{a[0x64:]}).u32(), (&cursor{b[0x64:]}).u32()
	return x == y || x|roCompatLargeFile == y
}

func allZeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// SameDescriptor says whether two group descriptors differ in no more than counts, flags and checksums.
func SameDescriptor(a, b []byte) bool {
	return sameBut(a, b, []field{
		{0x0C, 0x14}, // bg_free_blocks_count_lo … bg_flags
		{0x18, 0x20}, // bg_block_bitmap_csum_lo … bg_checksum
		{0x2C, 0x34}, // bg_free_blocks_count_hi … bg_itable_unused_hi
		{0x38, 0x3C}, // bg_block_bitmap_csum_hi, bg_inode_bitmap_csum_hi
	})
}

// DescriptorsIn gives the first group whose descriptor is in a block, if it is one of the primary ones.
func (fs *FS) DescriptorsIn(block uint64) (first uint32, ok bool) {
	perBlock := fs.DescsPerBlock()
	for n := uint32(0); uint64(n)*uint64(perBlock) < uint64(fs.Groups); n++ {
		if fs.descBlock(n) == block {
			return n * perBlock, true
		}
	}
	return 0, false
}

// SameButForContent says whether two states of an inode differ in no more than what its content brings with it: size, times, links, map,
// the flag of an index, checksum; in its inode, its data as well. It has the same extended attributes, and beside its map nothing that was
// not there. With attr it may have another mode and owner, and what an access control list has of the mode.
func (fs *FS) SameButForContent(a, b []byte, attr bool) bool {
	if len(a) != len(b) {
		return false
	}
	x, y := parseInode(0, a), parseInode(0, b)
	if attr && x.Mode&ModeType == y.Mode&ModeType {
		a = bytes.Clone(a)
		for _, f := range []field{{0x00, 0x04}, {0x18, 0x1A}, {0x78, 0x7C}} { // i_mode, l_i_uid_low; l_i_gid_low; l_i_uid_high, l_i_gid_high
			copy(a[f.first:f.end], b[f.first:f.end])
		}
	}
	const may = FlagIndex | FlagInlineData | FlagExtents | FlagHugeFile
	if x.Flags&^may != y.Flags&^may {
		return false
	}
	extra := min(goodOldInode+int(x.ExtraIsize), len(a))
	return sameBut(a[:extra], b[:extra], []field{
		{0x04, 0x08}, // i_size_lo
		{0x08, 0x14}, // i_atime, i_ctime, i_mtime
		{0x1A, 0x20}, // i_links_count, i_blocks_lo
		{0x20, 0x24}, // i_flags
		{0x28, 0x64}, // i_block
		{0x6C, 0x70}, // i_size_high
		{0x74, 0x76}, // i_blocks_high
		{0x7C, 0x7E}, // i_checksum_lo
		{0x82, 0x90}, // i_checksum_hi … i_atime_extra
	}) && sameArea(a[extra:], b[extra:], x.Flags&FlagInlineData != 0, y.Flags&FlagInlineData != 0, attr, y.Mode) && fs.sameBesideMap(x, y)
}

// sameBesideMap says whether i_block has nothing beside the map of the content that was not there.
func (fs *FS) sameBesideMap(was, is *Inode) bool {
	switch {
	case is.Flags&FlagInlineData != 0:
		return true // all of it is content
	case is.Flags&FlagExtents != 0:
		return tidyNode(is.block, was.block, 0)
	}
	return tidyPointers(is.block, was.block, (is.Size+uint64(fs.BlockSize)-1)/uint64(fs.BlockSize), uint64(fs.BlockSize/4))
}

// SameBesideNode says whether a block of an inode's map has nothing beside it that was not there. Pointers are all part of the map.
func (fs *FS) SameBesideNode(ino uint32, was, is []byte) (bool, error) {
	in, err := fs.Inode(ino)
	if err != nil || in.Flags&FlagExtents == 0 {
		return err == nil, err
	}
	return tidyNode(is, was, fs.tailOfNodes()), nil
}

// SameButForLinks says whether two states of an inode differ in no more than the number of links and the time of that.
func SameButForLinks(a, b []byte) bool {
	return sameBut(a, b, []field{
		{0x0C, 0x10},               // i_ctime
		{0x1A, 0x1C},               // i_links_count
		{0x7C, 0x7E}, {0x82, 0x88}, // i_checksum_lo; i_checksum_hi, i_ctime_extra
	})
}

// GoneFrom says whether an inode is now in use by nobody, and keeps nothing but what it had, or zeros in place of that. Besides, what freeing it
// writes: times, an empty tree of extents, checksum.
func GoneFrom(was, is []byte) bool {
	if !Gone(is) || len(was) != len(is) {
		return false
	}
	fields := []field{
		{0x08, 0x18},               // i_atime … i_dtime
		{0x7C, 0x7E}, {0x82, 0x90}, // i_checksum_lo; i_checksum_hi … i_atime_extra
	}
	x, y := without(was, fields), without(is, fields)
	for at := 0x20; at < 0x24; at++ { // i_flags
		if y[at]&^x[at] != 0 {
			return false
		}
		y[at] = 0
	}
	const block, header = 0x28, 12
	if c := (&cursor{y[block:]}); c.u16() == extentMagic && c.u16() == 0 && c.u16() <= 4 && c.u16() == 0 {
		clear(y[block:][:header-4]) // all but eh_generation
	}
	for at := range y {
		if y[at] != 0 && y[at] != x[at] {
			return false
		}
	}
	return true
}

// Gone says whether an inode is in use by nobody: it has no links.
func Gone(raw []byte) bool { return parseInode(0, raw).Links == 0 }

// List gives the names of a directory and the inodes that they lead to, "." and ".." included.
func List(fs *FS, ino uint32) (map[string]uint32, error) {
	a := NewAudit(fs)
	if err := a.Whole(); err != nil {
		return nil, err
	}
	d, err := a.Directory(ino)
	if err != nil {
		return nil, err
	}
	names := make(map[string]uint32, len(d.names))
	for name, e := range d.names {
		names[name] = e.ino
	}
	return names, nil
}

// Uninitialised says whether a group's bitmap of inodes, or of blocks, means nothing yet.
func (fs *FS) Uninitialised(group uint32, inodes bool) bool {
	g, err := fs.group(group)
	if err != nil || !fs.checksums() && fs.FeatureRoCompat&RoCompatGdtCsum == 0 {
		return false
	}
	if inodes {
		return g.flags&groupInodeUninit != 0
	}
	return g.flags&groupBlockUninit != 0
}

// SameAttributes says whether two states of a block of extended attributes differ in no more than how many share it.
func SameAttributes(a, b []byte) bool {
	return sameBut(a, b, []field{{0x04, 0x08}, {0x10, 0x14}}) // h_refcount, h_checksum
}

// SameJournalSuper says whether two superblocks of a journal differ in no more than what a transaction changes. Features may come and go
// with the kernel that mounts it.
func SameJournalSuper(a, b []byte) bool {
	return sameBut(a, b, []field{
		{0x18, 0x20},  // s_sequence, s_start
		{0x28, 0x2C},  // s_feature_incompat
		{0x58, 0x5C},  // s_head
		{0xFC, 0x100}, // s_checksum
	})
}
