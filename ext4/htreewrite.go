package ext4

// This file changes the index of a hashed directory: it is made when the first block is full, leaves are split by hash, and
// so are index nodes, up to a second level.

import (
	"cmp"
	"slices"

	"boringboot/ext4/internal/format"
)

// hashedEntry is an entry of a leaf that is about to be split.
type hashedEntry struct {
	hash uint32
	typ  uint8
	ino  Ino
	name string
}

// leafEntries reads the entries in use of a block, in order.
func (tx *Tx) leafEntries(dir node, fb FileBlock, data []byte, version uint8) ([]hashedEntry, error) {
	var list []hashedEntry
	_, err := tx.eachInBlock(dir, fb, data, func(d format.Dirent) (bool, error) {
		if d.Ino == 0 {
			return false, nil
		}
		hash, err := tx.nameHash(version, d.Name)
		if err != nil {
			return true, unsupportedf("inode %d: %w", dir.ino, err)
		}
		list = append(list, hashedEntry{hash, d.Type, d.Ino, string(d.Name)})
		return false, nil
	})
	return list, err
}

// pack writes entries into a leaf without gaps; the last one takes what is left. What was in the block is gone.
func (tx *Tx) pack(dir node, b format.DirBlock, list []hashedEntry) {
	clear(b)
	space := tx.leafSpace()
	if tx.metadataCsum {
		b.InitTail()
	}
	if len(list) == 0 {
		b.SetRecLen(0, space)
	}
	off := 0
	for i, e := range list {
		size := format.DirentSize(len(e.name))
		if i == len(list)-1 {
			size = space - off
		}
		b.Put(off, size, e.ino, e.typ, e.name)
		off += size
	}
	tx.sealLeaf(dir, b)
}

// makeIndex turns a directory of one block into a hashed one with one leaf.
func (tx *Tx) makeIndex(dir node) error {
	version := format.SDefHashVersion.Get(tx.sb)
	tx.settleHashSign()
	at, data, _, err := tx.dirBlock(dir, 0)
	if err != nil {
		return err
	}
	list, err := tx.leafEntries(dir, 0, data, version)
	if err != nil {
		return err
	}
	if len(list) < 2 || list[0].name != "." || list[1].name != ".." {
		return corruptf("inode %d: directory block 0 does not begin with \".\" and \"..\"", dir.ino)
	}
	fb, leaf, err := tx.appendRawBlock(dir)
	if err != nil {
		return err
	}
	tx.pack(dir, leaf, list[2:])
	block, err := tx.over.Edit(at)
	if err != nil {
		return err
	}
	root := format.DirBlock(block)
	clear(root)
	root.Put(0, format.DirentSize(1), list[0].ino, list[0].typ, ".")
	root.Put(format.DirentSize(1), format.DirentSize(2), list[1].ino, list[1].typ, "..")
	x := format.InitDXRoot(block, tx.metadataCsum, version)
	x.Insert(0, 0, fb)
	tx.sealIndex(dir, x)
	format.IFlags.Set(dir.Inode, format.IFlags.Get(dir.Inode)|format.InodeIndex)
	delete(tx.dirs.linear, dir.ino)
	return nil
}

// settleHashSign: s_flags says whether hashes are over signed characters. Where it says nothing, each kernel takes its
// machine's own; we note signed ones, as x86 does.
func (tx *Tx) settleHashSign() {
	if flags := format.SFlags.Get(tx.sb); flags&(format.FlagSignedHash|format.FlagUnsignedHash) == 0 {
		format.SFlags.Set(tx.sb, flags|format.FlagSignedHash)
	}
}

func (tx *Tx) sealIndex(dir node, x format.DXNode) {
	if tx.metadataCsum {
		x.SetChecksum(tx.seedOf(dir))
	}
}

// insertHashed puts an entry into the leaf where its hash belongs, after splitting what is full.
func (tx *Tx) insertHashed(dir node, e newEntry) error {
	tx.settleHashSign()
	// Each round splits at least one node: as many as there are levels, and a leaf of long names perhaps twice.
	for range 3 * (tx.maxIndexLevels() + 2) {
		frames, _, err := tx.probe(dir, e.name)
		if err != nil {
			return err
		}
		leaf := leafOf(frames)
		if leaf == 0 {
			return corruptf("inode %d: the directory index has its root as a leaf", dir.ino)
		}
		if ok, err := tx.insertInBlock(dir, leaf, e); ok || err != nil {
			return err
		}
		if ok, err := tx.closeGaps(dir, leaf, e); ok || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if frames[len(frames)-1].node.Full() {
			if err := tx.splitIndex(dir, frames); err != nil {
				return err
			}
			continue
		}
		if err := tx.splitLeaf(dir, frames[len(frames)-1]); err != nil {
			return err
		}
	}
	return corruptf("inode %d: the directory index has no room after it was split", dir.ino)
}

// closeGaps moves a leaf's entries together, if that makes room for one more.
func (tx *Tx) closeGaps(dir node, fb FileBlock, e newEntry) (bool, error) {
	at, data, _, err := tx.dirBlock(dir, fb)
	if err != nil {
		return false, err
	}
	var list []hashedEntry
	used := format.DirentSize(len(e.name))
	_, err = tx.eachInBlock(dir, fb, data, func(d format.Dirent) (bool, error) {
		if d.Ino != 0 {
			list = append(list, hashedEntry{typ: d.Type, ino: d.Ino, name: string(d.Name)})
			used += format.DirentSize(len(d.Name))
		}
		return false, nil
	})
	if err != nil || used > tx.leafSpace() {
		return false, err
	}
	block, err := tx.over.Edit(at)
	if err != nil {
		return false, err
	}
	tx.pack(dir, block, list)
	return true, nil
}

// editFrame gives a frame's node to be changed.
func (tx *Tx) editFrame(dir node, f dxFrame) (format.DXNode, error) {
	at, _, _, err := tx.dirBlock(dir, f.fb)
	if err != nil {
		return format.DXNode{}, err
	}
	block, err := tx.over.Edit(at)
	if err != nil {
		return format.DXNode{}, err
	}
	return tx.dxNode(f.fb, block)
}

// splitLeaf moves the upper half of a leaf's hashes to a new leaf.
func (tx *Tx) splitLeaf(dir node, f dxFrame) error {
	_, root, _, err := tx.dirBlock(dir, 0)
	if err != nil {
		return err
	}
	fb := f.node.Block(f.at)
	at, data, _, err := tx.dirBlock(dir, fb)
	if err != nil {
		return err
	}
	list, err := tx.leafEntries(dir, fb, data, format.DXHashVer.Get(root))
	if err != nil {
		return err
	}
	if len(list) < 2 {
		return corruptf("inode %d: directory block %d: full with %d entries", dir.ino, fb, len(list))
	}
	slices.SortStableFunc(list, func(a, b hashedEntry) int { return cmp.Compare(a.hash, b.hash) })
	half := tx.halfOf(list)
	newFB, newBlock, err := tx.appendRawBlock(dir)
	if err != nil {
		return err
	}
	oldBlock, err := tx.over.Edit(at)
	if err != nil {
		return err
	}
	hash := list[half].hash
	if hash == list[half-1].hash {
		hash |= 1 // the new leaf continues the old one's last hash
	}
	tx.pack(dir, newBlock, list[half:])
	tx.pack(dir, oldBlock, list[:half])
	x, err := tx.editFrame(dir, f)
	if err != nil {
		return corruptf("inode %d: directory block %d: %w", dir.ino, f.fb, err)
	}
	x.Insert(f.at+1, hash, newFB)
	tx.sealIndex(dir, x)
	return nil
}

// halfOf is where a leaf's entries are divided: the upper part fills at most half a block, neither part is empty.
func (tx *Tx) halfOf(list []hashedEntry) int {
	size, i := 0, len(list)
	for i > 1 {
		size += format.DirentSize(len(list[i-1].name))
		if size > tx.blockSize/2 && i < len(list) {
			break
		}
		i--
	}
	return i
}

// splitIndex makes room in a full index: the highest full node below one that has room is halved; if all are full the root
// gets another level below it.
func (tx *Tx) splitIndex(dir node, frames []dxFrame) error {
	level := len(frames) - 1
	for level >= 0 && frames[level].node.Full() {
		level--
	}
	if level < 0 {
		return tx.raiseIndex(dir, frames)
	}
	up, err := tx.editFrame(dir, frames[level])
	if err != nil {
		return corruptf("inode %d: directory block %d: %w", dir.ino, frames[level].fb, err)
	}
	old, err := tx.editFrame(dir, frames[level+1])
	if err != nil {
		return corruptf("inode %d: directory block %d: %w", dir.ino, frames[level+1].fb, err)
	}
	newFB, block, err := tx.appendRawBlock(dir)
	if err != nil {
		return err
	}
	added := format.InitDXInner(block, tx.metadataCsum)
	half, count := old.Count()/2, old.Count()
	hash := old.Hash(half)
	for i := half; i < count; i++ {
		added.Insert(i-half, old.Hash(i), old.Block(i))
	}
	old.Truncate(half)
	up.Insert(frames[level].at+1, hash, newFB)
	for _, x := range []format.DXNode{added, old, up} {
		tx.sealIndex(dir, x)
	}
	return nil
}

// raiseIndex moves the root's entries to a new node, its only child.
func (tx *Tx) raiseIndex(dir node, frames []dxFrame) error {
	if len(frames) > tx.maxIndexLevels() {
		return &NoSpaceError{Resource: "directory index entries", Needed: 1}
	}
	if tx.metadataCsum && tx.blockSize == 1<<16 {
		// e2fsck to this day (1.47) knows a node below the root by its length of 65536, which is stored as 65535, and takes its
		// checksum for wrong (__get_dx_countlimit). Roots of such blocks have a million names.
		return unsupportedf("inode %d: a directory index of another level, which e2fsck cannot read in blocks of 64 KiB", dir.ino)
	}
	root, err := tx.editFrame(dir, frames[0])
	if err != nil {
		return corruptf("inode %d: directory block 0: %w", dir.ino, err)
	}
	fb, block, err := tx.appendRawBlock(dir)
	if err != nil {
		return err
	}
	child := format.InitDXInner(block, tx.metadataCsum)
	for i := range root.Count() {
		child.Insert(i, root.Hash(i), root.Block(i))
	}
	root.Truncate(0)
	root.Insert(0, 0, fb)
	root.AddLevel()
	tx.sealIndex(dir, child)
	tx.sealIndex(dir, root)
	return nil
}
