// What the map of an inode's blocks has besides content: blocks that hold nothing, and bytes that are no part of the map.

package ext4ro

import (
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
		return tidyPointers(in.block, nil, m.Blocks, uint64(fs.BlockSize/4)), nil
	}
	if !tidyNode(in.block, nil, 0) {
		return false, nil
	}
	node := make([]byte, fs.BlockSize)
	for _, b := range m.nodes {
		if _, err := fs.r.ReadAt(node, int64(b)*fs.BlockSize); err != nil {
			return false, err
		}
		if !tidyNode(node, nil, fs.tailOfNodes()) {
			return false, nil
		}
	}
	return true, nil
}

// tailOfNodes is how many bytes of checksum are behind the entries of an extent node.
func (fs *FS) tailOfNodes() int {
	if fs.checksums() {
		return 4
	}
	return 0
}

// tidyNode says whether an extent node has zeros, or what was there before, in ei_unused and behind its entries, but for a checksum of tail
// bytes behind the last entry that fits.
func tidyNode(node, was []byte, tail int) bool {
	c := &cursor{node}
	c.skip(2) // eh_magic
	entries, room, depth := int(c.u16()), int(c.u16()), c.u16()
	used, end := entrySize*(1+entries), entrySize*(1+room)
	if used > end || end > len(node) || !zerosOrAsBefore(node, was, 8, 12) { // eh_generation
		return false
	}
	for at := entrySize; depth > 0 && at < used; at += entrySize {
		if !zerosOrAsBefore(node, was, at+10, at+12) {
			return false
		}
	}
	return zerosOrAsBefore(node, was, used, end) && zerosOrAsBefore(node, was, min(end+tail, len(node)), len(node))
}

// tidyPointers says whether the pointers in an inode to what is behind its end are zeros, or what was there before.
func tidyPointers(pointers, was []byte, blocks, perBlock uint64) bool {
	file, covers := uint64(0), uint64(1)
	for i := range len(pointers) / 4 {
		if i >= directBlocks {
			covers *= perBlock
		}
		if file >= blocks && !zerosOrAsBefore(pointers, was, 4*i, 4*i+4) {
			return false
		}
		file += covers
	}
	return true
}

// zerosOrAsBefore says whether each of some bytes is zero or what it was before, if anything was.
func zerosOrAsBefore(is, was []byte, first, end int) bool {
	for at := first; at < end; at++ {
		if is[at] != 0 && (at >= len(was) || is[at] != was[at]) {
			return false
		}
	}
	return true
}
