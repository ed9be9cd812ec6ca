// What the kernel opens when it mounts, judged: the journal's superblock, the orphan file, the block of multiple mount protection.

package ext4ro

import (
	"encoding/binary"
	"fmt"
)

const (
	jbd2Magic         = 0xC03B3998 // h_magic
	jbd2SuperV1       = 3          // h_blocktype of the two versions of its superblock
	jbd2SuperV2       = 4
	jbd2Checksum      = 0xFC // s_checksum, of 1024 bytes
	jbd2Compat        = 0x1  // checksum
	jbd2Incompat      = 0x3F // revoke, 64bit, async_commit, csum_v2, csum_v3, fast_commit
	jbd2CsumV2        = 0x08
	jbd2CsumV3        = 0x10
	jbd2FastCommit    = 0x20
	jbd2MinBlocks     = 1024 // JBD2_MIN_JOURNAL_BLOCKS
	jbd2Crc32c        = 4    // s_checksum_type
	orphanMagic       = 0x0B10CA04
	orphanTail        = 8   // bytes: magic number, checksum
	maxOrphanBlocks   = 512 // more are not read; mke2fs makes no more
	mmpMagic          = 0x004D4D50
	mmpClean          = 0xFF4D4D50 // mmp_seq
	mmpChecksumOffset = 0x3FC
)

// journal judges the journal's inode and its superblock, whose numbers are big-endian.
func (a *Audit) journal() error {
	const object = "journal"
	sb := a.fs.Superblock
	if sb.FeatureCompat&CompatHasJournal == 0 || sb.JournalInum == 0 {
		if sb.FeatureCompat&CompatHasJournal != 0 && sb.JournalDev == 0 {
			a.note(object, "there is none: s_journal_inum is 0")
		}
		return nil
	}
	if err := a.special(object, sb.JournalInum); err != nil {
		return err
	}
	m := a.mapOf(sb.JournalInum)
	if m == nil || len(m.runs) == 0 || !m.Plain() {
		a.note(object, "inode %d is not wholly on the disk", sb.JournalInum)
		return nil
	}
	block, err := a.block(m.runs[0].disk)
	if err != nil {
		return err
	}
	field := func(at int) uint32 { return binary.BigEndian.Uint32(block[at:]) }
	must := func(ok bool, format string, args ...any) {
		if !ok {
			a.note(object, format, args...)
		}
	}
	if field(0x00) != jbd2Magic { // h_magic
		must(false, "the magic number is 0x%08x, not 0x%08x", field(0x00), uint32(jbd2Magic))
		return nil
	}
	version, blockSize, maxLen, first := field(0x04), field(0x0C), field(0x10), field(0x14) // h_blocktype, s_blocksize, s_maxlen, s_first
	must(version == jbd2SuperV1 || version == jbd2SuperV2, "h_blocktype is %d", version)
	must(int64(blockSize) == sb.BlockSize, "s_blocksize is %d, the file system's is %d", blockSize, sb.BlockSize)
	must(maxLen >= jbd2MinBlocks && uint64(maxLen) <= m.Blocks, "s_maxlen is %d, it has %d blocks", maxLen, m.Blocks)
	must(first == 1, "s_first is %d, and its log begins after the superblock", first)
	must(field(0x20) == 0, "s_errno is %d: the kernel has met an error", int32(field(0x20)))
	must(field(0x1C) == 0 || sb.FeatureIncompat&IncompatRecover != 0, "s_start is %d: it holds changes, and the superblock says that it does not", field(0x1C))
	must(field(0x1C) < max(maxLen, 1), "s_start is %d of %d", field(0x1C), maxLen)
	if version != jbd2SuperV2 {
		return nil
	}
	compat, incompat, roCompat := field(0x24), field(0x28), field(0x2C)
	must(compat&^jbd2Compat == 0 && incompat&^jbd2Incompat == 0 && roCompat == 0, "features 0x%x 0x%x 0x%x, which no kernel knows", compat, incompat, roCompat)
	must(incompat&jbd2CsumV2 == 0 || incompat&jbd2CsumV3 == 0, "two versions of checksums at once")
	must(field(0x40) <= 1, "s_nr_users is %d", field(0x40))
	if incompat&jbd2FastCommit != 0 {
		must(field(0x54) < maxLen, "s_num_fc_blocks is %d of %d", field(0x54), maxLen)
	}
	if incompat&(jbd2CsumV2|jbd2CsumV3) != 0 {
		must(block[0x50] == jbd2Crc32c, "s_checksum_type is %d, not %d", block[0x50], jbd2Crc32c)
		want := uint32(crcStart.bytes(block[:jbd2Checksum]).zeros(4).bytes(block[jbd2Checksum+4 : 1024]))
		must(field(jbd2Checksum) == want, "the checksum is 0x%08x, that of what it holds is 0x%08x", field(jbd2Checksum), want)
	}
	return nil
}

// mapOf returns the map of an inode that was judged, or nil.
func (a *Audit) mapOf(ino uint32) *Map {
	if got := a.inodes[ino]; got != nil {
		return got.m
	}
	return nil
}

// orphanFile judges the file of inodes that are to be removed. The kernel reads all of it.
func (a *Audit) orphanFile() error {
	const object = "orphan file"
	sb := a.fs.Superblock
	if sb.FeatureCompat&CompatOrphanFile == 0 {
		return nil
	}
	if err := a.special(object, sb.OrphanFileInum); err != nil {
		return err
	}
	m, got := a.mapOf(sb.OrphanFileInum), a.inodes[sb.OrphanFileInum]
	if m == nil || !m.Plain() || m.Blocks == 0 || got.in.Size%uint64(sb.BlockSize) != 0 {
		a.note(object, "inode %d is not wholly on the disk", sb.OrphanFileInum)
		return nil
	}
	if m.Blocks > maxOrphanBlocks {
		return fmt.Errorf("%s: %d blocks: more than %d are not read", object, m.Blocks, maxOrphanBlocks)
	}
	for _, r := range m.runs {
		content := make([]byte, int64(r.blocks)*sb.BlockSize)
		if _, err := a.fs.r.ReadAt(content, int64(r.disk)*sb.BlockSize); err != nil {
			return fmt.Errorf("%s: block %d: %w", object, r.disk, err)
		}
		for i := range r.blocks {
			a.orphanBlock(got.in, r.disk+i, content[int64(i)*sb.BlockSize:][:sb.BlockSize])
		}
	}
	return nil
}

// orphanBlock judges a block of the orphan file: numbers of inodes, and at its end a magic number and a checksum.
func (a *Audit) orphanBlock(file *Inode, n uint64, block []byte) {
	const object = "orphan file"
	sb, end := a.fs.Superblock, len(block)-orphanTail
	c := &cursor{block[end:]}
	if magic := c.u32(); magic != orphanMagic {
		a.note(object, "block %d has the magic number 0x%08x, not 0x%08x", n, magic, orphanMagic)
		return
	}
	if sb.checksums() {
		if sum, want := c.u32(), uint32(file.seed(sb).u64(n).bytes(block[:end])); sum != want {
			a.note(object, "block %d has the checksum 0x%08x, that of what it holds is 0x%08x", n, sum, want)
		}
	}
	if sb.FeatureRoCompat&RoCompatOrphanPresent != 0 {
		return // it is known that there are some
	}
	for e := (&cursor{block[:end]}); len(e.rest) >= 4; {
		if ino := e.u32(); ino != 0 {
			a.note(object, "block %d names inode %d, and the superblock says that none is", n, ino)
			return
		}
	}
}

// mmp judges the block by which two machines that mount the same disk would see each other.
func (a *Audit) mmp() error {
	const object = "multiple mount protection"
	sb := a.fs.Superblock
	if sb.FeatureIncompat&IncompatMmp == 0 {
		return nil
	}
	if sb.MMPBlock <= uint64(sb.FirstDataBlock) || sb.MMPBlock >= sb.BlocksCount {
		a.note(object, "s_mmp_block is %d", sb.MMPBlock)
		return nil
	}
	block, err := a.block(sb.MMPBlock)
	if err != nil {
		return err
	}
	c := &cursor{block}
	magic, seq := c.u32(), c.u32()
	if magic != mmpMagic {
		a.note(object, "the magic number is 0x%08x, not 0x%08x", magic, mmpMagic)
		return nil
	}
	if seq != mmpClean {
		a.note(object, "mmp_seq is 0x%08x: the file system is in use, or was not unmounted", seq)
	}
	if sb.checksums() {
		got, want := binary.LittleEndian.Uint32(block[mmpChecksumOffset:]), uint32(sb.seed().bytes(block[:mmpChecksumOffset]))
		if got != want {
			a.note(object, "the checksum is 0x%08x, that of what it holds is 0x%08x", got, want)
		}
	}
	return nil
}
