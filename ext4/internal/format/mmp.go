package format

// This file is the block of multiple mount protection: 1024 bytes that say who has the file system in use (kernel: struct
// mmp_struct).

const (
	MMPSize   = 1024 // bytes
	MMPMagic  = 0x004D4D50
	MMPClean  = 0xFF4D4D50 // mmp_seq of a file system that nobody uses
	MMPFsck   = 0xE24D4D50 // mmp_seq while e2fsck is at work
	MMPMaxSeq = 0xE24D4D4F // the largest mmp_seq of one that is mounted

	mmpMagic    U32 = 0
	MMPSeq      U32 = 4
	MMPTime     U64 = 8 // seconds since 1970
	mmpNodename     = 16
	mmpBdevname     = 80
	mmpPad      U32 = 116 // the first word of mmp_pad2
	mmpChecksum U32 = 1020

	mmpNodenameSize = 64
	mmpBdevnameSize = 32
)

// MMP is a view of the 1024 bytes.
type MMP []byte

func (m MMP) MagicOK() bool    { return mmpMagic.Get(m) == MMPMagic }
func (m MMP) Nodename() string { return cString(m[mmpNodename:][:mmpNodenameSize]) }
func (m MMP) Bdevname() string { return cString(m[mmpBdevname:][:mmpBdevnameSize]) }

// SetUser says who uses the file system; names that are too long are cut.
func (m MMP) SetUser(node, device string) {
	for _, f := range []struct {
		at, size int
		name     string
	}{{mmpNodename, mmpNodenameSize, node}, {mmpBdevname, mmpBdevnameSize, device}} {
		clear(m[f.at:][:f.size])
		copy(m[f.at:][:f.size-1], f.name)
	}
}

func (m MMP) checksum(seed uint32) uint32 { return CRC32C(seed, m[:mmpChecksum]) }

func (m MMP) ChecksumOK(seed uint32) bool { return mmpChecksum.Get(m) == m.checksum(seed) }

// KeepChecksum makes the checksum right without changing it: by a word of padding. So a change is within the first sector, and
// whatever part of a write reaches the disk, the block is valid.
func (m MMP) KeepChecksum(seed uint32) {
	mmpPad.Set(m, 0)
	zero := m.checksum(seed)
	missing := zero ^ mmpChecksum.Get(m)
	// What each bit of the padding does to the checksum, as a basis: crc32c is linear, and of four bytes anywhere it is one to one.
	type effect struct{ sum, pad uint32 }
	var basis [32]effect
	for bit := range 32 {
		mmpPad.Set(m, 1<<bit)
		e := effect{m.checksum(seed) ^ zero, 1 << bit}
		for i := 31; i >= 0 && e.sum != 0; i-- {
			if e.sum>>i == 0 {
				continue
			}
			if basis[i].sum == 0 {
				basis[i] = e
				break
			}
			e.sum ^= basis[i].sum
			e.pad ^= basis[i].pad
		}
	}
	pad := uint32(0)
	for i := 31; i >= 0; i-- {
		if missing>>i&1 != 0 {
			missing ^= basis[i].sum
			pad ^= basis[i].pad
		}
	}
	mmpPad.Set(m, pad)
}
