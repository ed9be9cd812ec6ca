package ext4

// This file is pure arithmetic: where groups, descriptors, bitmaps and inodes are, from the superblock's numbers, which are
// checked here once so that nothing divides by zero or allocates by an unchecked field later.

import (
	"boringboot/ext4/internal/format"
)

// The integer types that must not be mixed.
type (
	FSBlock   = format.FSBlock
	FileBlock = format.FileBlock
	Ino       = format.Ino
	Group     = format.Group
)

// geometry is what does not change while a file system is open.
type geometry struct {
	blockSize      int // bytes
	blocks         FSBlock
	firstDataBlock FSBlock
	blocksPerGroup uint32
	clusterBlocks  uint32 // blocks that one bit of a block bitmap stands for: a power of two, 1 without bigalloc
	inodesPerGroup uint32
	inodes         Ino
	firstIno       Ino   // the first that is not reserved
	inodeSize      int   // bytes
	descSize       int   // bytes
	descsPerBlock  Group // whose descriptors are in one block: with meta_bg a meta group
	groups         Group
	reservedGDT    uint32 // blocks kept behind the descriptors for growth
	metaBG         bool   // descriptor blocks from firstMetaBG on are in the groups that they describe
	firstMetaBG    uint32
	flexBG         bool  // a group's bitmaps and inode table may be in another group
	groupsPerFlex  Group // 1 without flex_bg

	groupCsum    bool // descriptors have a checksum, flags for uninitialised groups count
	metadataCsum bool
	seed         uint32
	dirIndex     bool
	filetype     bool
	sparse       func(Group) bool // whether the group has copies of superblock and descriptors
}

// maxDescSize is the most that e2fsprogs takes for s_desc_size, whether it is in use or not (EXT2_MAX_DESC_SIZE).
const maxDescSize = 1024

// newGeometry checks the superblock's numbers. size is the device's, in bytes.
func newGeometry(sb format.Superblock, size int64) (*geometry, error) {
	if rev := format.SRevLevel.Get(sb); rev != format.RevDynamic {
		return nil, unsupportedf("superblock: revision %d; only %d has variable inode sizes and features", rev, format.RevDynamic)
	}
	logSize := format.SLogBlockSize.Get(sb)
	if logSize > 6 { // a kernel with pages of 4 KiB mounts up to 4 KiB, one with large folios all
		return nil, corruptf("superblock: s_log_block_size %d (blocks are 1 to 64 KiB)", logSize)
	}
	g := &geometry{
		blockSize:      1024 << logSize,
		blocks:         FSBlock(sb.BlocksCount()),
		firstDataBlock: FSBlock(format.SFirstDataBlock.Get(sb)),
		blocksPerGroup: format.SBlocksPerGroup.Get(sb),
		inodesPerGroup: format.SInodesPerGroup.Get(sb),
		inodes:         Ino(format.SInodesCount.Get(sb)),
		firstIno:       Ino(format.SFirstIno.Get(sb)),
		inodeSize:      int(format.SInodeSize.Get(sb)),
		descSize:       format.GroupDescSize,
		reservedGDT:    uint32(format.SReservedGDTBlocks.Get(sb)),
		flexBG:         sb.HasIncompat(format.IncompatFlexBG),
		groupsPerFlex:  1,
		metaBG:         sb.HasIncompat(format.IncompatMetaBG),
		firstMetaBG:    format.SFirstMetaBG.Get(sb),
		metadataCsum:   sb.HasROCompat(format.ROCompatMetadataCsum),
		seed:           sb.Seed(),
		dirIndex:       sb.HasCompat(format.CompatDirIndex),
		filetype:       sb.HasIncompat(format.IncompatFiletype),
	}
	g.groupCsum = g.metadataCsum || sb.HasROCompat(format.ROCompatGdtCsum)
	if err := g.setClusters(sb); err != nil {
		return nil, err
	}
	if err := g.check(sb); err != nil {
		return nil, err
	}
	if err := g.checkSize(size); err != nil {
		return nil, err
	}
	g.sparse = backupRule(sb)
	return g, nil
}

func (g *geometry) check(sb format.Superblock) error {
	bs := uint32(g.blockSize)
	wantFirst := FSBlock(0)
	if bs == 1024 && g.clusterBlocks == 1 {
		wantFirst = 1
	}
	if g.firstDataBlock != wantFirst {
		return corruptf("superblock: s_first_data_block %d in blocks of %d bytes", g.firstDataBlock, bs)
	}
	if bs == 1024 && g.clusterBlocks == 1 && sb.HasROCompat(format.ROCompatBigalloc) {
		return corruptf("superblock: bigalloc with clusters of one block of 1024 bytes") // which have no s_first_data_block that fits
	}
	if g.blocks <= g.firstDataBlock {
		return corruptf("superblock: s_blocks_count %d", g.blocks)
	}
	if n := g.clustersPerGroup(); n == 0 || n%8 != 0 || n > 8*bs {
		return corruptf("superblock: s_blocks_per_group %d in blocks of %d bytes", g.blocksPerGroup, bs)
	}
	if n := format.SClustersPerGroup.Get(sb); n != g.clustersPerGroup() || uint64(n)*uint64(g.clusterBlocks) != uint64(g.blocksPerGroup) {
		return corruptf("superblock: s_clusters_per_group %d, s_blocks_per_group %d", n, g.blocksPerGroup)
	}
	if g.inodesPerGroup == 0 || g.inodesPerGroup%8 != 0 || g.inodesPerGroup > 8*bs {
		return corruptf("superblock: s_inodes_per_group %d in blocks of %d bytes", g.inodesPerGroup, bs)
	}
	if g.inodeSize < format.InodeBaseSize || g.inodeSize > g.blockSize || g.inodeSize&(g.inodeSize-1) != 0 {
		return corruptf("superblock: s_inode_size %d in blocks of %d bytes", g.inodeSize, bs)
	}
	if g.firstIno != 11 { // no program makes another
		return corruptf("superblock: s_first_ino %d", g.firstIno)
	}
	if !sb.Has64() && sb.HasHigh() {
		return corruptf("superblock: block counts of 64 bits without the 64bit feature")
	}
	if size := format.SDescSize.Get(sb); size > maxDescSize {
		return corruptf("superblock: s_desc_size %d", size)
	}
	if sb.Has64() {
		g.descSize = int(format.SDescSize.Get(sb))
		if g.descSize < format.GroupDescSize64 || g.descSize > maxDescSize || g.descSize&(g.descSize-1) != 0 {
			return corruptf("superblock: s_desc_size %d", g.descSize)
		}
	}
	g.descsPerBlock = Group(g.blockSize / g.descSize)
	groups := (uint64(g.blocks-g.firstDataBlock) + uint64(g.blocksPerGroup) - 1) / uint64(g.blocksPerGroup)
	if groups > 1<<32-1 || groups*uint64(g.inodesPerGroup) != uint64(g.inodes) {
		return corruptf("superblock: s_inodes_count %d, but %d groups of %d inodes", g.inodes, groups, g.inodesPerGroup)
	}
	g.groups = Group(groups)
	if g.reservedGDT > bs/4 { // they are the entries of one indirect block
		return corruptf("superblock: s_reserved_gdt_blocks %d in blocks of %d bytes", g.reservedGDT, bs)
	}
	if g.metaBG && (g.firstMetaBG > g.descBlocks() || g.reservedGDT != 0) {
		return corruptf("superblock: s_first_meta_bg %d of %d descriptor blocks, s_reserved_gdt_blocks %d",
			g.firstMetaBG, g.descBlocks(), g.reservedGDT)
	}
	if own := 1 + uint64(g.plainDescBlocks()) + uint64(g.reservedGDT); own > uint64(g.blocksPerGroup) {
		return corruptf("superblock: %d blocks of superblock and descriptors in groups of %d blocks", own, g.blocksPerGroup)
	}
	if sb.HasIncompat(format.IncompatFlexBG) {
		if log := format.SLogGroupsPerFlex.Get(sb); log > 31 {
			return corruptf("superblock: s_log_groups_per_flex %d", log)
		} else {
			g.groupsPerFlex = 1 << log
		}
	}
	return nil
}

func (g *geometry) checkSize(size int64) error {
	if uint64(g.blocks) > 1<<62/uint64(g.blockSize) {
		return corruptf("superblock: s_blocks_count %d in blocks of %d bytes", g.blocks, g.blockSize)
	}
	if want := int64(g.blocks) * int64(g.blockSize); want > size {
		return corruptf("truncated: the file system has %d bytes, the image has %d of them", want, size)
	}
	return nil
}

// superAt is the superblock's block and its offset in it.
func (g *geometry) superAt() (FSBlock, int) {
	if g.blockSize > format.SuperblockOffset {
		return 0, format.SuperblockOffset
	}
	return FSBlock(format.SuperblockOffset / g.blockSize), format.SuperblockOffset % g.blockSize
}

func (g *geometry) groupStart(group Group) FSBlock {
	return g.firstDataBlock + FSBlock(group)*FSBlock(g.blocksPerGroup)
}

// groupBlocks is the number of blocks in a group: the last may be shorter.
func (g *geometry) groupBlocks(group Group) uint32 {
	return uint32(min(FSBlock(g.blocksPerGroup), g.blocks-g.groupStart(group)))
}

// groupOf is a block's group and its number there. The block must be at least firstDataBlock.
func (g *geometry) groupOf(b FSBlock) (Group, uint32) {
	rel := b - g.firstDataBlock
	return Group(rel / FSBlock(g.blocksPerGroup)), uint32(rel % FSBlock(g.blocksPerGroup))
}

func (g *geometry) inodeGroup(ino Ino) (Group, uint32) {
	return Group((ino - 1) / Ino(g.inodesPerGroup)), uint32((ino - 1) % Ino(g.inodesPerGroup))
}

func (g *geometry) inodeTableBlocks() uint32 {
	perBlock := uint32(g.blockSize / g.inodeSize)
	return (g.inodesPerGroup + perBlock - 1) / perBlock
}

// validRange tells whether n blocks from b on are within the file system and none is the superblock's.
func (g *geometry) validRange(b FSBlock, n uint64) bool {
	sbBlock, _ := g.superAt()
	return b > sbBlock && b < g.blocks && n <= uint64(g.blocks-b)
}

// within tells whether n blocks from b on are in a group.
func (g *geometry) within(group Group, b FSBlock, n uint32) bool {
	start, size := g.groupStart(group), g.groupBlocks(group)
	return b >= start && b-start < FSBlock(size) && n <= size-uint32(b-start)
}

// flexGroups is the range of groups, end excluded, whose bitmaps and inode tables mke2fs and the kernel put together.
func (g *geometry) flexGroups(group Group) (first, end Group) {
	first = group - group%g.groupsPerFlex
	return first, Group(min(uint64(first)+uint64(g.groupsPerFlex), uint64(g.groups)))
}

// leafSpace is the bytes of a directory's block that entries may fill.
func (g *geometry) leafSpace() int {
	if g.metadataCsum {
		return g.blockSize - format.DirTailSize
	}
	return g.blockSize
}
