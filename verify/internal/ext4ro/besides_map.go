// What the map of an inode's blocks has besides content: blocks that hold nothing, and bytes that are no part of the map.

package ext4ro

import (
	"encoding/binary"
	"errors"
)

// besidesContent is the part of Besides about the place of the content.
func (fs *FS) besidesContent(in *Inode) (found []string, err error) {
	kind := in.Mode & ModeType
	switch {
	case in.Flags&FlagInlineData != 0:
		if fs.behindInline(in) {
			found = append(found, "what is behind the data in it")
		}
		return found, nil
	case kind == ModeSymlink && in.fast(fs.Superblock):
		if in.Size < fastLink && !allZeros(in.block[in.Size:]) {
			found = append(found, "what is behind the target in it")
		}
		return found, nil
	case kind != ModeRegular && kind != ModeDir && kind != ModeSymlink:
		return nil, nil
	}
	m, err := fs.Map(in)
	if err != nil {
		return nil, err
	}
	beyond := m.Unwritten
	for _, r := range m.all {
		beyond = beyond || r.file+r.blocks > max(m.Blocks, 1) || m.Blocks == 0
	}
	if beyond {
		found = append(found, "the blocks without content")
	}
	tidy, err := fs.tidyMap(in, m)
	if err != nil {
		return nil, err
	}
	if !tidy {
		found = append(found, "what is in the block map beside it")
	}
	if kind == ModeDir {
		a := NewAudit(fs)
		if err := a.Whole(); err != nil {
			return nil, err
		}
		d, err := a.Directory(in.Ino)
		if err != nil {
			if errors.Is(err, ErrCorrupt) {
				return found, nil // the audit tells
			}
			return nil, err
		}
		if d.empty > 0 {
			found = append(found, "the blocks without a name")
		}
	}
	return found, nil
}

// behindInline says whether there is anything behind the content that is inside an inode.
func (fs *FS) behindInline(in *Inode) bool {
	if in.Size < uint64(len(in.block)) && !allZeros(in.block[in.Size:]) {
		return true
	}
	more, _, err := fs.inlineValue(in)
	if err != nil {
		return true
	}
	rest := int(min(in.Size-min(in.Size, uint64(len(in.block))), uint64(len(more))))
	return !allZeros(more[rest:])
}

// tidyMap says whether the map is zeros but for what it maps, in the inode and in blocks of its own.
func (fs *FS) tidyMap(in *Inode, m *Map) (bool, error) {
	if in.Flags&FlagExtents == 0 {
		return tidyPointers(in, m.Blocks, uint64(fs.BlockSize/4)), nil
	}
	if !tidyNode(in.block, 0) {
		return false, nil
	}
	node := make([]byte, fs.BlockSize)
	tail := 0
	if fs.checksums() {
		tail = 4
	}
	for _, b := range m.nodes {
		if _, err := fs.r.ReadAt(node, int64(b)*fs.BlockSize); err != nil {
			return false, err
		}
		if !tidyNode(node, tail) {
			return false, nil
		}
	}
	return true, nil
}

// tidyNode says whether an extent node has zeros behind its entries, but for a checksum of tail bytes behind the last entry that fits.
func tidyNode(node []byte, tail int) bool {
	c := &cursor{node}
	c.skip(2) // eh_magic
	entries, room := int(c.u16()), int(c.u16())
	c.skip(2) // eh_depth
	generation := c.u32()
	used, end := entrySize*(1+entries), entrySize*(1+room)
	if generation != 0 || used > end || end > len(node) {
		return false
	}
	return allZeros(node[used:end]) && allZeros(node[min(end+tail, len(node)):])
}

// tidyPointers says whether the pointers in an inode to what is behind its end are zeros.
func tidyPointers(in *Inode, blocks, perBlock uint64) bool {
	file, covers := uint64(directBlocks), perBlock
	for i := range uint64(directBlocks) {
		if i >= blocks && binary.LittleEndian.Uint32(in.block[4*i:]) != 0 {
			return false
		}
	}
	for level := range uint64(3) {
		if file >= blocks && binary.LittleEndian.Uint32(in.block[4*(directBlocks+level):]) != 0 {
			return false
		}
		file += covers
		covers *= perBlock
	}
	return true
}
