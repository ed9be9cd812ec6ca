package ext4

// This file says where new files are looked for room for, as the kernel does (find_group_orlov, find_group_other,
// ext4_inode_to_goal_block): a directory below the root goes to where there are few directories and much is free, any other near
// its parent; files go into the flex group of their directory, and their data into that of their inode.

import (
	"boringboot/ext4/internal/format"
)

// flexRoom is what a flex group has, or without flex_bg a group.
type flexRoom struct {
	freeInodes, freeClusters, usedDirs uint64
}

// flexCount is the number of flex groups.
func (g *geometry) flexCount() Group {
	return Group((uint64(g.groups) + uint64(g.groupsPerFlex) - 1) / uint64(g.groupsPerFlex))
}

// comparedGroups is how many groups' descriptors are read at most to place a directory: 64 GiB of blocks of 4 KiB, so that it takes
// no longer in a larger file system.
const comparedGroups = 512

// flexLooked is in how many flex groups room is compared.
func (g *geometry) flexLooked() Group {
	return min(g.flexCount(), max(1, comparedGroups/g.groupsPerFlex))
}

// roomIn sums a flex group's descriptors.
func (tx *Tx) roomIn(flex Group) (r flexRoom, err error) {
	first, end := tx.flexGroups(flex * tx.groupsPerFlex)
	for g := first; g < end; g++ {
		d, err := tx.desc(g)
		if err != nil {
			return r, err
		}
		r.freeInodes += uint64(tx.freeInodesIn(g, d))
		r.freeClusters += uint64(d.FreeBlocks())
		r.usedDirs += uint64(d.UsedDirs())
	}
	return r, nil
}

// freeInodesIn is how many inodes of a group can be allocated.
func (tx *Tx) freeInodesIn(g Group, d format.GroupDesc) uint32 {
	if s := tx.state[g]; s != nil {
		return d.FreeInodes() - uint32(len(s.freedInodes))
	}
	return d.FreeInodes()
}

// placeInode chooses the group of a new inode below a directory. Where it has no inode left when it comes to that, the next ones
// are searched (allocInode).
func (tx *Tx) placeInode(parent node, isDir bool) (Group, error) {
	home, _ := tx.inodeGroup(parent.ino)
	size := tx.groupsPerFlex
	if isDir && tx.flexCount() > 1 {
		if parent.ino == format.RootIno || parent.flag(format.InodeTopDir) {
			return tx.placeTop(home / size)
		}
		return tx.placeBelow(parent.ino, home)
	}
	if g, ok, err := tx.firstFree(home/size, 1); ok || err != nil {
		return g, err
	}
	if last, ok := tx.placed[parent.ino]; ok {
		if g, ok, err := tx.firstFree(last/size, 1); ok || err != nil {
			return g, err
		}
	}
	if tx.flexCount() == 1 {
		return home, nil
	}
	return tx.placeBelow(parent.ino, home)
}

// firstFree is the first group of a flex group that has a free inode; it has to have free clusters as well where it is a group by
// itself.
func (tx *Tx) firstFree(flex Group, leastClusters uint32) (Group, bool, error) {
	first, end := tx.flexGroups(flex * tx.groupsPerFlex)
	for g := first; g < end; g++ {
		d, err := tx.desc(g)
		if err != nil {
			return 0, false, err
		}
		if tx.freeInodesIn(g, d) > 0 && (tx.groupsPerFlex > 1 || d.FreeBlocks() >= leastClusters) {
			return g, true, nil
		}
	}
	return 0, false, nil
}

// placeTop spreads: of the flex groups with no less free than the mean the one with the fewest directories.
func (tx *Tx) placeTop(home Group) (Group, error) {
	meanInodes, meanClusters := tx.meanFree()
	best, fewest := home, ^uint64(0)
	for i := range uint64(tx.flexLooked()) {
		flex := Group((uint64(home) + i) % uint64(tx.flexCount()))
		r, err := tx.roomIn(flex)
		if err != nil {
			return 0, err
		}
		if r.freeInodes > 0 && r.freeInodes >= meanInodes && r.freeClusters >= meanClusters && r.usedDirs < fewest {
			best, fewest = flex, r.usedDirs
		}
		if fewest == 0 { // no other has fewer
			break
		}
	}
	g, ok, err := tx.firstFree(best, 0)
	if err == nil && !ok {
		g = best * tx.groupsPerFlex
	}
	return g, err
}

// meanFree is what a flex group has free on average.
func (tx *Tx) meanFree() (inodes, clusters uint64) {
	n := uint64(tx.flexCount())
	return uint64(format.SFreeInodesCount.Get(tx.sb)) / n, tx.freeBlocks() / uint64(tx.clusterBlocks) / n
}

// placeBelow stays near the parent, or where the last inode below it was placed, as long as there are not too many directories and
// not too little is free.
func (tx *Tx) placeBelow(parent Ino, home Group) (Group, error) {
	size := uint64(tx.groupsPerFlex)
	inodes, clusters := tx.meanFree()
	moreDirs := uint64(tx.inodesPerGroup) / 16 // than the mean is too many
	minInodes := max(1, inodes-min(inodes, uint64(tx.inodesPerGroup)*size/4))
	minClusters := clusters - min(clusters, uint64(tx.clustersPerGroup())*size/4)
	from := home
	if g, ok := tx.placed[parent]; ok {
		from = g
	}
	from /= tx.groupsPerFlex
	for i := range uint64(tx.flexLooked()) {
		flex := Group((uint64(from) + i) % uint64(tx.flexCount()))
		r, err := tx.roomIn(flex)
		if err != nil {
			return 0, err
		}
		if r.freeInodes < minInodes || r.freeClusters < minClusters {
			continue
		}
		if r.usedDirs >= moreDirs { // or the mean, for which many descriptors are read, does not matter
			dirs, err := tx.meanDirs()
			if err != nil {
				return 0, err
			}
			if r.usedDirs >= dirs+moreDirs {
				continue
			}
		}
		if g, ok, err := tx.firstFree(flex, 0); ok || err != nil {
			tx.placed[parent] = g
			return g, err
		}
	}
	return home, nil
}

// meanDirs is the number of directories in a flex group on average.
func (tx *Tx) meanDirs() (uint64, error) {
	looked := tx.flexLooked()
	if !tx.dirCount.known {
		sum := uint64(0)
		for flex := range looked {
			r, err := tx.roomIn(flex)
			if err != nil {
				return 0, err
			}
			sum += r.usedDirs
		}
		tx.dirCount.known, tx.dirCount.n = true, sum
	}
	return tx.dirCount.n / uint64(looked), nil
}

// smallFlex is below how many groups a flex group has none for directories alone (EXT4_FLEX_SIZE_DIR_ALLOC_SCHEME).
const smallFlex = 4

// homeOf is where blocks of an inode are looked for: the beginning of its group, or of its flex group, whose first group is left
// to directories and the like.
func (tx *Tx) homeOf(n node) FSBlock {
	g, _ := tx.inodeGroup(n.ino)
	if tx.groupsPerFlex >= smallFlex {
		first, end := tx.flexGroups(g)
		g = first
		if n.Type() == format.ModeRegular && first+1 < end {
			g++
		}
	}
	return tx.groupStart(g)
}
