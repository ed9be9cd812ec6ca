package audit

import (
	"encoding/binary"
	"testing"
)

// sealedInode is an inode of 256 bytes of an image with checksums, with its checksum right.
func sealedInode(s *super, ino uint32, extra uint16) *inode {
	raw := make([]byte, s.inodeSize)
	binary.LittleEndian.PutUint16(raw, 0o100644)
	binary.LittleEndian.PutUint32(raw[100:], 0x12345678) // i_generation
	if len(raw) > goodOldInodeSize {
		binary.LittleEndian.PutUint16(raw[128:], extra)
	}
	sum := crc32cU32(crc32cU32(s.csumSeed, ino), 0x12345678)
	sum = crc32c(sum, raw)
	binary.LittleEndian.PutUint16(raw[124:], uint16(sum))
	if len(raw) > goodOldInodeSize && extra >= 4 {
		binary.LittleEndian.PutUint16(raw[130:], uint16(sum>>16))
	}
	in := new(inode)
	in.decode(ino, raw)
	return in
}

func TestInodeChecksums(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		extra uint16
		halfs int // how many of the checksum's halves count
	}{
		{"inodes of 128 bytes have 16 bits", 128, 0, 1},
		{"inodes whose extra space is too small for the upper half have 16 bits", 256, 0, 1},
		{"others have 32 bits", 256, 32, 2},
		{"so do those with just enough space", 256, 4, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &super{inodeSize: c.size, metadataCsum: true, csumSeed: 7}
			if in := sealedInode(s, 12, c.extra); !s.checksumOK(in) {
				t.Fatal("the checksum is right")
			}
			for i := range c.size {
				in := sealedInode(s, 12, c.extra)
				in.raw[i] ^= 0x10
				in.decode(12, in.raw)
				if s.checksumOK(in) {
					t.Errorf("byte %d was changed", i)
				}
			}
			in := sealedInode(s, 12, c.extra)
			in.ino = 13
			if s.checksumOK(in) {
				t.Error("an inode in another's place")
			}
		})
	}
	s := &super{inodeSize: 256, metadataCsum: true}
	blank := new(inode)
	blank.decode(12, make([]byte, 256))
	if !s.checksumOK(blank) {
		t.Error("an inode of zeros needs no checksum")
	}
}

func TestWhatHasAMap(t *testing.T) {
	s := &super{}
	for _, c := range []struct {
		name   string
		mode   uint16
		size   uint64
		blocks uint64
		acl    uint64
		second byte // of i_block[1]
		flags  uint32
		want   bool
	}{
		{"a file", modeRegular, 0, 0, 0, 0, 0, true},
		{"a file with inline data", modeRegular, 0, 0, 0, 0, flagInlineData, false},
		{"a device", modeChar, 0, 2, 0, 0, 0, false},
		{"a symlink without blocks", modeSymlink, 59, 0, 0, 1, 0, false},
		{"a symlink with a block", modeSymlink, 60, 2, 0, 0, 0, true},
		{"a symlink whose block is one of attributes", modeSymlink, 59, 2, 9, 1, 0, false},
		{"a symlink with blocks of both", modeSymlink, 60, 4, 9, 0, 0, true},
		{"a short symlink in a block, with one of attributes", modeSymlink, 5, 4, 9, 0, 0, true},
		{"a very short one may be in the inode", modeSymlink, 4, 4, 9, 0, 0, false},
	} {
		in := &inode{Mode: c.mode, Size: c.size, Blocks: c.blocks, FileACL: c.acl, Flags: c.flags, Block: make([]byte, iblockSize)}
		in.Block[4] = c.second
		if got := s.hasMap(in); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
