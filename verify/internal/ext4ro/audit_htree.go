// The hash tree of a directory, judged: the kernel finds a name only in the block that the tree gives for its hash.

package ext4ro

// hashRange are the hashes that a leaf may hold: from first to last. Where the next leaf goes on with the same hash, its lowest bit
// is set, and the last of this one are of that hash.
type hashRange struct{ first, last uint32 }

const (
	dxRootEntries = dxRootInfo + 8
	noHash        = 0xffffffff
)

// hashTree walks the tree, notes which blocks are its own, and which hashes belong into each leaf.
func (x *dirReader) hashTree() error {
	block, err := x.x.block(0)
	if err != nil {
		return err
	}
	c := &cursor{block}
	dotIno, dotLength, dotName := c.u32(), c.u16(), c.u8()
	c.skip(1 + 4) // file_type of ".", its name
	dotdotIno, dotdotLength, dotdotName := c.u32(), c.u16(), c.u8()
	// The second entry reaches to the block's end, over the index. In a block of 64 KiB that length is written in another way.
	if dotLength != direntHead+4 || int(dotdotLength) != len(block)-direntHead-4 && len(block) < 65536 || dotName != 1 || dotdotName != 2 ||
		dotIno == 0 || dotdotIno == 0 {
		x.note("block 0: the entries before the index have %d and %d bytes, and names of %d and %d", dotLength, dotdotLength, dotName, dotdotName)
	}
	x.entry(0, 0, dotIno, typeDir, cString(block[8:12]))
	x.entry(0, direntHead+4, dotdotIno, typeDir, cString(block[20:24]))
	c = &cursor{block[dxRootInfo:]}
	reserved, version := c.u32(), c.u8()
	c.skip(1) // info_length, which CheckDirectory has seen
	levels := int(c.u8())
	if unused := c.u8(); reserved != 0 || unused&1 != 0 {
		x.note("block 0: the index begins with 0x%x and the flags 0x%x", reserved, unused)
	}
	if levels > 1 && x.a.fs.FeatureIncompat&IncompatLargedir == 0 {
		x.note("block 0: an index of %d levels without large_dir", levels)
	}
	if x.hasher = newHasher(version, x.a.fs.Superblock); x.hasher == nil {
		x.note("block 0: the index has hashes of version %d, which no kernel knows", version)
	}
	x.ranges = map[uint64]hashRange{}
	return x.indexNode(0, block, dxRootEntries, levels, hashRange{0, noHash})
}

// cString is the text of a field up to its NUL.
func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// indexNode walks a node of the tree that CheckDirectory has found sound: count, limit and blocks are such as can be.
func (x *dirReader) indexNode(n uint64, block []byte, first, levels int, within hashRange) error {
	x.index[n] = true
	x.indexTail(n, block, first)
	if n != 0 {
		c := &cursor{block}
		ino, length, nameLength := c.u32(), c.u16(), c.u8()
		if ino != 0 || nameLength != 0 || int(length) != len(block) && len(block) < 65536 {
			x.note("block %d: it should be a node of the index, and begins with an entry of %d bytes for inode %d", n, length, ino)
		}
	}
	c := &cursor{block[first:]}
	c.skip(2) // limit
	count := int(c.u16())
	starts, blocks := make([]uint32, count), make([]uint64, count)
	for i := range count {
		if starts[i] = within.first; i > 0 {
			starts[i] = c.u32()
		}
		blocks[i] = uint64(c.u32() & dxBlockMask)
		if i > 0 && starts[i]&^1 < starts[i-1]&^1 || starts[i] > within.last {
			x.note("block %d: the hashes of the index are not in order", n)
		}
	}
	for i := range count {
		own := hashRange{starts[i], within.last}
		if i+1 < count {
			own.last = starts[i+1]
		}
		if levels == 0 {
			x.ranges[blocks[i]] = own
			continue
		}
		child, err := x.x.block(blocks[i])
		if err != nil {
			return err
		}
		if err := x.indexNode(blocks[i], child, dxNodeEntries, levels-1, own); err != nil {
			return err
		}
	}
	return nil
}

// hashed judges whether a name is in the leaf where the kernel looks for it.
func (x *dirReader) hashed(n uint64, at int, name string) {
	if x.hasher == nil || len(name) > 255 {
		return
	}
	r, ok := x.ranges[n]
	if !ok {
		x.note("block %d: it has entries, and the index does not name it", n)
		return
	}
	h := x.hasher.hash(name)
	// The last of a range is the first of the next, but for a hash that goes on there.
	if h < r.first&^1 || h > r.last&^1 || h == r.last && r.last != noHash {
		x.note("block %d: the entry at byte %d is not where its hash 0x%08x is looked for", n, at, h)
	}
}
