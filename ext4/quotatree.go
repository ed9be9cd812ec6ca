package ext4

// This file finds, enters and removes what an id has in a quota file's tree, as the kernel does (fs/quota/quota_tree.c).

import (
	"math"
	"slices"

	"boringboot/ext4/internal/format"
)

// count adds to what an id uses, or takes from it. An entry that has neither usage nor limits goes.
func (f *quotaFile) count(id uint32, c charge) error {
	e, err := f.find(id)
	if err != nil {
		return err
	}
	if e == nil {
		if e, err = f.insert(id); err != nil {
			return err
		}
	}
	bytes, inodes := format.DQBCurspace.Get(e), format.DQBCurinodes.Get(e)
	if bytes > math.MaxInt64/2 || inodes > math.MaxInt64/2 || int64(bytes)+c.bytes < 0 || int64(inodes)+c.inodes < 0 {
		return f.damaged("%s %d uses %d bytes and %d inodes, of which %d and %d are to go", f.typ, id, bytes, inodes, -c.bytes, -c.inodes)
	}
	bytes, inodes = uint64(int64(bytes)+c.bytes), uint64(int64(inodes)+c.inodes)
	if bytes == 0 && inodes == 0 && !e.HasLimits() {
		return f.remove(id)
	}
	format.DQBCurspace.Set(e, bytes)
	format.DQBCurinodes.Set(e, inodes)
	f.grace(e, format.DQBBtime, bytes > format.DQBBsoftlimit.Get(e)<<10 && format.DQBBsoftlimit.Get(e) != 0, format.DQIBgrace)
	f.grace(e, format.DQBItime, inodes > format.DQBIsoftlimit.Get(e) && format.DQBIsoftlimit.Get(e) != 0, format.DQIIgrace)
	return nil
}

// grace begins the time for which a soft limit may be passed, or ends it.
func (f *quotaFile) grace(e format.QuotaEntry, until format.U64, above bool, length format.U32) {
	switch {
	case !above:
		until.Set(e, 0)
	case until.Get(e) == 0:
		until.Set(e, uint64(max(f.tx.now.Sec, 0))+uint64(length.Get(f.info)))
	}
}

// path gives the blocks that lead to an id's leaf, as far as there are any: the root first, the leaf fifth.
func (f *quotaFile) path(id uint32) ([]uint32, error) {
	path := []uint32{format.QuotaRoot}
	b, err := f.block(format.QuotaRoot)
	for depth := range format.QuotaTreeDepth {
		if err != nil {
			return nil, err
		}
		next := format.QuotaNode(b).Ref(depth, id)
		if next == 0 {
			return path, nil
		}
		if slices.Contains(path, next) {
			return nil, f.damaged("block %d refers to block %d, which leads to it", path[len(path)-1], next)
		}
		path = append(path, next)
		b, err = f.named(next)
	}
	return path, err
}

// find gives an id's entry, nil if it has none.
func (f *quotaFile) find(id uint32) (format.QuotaEntry, error) {
	path, err := f.path(id)
	if err != nil || len(path) <= format.QuotaTreeDepth {
		return nil, err
	}
	e, _, err := f.entry(path[format.QuotaTreeDepth], id)
	return e, err
}

// entry looks an id up in a leaf that has it.
func (f *quotaFile) entry(at uint32, id uint32) (format.QuotaEntry, format.QuotaLeaf, error) {
	leaf, err := f.leaf(at)
	if err != nil {
		return nil, nil, err
	}
	if i := leaf.Find(id); i >= 0 {
		return leaf.Entry(i), leaf, nil
	}
	return nil, nil, f.damaged("the tree leads with %s %d to block %d, which does not have it", f.typ, id, at)
}

// insert enters an id that is not there. Its entry is given with usage and limits of 0.
func (f *quotaFile) insert(id uint32) (format.QuotaEntry, error) {
	path, err := f.path(id)
	if err != nil {
		return nil, err
	}
	for depth := len(path) - 1; depth < format.QuotaTreeDepth; depth++ {
		up, err := f.block(path[depth])
		if err != nil {
			return nil, err
		}
		var next uint32
		if depth < format.QuotaTreeDepth-1 {
			next, _, err = f.take()
		} else {
			next, err = f.leafWithRoom()
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(path, next) {
			return nil, f.damaged("block %d is free or a leaf with room, and is a node of the tree", next)
		}
		format.QuotaNode(up).SetRef(depth, id, next)
		path = append(path, next)
	}
	return f.fillPlace(path[format.QuotaTreeDepth], id)
}

// leafWithRoom is the first leaf on the list of those that have a free place, or a new one.
func (f *quotaFile) leafWithRoom() (uint32, error) {
	if at := format.DQIFreeEntry.Get(f.info); at != 0 {
		return at, nil
	}
	at, _, err := f.take()
	if err == nil {
		format.DQIFreeEntry.Set(f.info, at)
	}
	return at, err
}

// fillPlace enters an id into a leaf that is the first on the list of those with room. A full leaf leaves the list.
func (f *quotaFile) fillPlace(at uint32, id uint32) (format.QuotaEntry, error) {
	leaf, err := f.leaf(at)
	if err != nil {
		return nil, err
	}
	free, err := f.freePlace(at, leaf)
	if err != nil {
		return nil, err
	}
	if free < 0 {
		return nil, f.damaged("block %d is full and on the list of leaves with room", at)
	}
	if leaf.Find(id) >= 0 {
		return nil, f.damaged("block %d has %s %d, to which the tree does not lead", at, f.typ, id)
	}
	count := format.DQDHEntries.Get(leaf) + 1
	format.DQDHEntries.Set(leaf, count)
	if count == format.QuotaLeafEntries {
		if err := f.unlist(at, leaf); err != nil {
			return nil, err
		}
	}
	e := leaf.Entry(free)
	format.DQBID.Set(e, id)
	return e, nil
}

// freePlace is the first place in a leaf without an entry, −1 if it is full. It checks the leaf's number of entries.
func (f *quotaFile) freePlace(at uint32, leaf format.QuotaLeaf) (int, error) {
	used, free := uint16(0), -1
	for i := range format.QuotaLeafEntries {
		switch {
		case !leaf.Entry(i).Unused():
			used++
		case free < 0:
			free = i
		}
	}
	if used != format.DQDHEntries.Get(leaf) {
		return 0, f.damaged("block %d has %d entries and says that it has %d", at, used, format.DQDHEntries.Get(leaf))
	}
	return free, nil
}

// unlist takes a leaf off the list of those with room.
func (f *quotaFile) unlist(at uint32, leaf format.QuotaLeaf) error {
	next, prev := format.DQDHNextFree.Get(leaf), format.DQDHPrevFree.Get(leaf)
	if next != 0 {
		b, err := f.leaf(next)
		if err != nil {
			return err
		}
		if format.DQDHPrevFree.Get(b) != at {
			return f.damaged("block %d is followed by block %d on the list of leaves with room, but not the other way round", at, next)
		}
		format.DQDHPrevFree.Set(b, prev)
	}
	switch {
	case prev != 0:
		b, err := f.leaf(prev)
		if err != nil {
			return err
		}
		if format.DQDHNextFree.Get(b) != at {
			return f.damaged("block %d follows block %d on the list of leaves with room, but not the other way round", at, prev)
		}
		format.DQDHNextFree.Set(b, next)
	case format.DQIFreeEntry.Get(f.info) != at:
		return f.damaged("block %d has room and is not on the list of leaves with room", at)
	default:
		format.DQIFreeEntry.Set(f.info, next)
	}
	format.DQDHNextFree.Set(leaf, 0)
	format.DQDHPrevFree.Set(leaf, 0)
	return nil
}

// list puts a leaf that was full on that list.
func (f *quotaFile) list(at uint32, leaf format.QuotaLeaf) error {
	first := format.DQIFreeEntry.Get(f.info)
	if first != 0 {
		b, err := f.leaf(first)
		if err != nil {
			return err
		}
		format.DQDHPrevFree.Set(b, at)
	}
	format.DQDHNextFree.Set(leaf, first)
	format.DQDHPrevFree.Set(leaf, 0)
	format.DQIFreeEntry.Set(f.info, at)
	return nil
}

// remove takes an id out of the tree, and blocks that become empty with it.
func (f *quotaFile) remove(id uint32) error {
	path, err := f.path(id)
	if err != nil {
		return err
	}
	at := path[format.QuotaTreeDepth]
	e, leaf, err := f.entry(at, id)
	if err != nil {
		return err
	}
	if _, err := f.freePlace(at, leaf); err != nil {
		return err
	}
	switch count := format.DQDHEntries.Get(leaf); count {
	case 1:
		if err := f.unlist(at, leaf); err != nil {
			return err
		}
		f.give(at, leaf)
	default:
		clear(e)
		format.DQDHEntries.Set(leaf, count-1)
		if count == format.QuotaLeafEntries {
			if err := f.list(at, leaf); err != nil {
				return err
			}
		}
	}
	for depth := format.QuotaTreeDepth - 1; depth >= 0; depth-- {
		b, err := f.block(path[depth])
		if err != nil {
			return err
		}
		format.QuotaNode(b).SetRef(depth, id, 0)
		if path[depth] == format.QuotaRoot || !format.QuotaNode(b).Empty() {
			return nil
		}
		f.give(path[depth], b)
	}
	return nil
}
