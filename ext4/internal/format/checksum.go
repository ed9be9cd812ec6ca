package format

// This file has every checksum of ext4: one private calculation under each verification and each setting. All but the
// descriptors of uninit_bg are crc32c with a start value (kernel: ext4_chksum), which differs from hash/crc32's by the two
// inversions.

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC32C continues sum over b as the kernel's crc32c does: no inversion before or after.
func CRC32C(sum uint32, b []byte) uint32 { return ^crc32.Update(^sum, castagnoli, b) }

// crc32cWord is CRC32C of a little-endian word, without a slice of it.
func crc32cWord(sum, v uint32) uint32 {
	for range 4 {
		sum = castagnoli[byte(sum)^byte(v)] ^ sum>>8
		v >>= 8
	}
	return sum
}

// crc32cZeros is CRC32C of n zeros, which stand for a checksum in what it is of.
func crc32cZeros(sum uint32, n int) uint32 {
	for range n {
		sum = castagnoli[byte(sum)] ^ sum>>8
	}
	return sum
}

// Seed is the start value of all checksums but the superblock's: crc32c of the UUID, or s_checksum_seed, which keeps it
// when the UUID is changed.
func (s Superblock) Seed() uint32 {
	if s.HasIncompat(IncompatCsumSeed) {
		return SChecksumSeed.Get(s)
	}
	return CRC32C(^uint32(0), s.UUID())
}

func (s Superblock) checksum() uint32 { return CRC32C(^uint32(0), s[:SChecksum]) }

func (s Superblock) ChecksumOK() bool { return SChecksum.Get(s) == s.checksum() }
func (s Superblock) SetChecksum()     { SChecksum.Set(s, s.checksum()) }

// GroupChecksum is a descriptor's: crc32c cut to 16 bits, or with uninit_bg alone a crc16 that includes the UUID.
type GroupChecksum struct {
	Metadata bool   // metadata_csum, else gdt_csum (uninit_bg)
	Seed     uint32 // of metadata_csum
	UUID     []byte // for uninit_bg
}

func (c GroupChecksum) of(g Group, d GroupDesc) uint16 {
	before, after := d[:BGChecksum], d[BGChecksum+2:]
	if c.Metadata {
		sum := crc32cWord(c.Seed, uint32(g))
		sum = CRC32C(sum, before)
		sum = crc32cZeros(sum, 2)
		return uint16(CRC32C(sum, after))
	}
	var num [4]byte
	binary.LittleEndian.PutUint32(num[:], uint32(g))
	sum := crc16(0xFFFF, c.UUID)
	sum = crc16(sum, num[:])
	sum = crc16(sum, before)
	return crc16(sum, after)
}

func (c GroupChecksum) OK(g Group, d GroupDesc) bool { return BGChecksum.Get(d) == c.of(g, d) }
func (c GroupChecksum) Set(g Group, d GroupDesc)     { BGChecksum.Set(d, c.of(g, d)) }

// InodeSeed is what an inode's own checksum and those of its directory and extent blocks start from.
func InodeSeed(seed uint32, ino Ino, generation uint32) uint32 {
	return crc32cWord(crc32cWord(seed, uint32(ino)), generation)
}

func (in Inode) checksum(seed uint32, ino Ino) uint32 {
	sum := InodeSeed(seed, ino, IGeneration.Get(in))
	sum = CRC32C(sum, in[:IChecksumLo])
	sum = crc32cZeros(sum, 2)
	if !in.hasChecksumHi() {
		return CRC32C(sum, in[IChecksumLo+2:]) & 0xFFFF
	}
	sum = CRC32C(sum, in[IChecksumLo+2:IChecksumHi])
	sum = crc32cZeros(sum, 2)
	return CRC32C(sum, in[IChecksumHi+2:])
}

func (in Inode) ChecksumOK(seed uint32, ino Ino) bool {
	got := uint32(IChecksumLo.Get(in))
	if in.hasChecksumHi() {
		got |= uint32(IChecksumHi.Get(in)) << 16
	}
	return got == in.checksum(seed, ino)
}

func (in Inode) SetChecksum(seed uint32, ino Ino) {
	sum := in.checksum(seed, ino)
	IChecksumLo.Set(in, uint16(sum))
	if in.hasChecksumHi() {
		IChecksumHi.Set(in, uint16(sum>>16))
	}
}

// BitmapChecksum is that of the n bytes of a bitmap that stand for blocks or inodes.
func BitmapChecksum(seed uint32, bitmap []byte, n int) uint32 { return CRC32C(seed, bitmap[:n]) }

// ChecksumOK verifies a node that fills a block; inodeSeed is InodeSeed's. A node without room for it is not right.
func (n ExtentNode) ChecksumOK(inodeSeed uint32) bool {
	at, ok := n.tail()
	return ok && U32(at).Get(n) == CRC32C(inodeSeed, n[:at])
}

func (n ExtentNode) SetChecksum(inodeSeed uint32) {
	if at, ok := n.tail(); ok {
		U32(at).Set(n, CRC32C(inodeSeed, n[:at]))
	}
}

// ChecksumOK verifies a leaf; one without the tail is not right.
func (b DirBlock) ChecksumOK(inodeSeed uint32) bool {
	at := len(b) - DirTailSize
	return b.HasTail() && U32(at+detChecksum).Get(b) == CRC32C(inodeSeed, b[:at])
}

func (b DirBlock) SetChecksum(inodeSeed uint32) {
	at := len(b) - DirTailSize
	U32(at+detChecksum).Set(b, CRC32C(inodeSeed, b[:at]))
}

// An index node's covers the entries in use, then the reserved word of its tail and the checksum as zero.
func (n DXNode) checksum(inodeSeed uint32) uint32 {
	sum := CRC32C(inodeSeed, n.block[:n.start+n.Count()*dxEntrySize])
	tail := n.start + n.Limit()*dxEntrySize
	sum = CRC32C(sum, n.block[tail:tail+4])
	return crc32cWord(sum, 0)
}

func (n DXNode) ChecksumOK(inodeSeed uint32) bool {
	return U32(n.start+n.Limit()*dxEntrySize+4).Get(n.block) == n.checksum(inodeSeed)
}

func (n DXNode) SetChecksum(inodeSeed uint32) {
	U32(n.start+n.Limit()*dxEntrySize+4).Set(n.block, n.checksum(inodeSeed))
}

// crc16 is the one with the polynomial 0x8005, bits reversed (kernel: lib/crc16.c).
func crc16(sum uint16, b []byte) uint16 {
	for _, c := range b {
		sum = sum>>8 ^ crc16Table[byte(sum)^c]
	}
	return sum
}

var crc16Table = func() (t [256]uint16) {
	for i := range t {
		v := uint16(i)
		for range 8 {
			if v&1 != 0 {
				v = v>>1 ^ 0xA001
			} else {
				v >>= 1
			}
		}
		t[i] = v
	}
	return t
}()
