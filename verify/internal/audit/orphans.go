package audit

// This file judges the two places that hold orphans, inodes that are to be removed or cut when the file system is next mounted: the
// list that starts in the superblock and goes on in i_dtime, and the orphan file.

import (
	"encoding/binary"
	"errors"
)

const (
	orphanMagic = 0x0B10CA04 // EXT4_ORPHAN_BLOCK_MAGIC
	orphanTail  = 8          // struct ext4_orphan_block_tail: the magic and a checksum
	// maxOrphanSteps is how far the list is followed. Nothing but warnings comes of it.
	maxOrphanSteps = 1 << 16
)

// checkOrphans judges both.
func (c *checker) checkOrphans() {
	c.checkOrphanList()
	s := c.sb
	switch {
	case s.hasCompat(compatOrphanFile):
		c.checkOrphanFile()
	case s.hasRoCompat(roCompatOrphanPresent):
		c.report(CodeOrphanFile, Object{Kind: Superblock}, "it has the feature orphan_present, and not orphan_file")
	}
}

// checkOrphanList follows the list. e2fsck -n passes over it; those on it are for pass 1, which finds links or times that are not as
// they should be.
func (c *checker) checkOrphanList() {
	s := c.sb
	if s.LastOrphan == 0 {
		return
	}
	c.warn(CodeOrphan, inodeObject(s.LastOrphan), "it is the first of those that are to be removed or cut")
	var in inode
	buf := make([]byte, s.inodeSize)
	// The mark goes to where the walk is at each power of two: a walk in a circle meets it.
	ino, mark, lap := s.LastOrphan, uint32(0), 1
	for step := 1; ino != 0 && step < maxOrphanSteps; step++ {
		switch {
		case ino < s.firstInode || !s.validInode(ino):
			c.warn(CodeOrphan, inodeObject(ino), "it is on the list of orphans, and cannot be")
			return
		case ino == mark:
			c.warn(CodeOrphan, inodeObject(ino), "the list of orphans goes round in a circle")
			return
		}
		if step == lap {
			mark, lap = ino, 2*lap
		}
		if err := c.readInode(ino, &in, buf); err != nil {
			c.fail(err)
			return
		}
		ino = in.Dtime
	}
}

// Errors of an orphan file, each of which has e2fsck make a new one.
var (
	errOrphanHole     = errors.New("it has a hole")
	errOrphanMagic    = errors.New("a block has not its magic")
	errOrphanChecksum = errors.New("the checksum of a block is wrong")
	errOrphanEntries  = errors.New("it holds orphans")
	errOrphanEnd      = errors.New("the end") // of what e2fsck looks at
)

// checkOrphanFile wants a file that is empty, in blocks that say so.
func (c *checker) checkOrphanFile() {
	s := c.sb
	o := Object{Kind: OrphanFile, Number: uint64(s.OrphanFileInum)}
	if !s.hasCompat(compatHasJournal) {
		c.report(CodeOrphanFile, o, "there is no journal")
	}
	in, err := c.systemInode(s.OrphanFileInum)
	if err != nil {
		c.report(CodeOrphanFile, inodeObject(s.OrphanFileInum), "it is to be the orphan file, and cannot be read: %v", err)
		return
	}
	switch err := c.walkOrphanFile(in); {
	case err != nil:
		c.report(CodeOrphanFile, o, "%v", err)
	case s.hasRoCompat(roCompatOrphanPresent):
		c.report(CodeOrphanFile, o, "it is empty, and the feature orphan_present is set")
	}
}

func (c *checker) walkOrphanFile(in *inode) error {
	size := uint64(c.sb.blockSize)
	if in.Size%size != 0 {
		return errors.New("its size is not one of whole blocks")
	}
	if in.has(flagInlineData) {
		return errors.New("it is in its inode")
	}
	blocks := in.Size / size
	budget := uint64(c.size) / size // no more blocks than the disk has
	buf := make([]byte, size)
	var end uint64
	err := c.walkSystem(in, func(r run) error {
		if r.logical > end && !in.has(flagExtents) { // e2fsck does not see the gaps between extents
			if end == blocks {
				return errOrphanEnd
			}
			return errOrphanHole
		}
		if r.length > budget {
			return errOrphanHole
		}
		budget -= r.length
		for i := range r.length {
			if c.stopped() {
				return c.ctx.Err()
			}
			if err := c.checkOrphanBlock(in, r.physical+i, buf); err != nil {
				return err
			}
		}
		end = r.logical + r.length
		return nil
	})
	switch {
	case err == nil && end != blocks:
		return errOrphanHole
	case err == errOrphanEnd:
		return nil
	}
	return err
}

// checkOrphanBlock wants nothing but zeros, then the magic, then the checksum, which is 0 without metadata_csum.
func (c *checker) checkOrphanBlock(in *inode, b uint64, buf []byte) error {
	if err := c.readBlock(b, buf); err != nil {
		c.fail(err)
		return err
	}
	entries, tail := buf[:len(buf)-orphanTail], buf[len(buf)-orphanTail:]
	sum := uint32(0)
	if c.sb.metadataCsum {
		sum = c.sb.orphanChecksum(in, b, entries)
	}
	switch {
	case binary.LittleEndian.Uint32(tail) != orphanMagic:
		return errOrphanMagic
	case binary.LittleEndian.Uint32(tail[4:]) != sum:
		return errOrphanChecksum
	case !allZero(entries):
		return errOrphanEntries
	}
	return nil
}

// orphanChecksum is ob_checksum: over the inode's number and generation, the block's number in 64 bits, and the entries.
func (s *super) orphanChecksum(in *inode, b uint64, entries []byte) uint32 {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], b)
	return crc32c(crc32c(s.inodeSeed(in.ino, in.Generation), number[:]), entries)
}
