package ext4

// This file is where mke2fs puts the superblock, its copies and the descriptors: all descriptors behind each superblock, or with
// meta_bg, from a number of descriptor blocks on, each in the groups that it describes.

import (
	"boringboot/ext4/internal/format"
)

// backupRule tells which groups have copies of the superblock and of the descriptors that are kept with it (ext4_bg_has_super).
func backupRule(sb format.Superblock) func(Group) bool {
	if sb.HasCompat(format.CompatSparseSuper2) {
		bgs := sb.BackupBGs()
		return func(g Group) bool { return g == 0 || uint32(g) == bgs[0] || uint32(g) == bgs[1] }
	}
	if !sb.HasROCompat(format.ROCompatSparseSuper) {
		return func(Group) bool { return true }
	}
	return func(g Group) bool {
		return g <= 1 || g%2 == 1 && (isPower(g, 3) || isPower(g, 5) || isPower(g, 7))
	}
}

func isPower(g, base Group) bool {
	for g > 1 && g%base == 0 {
		g /= base
	}
	return g == 1
}

// descBlocks is the number of blocks that all descriptors take.
func (g *geometry) descBlocks() uint32 {
	perBlock := uint64(g.descsPerBlock)
	return uint32((uint64(g.groups) + perBlock - 1) / perBlock)
}

// plainDescBlocks is how many of them, from the first on, follow the superblock and each of its copies.
func (g *geometry) plainDescBlocks() uint32 {
	if g.metaBG {
		return g.firstMetaBG
	}
	return g.descBlocks()
}

// descAt is a descriptor's block and its offset in it (descriptor_loc). A meta group's descriptors are in its first group; its
// second and last have copies, which the kernel leaves alone until it resizes.
func (g *geometry) descAt(group Group) (FSBlock, int) {
	perBlock := g.descsPerBlock
	nr, off := group/perBlock, int(group%perBlock)*g.descSize
	if uint32(nr) < g.plainDescBlocks() {
		super, _ := g.superAt()
		return super + 1 + FSBlock(nr), off
	}
	first := nr * perBlock
	return g.groupStart(first) + FSBlock(g.ownBlocks(first)) - 1, off
}

// ownBlocks is how many blocks, from a group's first on, are the superblock or a copy of it, descriptors, and those that are
// reserved for more of them (ext2fs_super_and_bgd_loc2). Where blocks of 1 KiB are counted from 0, as with bigalloc, the boot block
// comes before them and is counted, too.
func (g *geometry) ownBlocks(group Group) uint32 {
	n := uint32(0)
	if group == 0 {
		super, _ := g.superAt()
		n = uint32(super - g.firstDataBlock)
	}
	if g.sparse(group) {
		n++
	}
	perBlock := g.descsPerBlock
	switch nr := uint32(group / perBlock); {
	case !g.metaBG || nr < g.firstMetaBG:
		if g.sparse(group) {
			n += g.plainDescBlocks() + g.reservedGDT
		}
	case group%perBlock <= 1 || group%perBlock == perBlock-1:
		n++
	}
	return n
}
