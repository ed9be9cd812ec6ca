package ext4

// This file reads directories block by block, hashed ones too: the nodes of an index look like free entries.

import (
	"boringboot/ext4/internal/format"
)

// dirBlocks is the number of blocks of a directory.
func (v *view) dirBlocks(n node) (FileBlock, error) {
	size := n.Size()
	if size == 0 || size%uint64(v.blockSize) != 0 || size/uint64(v.blockSize) > 1<<28 {
		return 0, corruptf("inode %d: a directory of %d bytes", n.ino, size)
	}
	if size > v.maxDirSize() {
		return 0, corruptf("inode %d: a directory of %d bytes without large_dir", n.ino, size)
	}
	return FileBlock(size / uint64(v.blockSize)), nil
}

// maxDirSize: only with large_dir does a directory's size have 64 bits, and then block numbers in an index have 28 (bytes).
func (v *view) maxDirSize() uint64 {
	if v.sb.HasIncompat(format.IncompatLargedir) {
		return uint64(v.blockSize) << 28
	}
	return 1<<32 - 1
}

// dirBlock reads block fb of a directory and verifies its checksum. It says whether the block is part of the index.
func (v *view) dirBlock(n node, fb FileBlock) (b FSBlock, data []byte, index bool, err error) {
	r, err := v.lookup(n, fb)
	if err != nil {
		return 0, nil, false, err
	}
	if r.start == 0 {
		return 0, nil, false, corruptf("inode %d: directory block %d is a hole", n.ino, fb)
	}
	data, err = v.src.Block(r.start)
	if err != nil {
		return 0, nil, false, err
	}
	index, err = v.checkDirBlock(n, fb, data)
	return r.start, data, index, err
}

func (v *view) checkDirBlock(n node, fb FileBlock, data []byte) (index bool, err error) {
	index = v.hashed(n) && v.isIndexBlock(fb, data)
	if !v.metadataCsum {
		return index, nil
	}
	ok := false
	if index {
		x, err := v.dxNode(fb, data)
		if err != nil {
			return true, corruptf("inode %d: directory block %d: %w", n.ino, fb, err)
		}
		ok = x.ChecksumOK(v.seedOf(n))
	} else {
		ok = format.DirBlock(data).ChecksumOK(v.seedOf(n))
	}
	if !ok {
		return index, corruptf("inode %d: directory block %d: wrong checksum", n.ino, fb)
	}
	return index, nil
}

// isIndexBlock: block 0 of a hashed directory is the root; another node begins with a free entry that spans the block,
// which a leaf with its checksum's tail cannot. Without checksums an empty leaf looks the same but for its limit.
func (v *view) isIndexBlock(fb FileBlock, data []byte) bool {
	if fb == 0 {
		return true
	}
	_, err := format.DXInner(data, v.metadataCsum)
	return err == nil
}

func (v *view) dxNode(fb FileBlock, data []byte) (format.DXNode, error) {
	if fb == 0 {
		return format.DXRoot(data, v.metadataCsum)
	}
	return format.DXInner(data, v.metadataCsum)
}

// eachInBlock calls visit for every entry of a block, free ones too, until it says stop.
func (v *view) eachInBlock(n node, fb FileBlock, data []byte, visit func(format.Dirent) (stop bool, err error)) (bool, error) {
	end := len(data)
	if v.metadataCsum && format.DirBlock(data).HasTail() {
		end -= format.DirTailSize
	}
	for off := 0; off < end; {
		d, err := format.DirBlock(data).At(off)
		if err != nil {
			return false, corruptf("inode %d: directory block %d: %w", n.ino, fb, err)
		}
		if d.Ino > v.inodes {
			return false, corruptf("inode %d: directory block %d: entry at byte %d names inode %d of %d", n.ino, fb, off, d.Ino, v.inodes)
		}
		if stop, err := visit(d); stop || err != nil {
			return stop, err
		}
		off += d.RecLen
	}
	return false, nil
}

// entries calls visit for every name in a directory but "." and "..". A name that is part of no path, or there twice, is an error:
// whoever walks the tree would be led astray.
func (v *view) entries(n node, visit func(name string, d format.Dirent) error) error {
	if err := v.checkPlain(n); err != nil {
		return err
	}
	c := v.newDirCheck(n)
	if n.flag(format.InodeInlineData) {
		return c.inline(func(d format.Dirent) error { return visit(string(d.Name), d) })
	}
	count, err := v.dirBlocks(n)
	if err != nil {
		return err
	}
	for fb := FileBlock(0); fb < count; fb++ {
		_, data, _, err := v.dirBlock(n, fb)
		if err == nil {
			err = c.block(fb, data, func(d format.Dirent) error { return visit(string(d.Name), d) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find looks a name up. Through the index where there is one, else block by block unless a transaction knows where it is.
func (v *view) find(n node, name string) (found format.Dirent, ok bool, err error) {
	if err := v.checkPlain(n); err != nil {
		return found, false, err
	}
	if v.hashed(n) && !n.flag(format.InodeCasefold) { // whose hashes are of other names
		found, _, err := v.findHashed(n, name)
		return found, found.Ino != 0, err
	}
	if n.flag(format.InodeInlineData) {
		if found, ok, err = v.findInline(n, name); err == nil && !ok {
			err = v.checkAbsent(n, name)
		}
		return found, ok, err
	}
	count, err := v.dirBlocks(n)
	if err != nil {
		return found, false, err
	}
	first := FileBlock(0)
	known := v.linearOf(n)
	if known == nil && v.dirs != nil {
		known = v.listNames(n, count)
	}
	if known != nil {
		fb, there := known.names[name]
		if !there {
			return found, false, v.checkAbsent(n, name)
		}
		first, count = fb, min(count, fb+1)
	}
	for fb := first; fb < count && !ok; fb++ {
		_, data, _, err := v.dirBlock(n, fb)
		if err != nil {
			return found, false, err
		}
		ok, err = v.eachInBlock(n, fb, data, func(d format.Dirent) (bool, error) {
			found = d
			return d.Ino != 0 && string(d.Name) == name, nil
		})
		if err != nil {
			return found, false, err
		}
	}
	if !ok {
		return found, false, v.checkAbsent(n, name)
	}
	return found, ok, nil
}

// hashed tells whether the kernel would use a directory's index.
func (v *view) hashed(n node) bool { return v.dirIndex && n.flag(format.InodeIndex) }

// parent is where ".." of a directory points.
func (v *view) parent(n node) (Ino, error) {
	if n.flag(format.InodeInlineData) {
		dots, err := v.inlineDots(n)
		return dots[1].Ino, err
	}
	_, data, _, err := v.dirBlock(n, 0)
	if err != nil {
		return 0, err
	}
	dot, err := format.DirBlock(data).At(0)
	if err == nil {
		dot, err = format.DirBlock(data).At(dot.RecLen)
	}
	if err != nil {
		return 0, corruptf("inode %d: directory block 0: %w", n.ino, err)
	}
	if string(dot.Name) != ".." || dot.Ino == 0 {
		return 0, corruptf("inode %d: the second entry is not \"..\"", n.ino)
	}
	return dot.Ino, nil
}
