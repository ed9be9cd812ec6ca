package format

// This file is a block of the orphan file: inode numbers, 0 for a free place, and a tail with magic and checksum
// (kernel: struct ext4_orphan_block_tail).

import (
	"bytes"
	"encoding/binary"
)

// OrphanBlock is a view of one block.
type OrphanBlock []byte

const (
	orphanMagic    = 0x0B10CA04
	orphanTailSize = 8 // ob_magic, ob_checksum

	obMagic    U32 = 0
	obChecksum U32 = 4

	// MaxOrphanFileSize and MaxOrphanFileBlocks: an orphan file has up to 512 blocks (EXT4_MAX_ORPHAN_FILE_BLOCKS); kernels before
	// 6.19 took up to 8 MiB, whatever the size of blocks.
	MaxOrphanFileBlocks = 512
	MaxOrphanFileSize   = 8 << 20
)

func (b OrphanBlock) tail() []byte { return b[len(b)-orphanTailSize:] }

// MagicOK tells whether the tail is that of an orphan file.
func (b OrphanBlock) MagicOK() bool { return obMagic.Get(b.tail()) == orphanMagic }

func (b OrphanBlock) checksum(seed uint32, at FSBlock) uint32 {
	sum := crc32cWord(crc32cWord(seed, uint32(at)), uint32(at>>32))
	return CRC32C(sum, b[:len(b)-orphanTailSize])
}

// ChecksumOK verifies the checksum, which is over the block's number and the entries; seed is the orphan inode's.
func (b OrphanBlock) ChecksumOK(seed uint32, at FSBlock) bool {
	return obChecksum.Get(b.tail()) == b.checksum(seed, at)
}

func (b OrphanBlock) SetChecksum(seed uint32, at FSBlock) {
	obChecksum.Set(b.tail(), b.checksum(seed, at))
}

// Inodes lists the inode numbers in the block.
func (b OrphanBlock) Inodes() (list []Ino) {
	entries := b[:len(b)-orphanTailSize]
	if len(entries) == 0 || entries[0] == 0 && bytes.Equal(entries[1:], entries[:len(entries)-1]) { // none, as in nearly every one
		return nil
	}
	for off := 0; off+4 <= len(entries); off += 4 {
		if ino := binary.LittleEndian.Uint32(b[off:]); ino != 0 {
			list = append(list, Ino(ino))
		}
	}
	return list
}

// Empty removes all of them.
func (b OrphanBlock) Empty() { clear(b[:len(b)-orphanTailSize]) }
