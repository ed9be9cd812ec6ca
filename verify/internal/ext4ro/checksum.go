// Checksums: CRC-32C under the file system's seed for metadata_csum, CRC-16 for the older checksums of group descriptors.

package ext4ro

import (
	"encoding/binary"
	"hash/crc32"
)

// crc is a checksum in the making. ext4 starts from all ones or from a seed and does not invert the result.
type crc uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const crcStart = crc(0xffffffff)

func (c crc) bytes(p []byte) crc { return crc(^crc32.Update(^uint32(c), castagnoli, p)) }

func (c crc) u32(v uint32) crc { return c.bytes(binary.LittleEndian.AppendUint32(nil, v)) }

func (c crc) u64(v uint64) crc { return c.bytes(binary.LittleEndian.AppendUint64(nil, v)) }

// zeros goes on with n zeros, which stand for the place of the checksum itself.
func (c crc) zeros(n int) crc { return c.bytes(make([]byte, n)) }

// seed is where the checksums of all but the superblock start.
func (sb *Superblock) seed() crc {
	if sb.FeatureIncompat&IncompatCsumSeed != 0 {
		return crc(sb.ChecksumSeed)
	}
	return crcStart.bytes(sb.UUID[:])
}

// checksums says whether the metadata carry checksums.
// StaleSeed reports whether s_checksum_seed holds something that does not count, as tune2fs leaves it when it takes the feature away,
// and that is not what counts.
func (sb *Superblock) StaleSeed() bool {
	return sb.FeatureIncompat&IncompatCsumSeed == 0 && sb.ChecksumSeed != 0 && crc(sb.ChecksumSeed) != sb.seed()
}

func (sb *Superblock) checksums() bool { return sb.FeatureRoCompat&RoCompatMetadataCsum != 0 }

// seed is where the checksums of what belongs to an inode start.
func (in *Inode) seed(sb *Superblock) crc { return sb.seed().u32(in.Ino).u32(in.Generation) }

// crc16 is CRC-16 with the polynomial x^16+x^15+x^2+1, reflected, as group descriptors have it under uninit_bg.
func crc16(sum uint16, p []byte) uint16 {
	for _, b := range p {
		sum ^= uint16(b)
		for range 8 {
			if sum&1 != 0 {
				sum = sum>>1 ^ 0xA001
			} else {
				sum >>= 1
			}
		}
	}
	return sum
}
