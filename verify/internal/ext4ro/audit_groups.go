// Group descriptors and bitmaps, judged. The kernel looks at all descriptors before it mounts; the bitmaps are read where something
// that is looked at must be marked in them.

package ext4ro

import (
	"cmp"
	"fmt"
	"slices"
)

// zone is a run of blocks: from first to before end.
type zone struct{ first, end uint64 }

// descriptors reads and judges all group descriptors.
func (a *Audit) descriptors() error {
	sb := a.fs.Superblock
	perBlock := sb.DescsPerBlock()
	a.groups = make([]*group, 0, min(sb.Groups, 1<<16))
	var last *[]byte
	for n := range sb.Groups {
		if n%perBlock == 0 {
			at := a.fs.descBlock(n / perBlock)
			if at >= sb.BlocksCount {
				a.note(fmt.Sprintf("group %d", n), "its descriptor would be in block %d of %d", at, sb.BlocksCount)
				return nil
			}
			block, err := a.block(at)
			if err != nil {
				return err
			}
			last = &block
		}
		desc := (*last)[n%perBlock*uint32(sb.DescSize):][:sb.DescSize]
		g := parseGroup(desc)
		a.groups = append(a.groups, g)
		a.descriptor(n, g, desc)
	}
	a.layOut()
	return nil
}

func (a *Audit) descriptor(n uint32, g *group, desc []byte) {
	sb, object := a.fs.Superblock, fmt.Sprintf("group %d", n)
	if want, has := sb.groupChecksum(n, desc); has {
		if g.checksum != want {
			a.note(object, "the descriptor's checksum is 0x%04x, that of what it holds is 0x%04x", g.checksum, want)
		}
		if g.itableUnused > sb.InodesPerGroup {
			a.note(object, "%d of %d inodes were never used", g.itableUnused, sb.InodesPerGroup)
		}
	} else if g.flags&(groupInodeUninit|groupBlockUninit) != 0 || g.itableUnused != 0 {
		a.note(object, "parts that were never used (bg_flags 0x%x, %d inodes), without a checksum that would make them so", g.flags, g.itableUnused)
	}
	if !g.tableFits(sb) {
		a.note(object, "the inode table begins at block %d of %d", g.inodeTable, sb.BlocksCount)
	}
	// Without flex_bg a group has its bitmaps and its table in its own blocks.
	own := zone{uint64(sb.FirstDataBlock), sb.BlocksCount}
	if sb.FeatureIncompat&IncompatFlexBg == 0 {
		own.first += uint64(n) * uint64(sb.BlocksPerGroup)
		own.end = min(own.end, own.first+uint64(sb.BlocksPerGroup))
	}
	for _, part := range []struct {
		name          string
		block, length uint64
	}{{"block bitmap", g.blockBitmap, 1}, {"inode bitmap", g.inodeBitmap, 1}, {"inode table", g.inodeTable, sb.tableBlocks()}} {
		if part.block < own.first || part.block >= own.end || part.length > own.end-part.block {
			a.note(object, "the %s is at block %d, not from %d to %d", part.name, part.block, own.first, own.end-1)
		}
	}
}

// layOut lists the blocks that hold no file's data, and notes where two of them are the same.
func (a *Audit) layOut() {
	sb := a.fs.Superblock
	descBlocks := uint64(sb.Groups+sb.DescsPerBlock()-1) / uint64(sb.DescsPerBlock())
	all := []zone{{0, uint64(sb.DescTable() / sb.BlockSize)}}
	if sb.FeatureIncompat&IncompatMetaBg == 0 {
		all[0].end += descBlocks
	} else {
		for n := range descBlocks {
			at := a.fs.descBlock(uint32(n))
			all = append(all, zone{at, at + 1})
		}
	}
	for _, g := range a.groups {
		all = append(all, zone{g.blockBitmap, g.blockBitmap + 1}, zone{g.inodeBitmap, g.inodeBitmap + 1})
		if g.tableFits(sb) {
			all = append(all, zone{g.inodeTable, g.inodeTable + sb.tableBlocks()})
		}
	}
	slices.SortFunc(all, func(x, y zone) int { return cmp.Compare(x.first, y.first) })
	for i := 1; i < len(all); i++ {
		if all[i].first < all[i-1].end {
			a.note("group descriptors", "block %d has two uses", all[i].first)
			all[i].end = max(all[i].end, all[i-1].end)
		}
	}
	a.system = all
}

// reserved says whether one of some blocks is the file system's own.
func (a *Audit) reserved(block, n uint64) bool {
	i, _ := slices.BinarySearchFunc(a.system, block, func(z zone, b uint64) int {
		if z.end <= b {
			return -1
		}
		return 1
	})
	return i < len(a.system) && a.system[i].first < block+n
}

type bitmapKey struct {
	group  uint32
	inodes bool
}

// bitmap reads and judges a group's bitmap of inodes or of blocks; nil where it has none that means anything.
func (a *Audit) bitmap(key bitmapKey) ([]byte, error) {
	if b, ok := a.bitmaps[key]; ok {
		return b, nil
	}
	sb, g := a.fs.Superblock, a.groups[key.group]
	at, sum, used, name := g.blockBitmap, g.blockBitmapCsum, sb.BlocksPerGroup/sb.ClusterBlocks/8, "block bitmap"
	if key.inodes {
		at, sum, used, name = g.inodeBitmap, g.inodeBitmapCsum, sb.InodesPerGroup/8, "inode bitmap"
	}
	object := fmt.Sprintf("group %d", key.group)
	if at == 0 || at >= sb.BlocksCount {
		a.bitmaps[key] = nil // the descriptor was noted
		return nil, nil
	}
	b, err := a.block(at)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", object, name, err)
	}
	a.bitmaps[key] = b
	if sb.checksums() {
		want := uint32(sb.seed().bytes(b[:used]))
		if sb.DescSize < 64 {
			want &= 0xffff
		}
		if sum != want {
			a.note(object, "the %s's checksum is 0x%x, that of what it holds is 0x%x", name, sum, want)
		}
	}
	return b, nil
}

// inUse says whether the group's flags, and then its bitmap, have all places in use that begin with first and end before end, and
// which of them is the first that is not.
func (a *Audit) inUse(key bitmapKey, first, end uint32) (free uint32, all bool, err error) {
	g := a.groups[key.group]
	if a.fs.FeatureRoCompat&(RoCompatGdtCsum|RoCompatMetadataCsum) != 0 { // the flags mean nothing without a checksum over them
		if key.inodes && (g.flags&groupInodeUninit != 0 || end > a.fs.InodesPerGroup-min(g.itableUnused, a.fs.InodesPerGroup)) {
			return first, false, nil
		}
		if !key.inodes && g.flags&groupBlockUninit != 0 {
			return first, false, nil
		}
	}
	b, err := a.bitmap(key)
	if err != nil || b == nil {
		return 0, true, err // it was noted that there is no bitmap
	}
	for place := first; place < end; place++ {
		if b[place/8]>>(place%8)&1 == 0 {
			return place, false, nil
		}
	}
	return 0, true, nil
}

// blocksInUse notes a block of some that the bitmaps have as free: the kernel would give it to somebody else.
func (a *Audit) blocksInUse(object string, first, n uint64) error {
	sb := a.fs.Superblock
	perGroup, cluster := uint64(sb.BlocksPerGroup), uint64(sb.ClusterBlocks)
	for end := first + n; first < end; {
		if first < uint64(sb.FirstDataBlock) || end > sb.BlocksCount {
			return nil // it was noted
		}
		rel := first - uint64(sb.FirstDataBlock)
		key := bitmapKey{group: uint32(rel / perGroup)}
		if int(key.group) >= len(a.groups) {
			return nil
		}
		at := rel % perGroup
		here := min(end-first, perGroup-at)
		free, all, err := a.inUse(key, uint32(at/cluster), uint32((at+here+cluster-1)/cluster))
		if err != nil {
			return err
		}
		if !all {
			a.note(object, "block %d of it is marked as free", first-at+uint64(free)*cluster)
			return nil
		}
		first += here
	}
	return nil
}
