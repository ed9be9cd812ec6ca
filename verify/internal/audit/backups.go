package audit

// This file compares the copies of the superblock with the primary one. e2fsck -n does not look at them, so what differs is no error.

import (
	"fmt"
	"io"
)

// Features that the kernel switches on in the primary superblock alone.
const (
	backupIgnoresIncompat = incompatExtents | incompatRecover
	backupIgnoresRoCompat = roCompatLargeFile | roCompatDirNlink | roCompatOrphanPresent
)

func (c *checker) checkBackups() {
	r := &backupReader{c, make([]byte, superblockSize)}
	for g := uint32(1); g < c.sb.groupCount && !c.stopped(); g++ {
		if !c.sb.hasSuper(g) {
			continue
		}
		copy, err := r.super(g)
		if err != nil {
			c.fail(err)
			return
		}
		c.checkBackup(g, copy)
	}
}

func (c *checker) checkBackup(g uint32, copy *super) {
	s, o := c.sb, Object{Superblock, uint64(g)}
	if copy.Magic != superMagic {
		c.warn(CodeBackup, o, "the magic number of the copy is 0x%04x", copy.Magic)
		return
	}
	if copy.hasRoCompat(roCompatMetadataCsum) && copy.Checksum != superChecksum(copy.raw) {
		c.warn(CodeBackup, o, "the copy's checksum does not match")
		return
	}
	switch {
	case copy.FeatureCompat != s.FeatureCompat ||
		(copy.FeatureIncompat^s.FeatureIncompat)&^backupIgnoresIncompat != 0 ||
		(copy.FeatureRoCompat^s.FeatureRoCompat)&^backupIgnoresRoCompat != 0:
		c.warn(CodeBackup, o, "the copy has other features")
	case copy.BlocksCount != s.BlocksCount || copy.InodesCount != s.InodesCount:
		c.warn(CodeBackup, o, "the copy has %d blocks and %d inodes, not %d and %d", copy.BlocksCount, copy.InodesCount, s.BlocksCount, s.InodesCount)
	case copy.UUID != s.UUID:
		c.warn(CodeBackup, o, "the copy has another UUID")
	case copy.LogBlockSize != s.LogBlockSize || copy.BlocksPerGroup != s.BlocksPerGroup || copy.InodesPerGroup != s.InodesPerGroup ||
		copy.InodeSize != s.InodeSize || copy.DescSize != s.DescSize || copy.FirstDataBlock != s.FirstDataBlock:
		c.warn(CodeBackup, o, "the copy has another geometry")
	}
}

// backupReader reads the copies of the superblock.
type backupReader struct {
	c   *checker
	buf []byte
}

func (r *backupReader) super(g uint32) (*super, error) {
	at := int64(r.c.sb.groupStart(g)) * int64(r.c.sb.blockSize)
	if n, err := r.c.disk.ReadAt(r.buf[:superblockSize], at); n < superblockSize {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("group %d: superblock: %w", g, err)
	}
	return parseSuper(r.buf[:superblockSize]), nil
}
