package audit

// This file judges the resize inode (7), which keeps blocks behind the group descriptors for more of them: it holds nothing but a
// double indirect block, whose entries are the reserved blocks of group 0, and each of these lists its copies in the other groups
// that have a superblock.

import (
	"encoding/binary"
	"fmt"
)

const doubleIndex = 13 // EXT4_DIND_BLOCK

// checkResizeInode warns: e2fsck looks at it before it counts errors. What else could be wrong with the inode is found in pass 1.
func (c *checker) checkResizeInode() {
	s := c.sb
	has := s.hasCompat(compatResizeInode)
	if has && s.hasIncompat(incompatMetaBg) {
		c.warn(CodeResizeInode, Object{Kind: Superblock}, "the features resize_inode and meta_bg do not go together")
	}
	if !has && s.ReservedGDTBlocks != 0 {
		c.warn(CodeResizeInode, Object{Kind: Superblock}, "s_reserved_gdt_blocks is %d without the feature resize_inode", s.ReservedGDTBlocks)
	}
	in, err := c.systemInode(resizeInode)
	if err != nil {
		return // a finding of others
	}
	if !has {
		if !allZero(in.Block) {
			c.warn(CodeResizeInode, inodeObject(resizeInode), "it has blocks without the feature resize_inode")
		}
		return
	}
	if err := c.judgeResizeInode(in); err != nil {
		c.warn(CodeResizeInode, inodeObject(resizeInode), "%v", err)
	}
}

func (c *checker) judgeResizeInode(in *inode) error {
	s := c.sb
	double := uint64(binary.LittleEndian.Uint32(in.Block[4*doubleIndex:]))
	switch {
	case !allZero(in.Block[:4*doubleIndex]) || !allZero(in.Block[4*doubleIndex+4:]):
		return fmt.Errorf("it has other blocks than a double indirect one")
	case !s.validBlock(double):
		return fmt.Errorf("it has no double indirect block")
	case in.Links == 0:
		return fmt.Errorf("it has no links")
	case in.Mode&modeRegular == 0: // as e2fsck looks at it
		return fmt.Errorf("it is no file")
	}
	buf := make([]byte, s.blockSize)
	if err := c.readBlock(double, buf); err != nil {
		c.fail(err)
		return nil
	}
	entry, perBlock := s.descBlocks, uint32(s.blockSize/4)
	// With blocks of 1 KiB and clusters s_first_data_block is 0, and the superblock is in block 1 all the same.
	block := s.superBlock0() + 1 + uint64(s.descBlocks)
	copies := make([]byte, s.blockSize)
	var backups []uint32 // groups
	for g := uint32(1); g < s.groupCount && len(backups) < int(perBlock); g++ {
		if s.hasSuper(g) {
			backups = append(backups, g)
		}
	}
	// e2fsck 1.47 looks at the first quarter of them.
	for range s.ReservedGDTBlocks / 4 {
		if at := entry % perBlock; uint64(binary.LittleEndian.Uint32(buf[4*at:])) != block {
			return fmt.Errorf("entry %d of its double indirect block is not block %d", at, block)
		}
		if !s.validBlock(block) {
			return fmt.Errorf("block %d is beyond the file system's end", block)
		}
		if err := c.readBlock(block, copies); err != nil {
			c.fail(err)
			return nil
		}
		for i, g := range backups {
			if want := uint32(block + uint64(g)*uint64(s.BlocksPerGroup)); binary.LittleEndian.Uint32(copies[4*i:]) != want {
				return fmt.Errorf("block %d does not name its copy in group %d", block, g)
			}
		}
		entry, block = entry+1, block+1
	}
	return nil
}
