package ext4

// This file finds names through a hashed directory's index.

import (
	"boringboot/ext4/internal/format"
)

// maxIndexLevels is how many levels of nodes there are at most below the root: one, or two with large_dir (ext4_dir_htree_level
// counts the root, too).
func (v *view) maxIndexLevels() int {
	if v.sb.HasIncompat(format.IncompatLargedir) {
		return 2
	}
	return 1
}

// dxFrame is one node on the way from the root to a leaf: the entry that was taken.
type dxFrame struct {
	fb   FileBlock
	node format.DXNode
	at   int
}

// nameHash is a name's hash by a directory's hash version; s_flags says whether characters are signed.
func (v *view) nameHash(version uint8, name []byte) (uint32, error) {
	if version <= format.HashTEA && format.SFlags.Get(v.sb)&format.FlagUnsignedHash != 0 {
		version += format.HashLegacyUnsigned
	}
	return format.DirHash(version, v.sb.HashSeed(), name)
}

// probe walks the index down to the leaf where name belongs.
func (v *view) probe(n node, name string) (frames []dxFrame, hash uint32, err error) {
	_, data, _, err := v.dirBlock(n, 0)
	if err != nil {
		return nil, 0, err
	}
	root, err := format.DXRoot(data, v.metadataCsum)
	if err != nil {
		return nil, 0, corruptf("inode %d: directory block 0: %w", n.ino, err)
	}
	levels := int(format.DXLevels.Get(data))
	if levels > v.maxIndexLevels() {
		return nil, 0, corruptf("inode %d: directory index of %d levels", n.ino, levels)
	}
	version := format.DXHashVer.Get(data)
	if version > format.HashTEA { // unsigned versions are s_flags' to say; no other is known to the kernel outside encryption
		return nil, 0, corruptf("inode %d: directory index of hash version %d", n.ino, version)
	}
	if hash, err = v.nameHash(version, []byte(name)); err != nil {
		return nil, 0, unsupportedf("inode %d: %w", n.ino, err)
	}
	frames = append(frames, dxFrame{0, root, root.Find(hash)})
	for range levels {
		last := frames[len(frames)-1]
		f, err := v.indexNode(n, last.node.Block(last.at))
		if err != nil {
			return nil, 0, err
		}
		f.at = f.node.Find(hash)
		frames = append(frames, f)
	}
	return frames, hash, nil
}

// indexNode reads a node below the root.
func (v *view) indexNode(n node, fb FileBlock) (dxFrame, error) {
	if fb == 0 {
		return dxFrame{}, corruptf("inode %d: the directory index points to its root", n.ino)
	}
	_, data, _, err := v.dirBlock(n, fb)
	if err != nil {
		return dxFrame{}, err
	}
	x, err := format.DXInner(data, v.metadataCsum)
	if err != nil {
		return dxFrame{}, corruptf("inode %d: directory block %d: %w", n.ino, fb, err)
	}
	return dxFrame{fb: fb, node: x}, nil
}

// leaf is the leaf that the frames lead to.
func leafOf(frames []dxFrame) FileBlock {
	last := frames[len(frames)-1]
	return last.node.Block(last.at)
}

// next moves the frames to the following leaf if it continues the hash: its entry in the index has the lowest bit set.
func (v *view) next(n node, frames []dxFrame, hash uint32) (bool, error) {
	level := len(frames) - 1
	for frames[level].at+1 >= frames[level].node.Count() {
		if level == 0 {
			return false, nil
		}
		level--
	}
	f := &frames[level]
	f.at++
	if f.node.Hash(f.at)&^1 != hash || f.node.Hash(f.at)&1 == 0 {
		return false, nil
	}
	for level++; level < len(frames); level++ {
		up := frames[level-1]
		child, err := v.indexNode(n, up.node.Block(up.at))
		if err != nil {
			return false, err
		}
		frames[level] = child
	}
	return true, nil
}

// findHashed looks a name up, and gives the leaf it is in.
func (v *view) findHashed(n node, name string) (found format.Dirent, fb FileBlock, err error) {
	if name == "." || name == ".." {
		return found, 0, corruptf("inode %d: %q looked up in the index", n.ino, name)
	}
	err = v.eachLeaf(n, name, func(_ []dxFrame, leaf FileBlock) (bool, error) {
		d, ok, err := v.findInLeaf(n, leaf, name)
		if ok {
			found, fb = d, leaf
		}
		return ok, err
	})
	return found, fb, err
}

func (v *view) findInLeaf(n node, fb FileBlock, name string) (found format.Dirent, ok bool, err error) {
	if fb == 0 {
		return found, false, corruptf("inode %d: the directory index has its root as a leaf", n.ino)
	}
	_, data, index, err := v.dirBlock(n, fb)
	if err != nil {
		return found, false, err
	}
	if index {
		return found, false, corruptf("inode %d: directory block %d: an index node where a leaf belongs", n.ino, fb)
	}
	ok, err = v.eachInBlock(n, fb, data, func(d format.Dirent) (bool, error) {
		if d.Ino == 0 || string(d.Name) != name {
			return false, nil
		}
		found = d
		return true, nil
	})
	return found, ok, err
}
