package audit

// This file computes the checksums of the format: CRC-32C under the file system's seed for metadata_csum, CRC-16 for the older ones of
// group descriptors.

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcStart is what a sum without a seed starts from.
const crcStart uint32 = 0xffffffff

// crc32c goes on with the sum. ext4 inverts neither at the start nor at the end, which Go's package does.
func crc32c(sum uint32, p []byte) uint32 { return ^crc32.Update(^sum, castagnoli, p) }

// crc32cU32 goes on with the four bytes of v. It does so by the table: a slice of them would be allocated each time.
func crc32cU32(sum, v uint32) uint32 {
	for range 4 {
		sum = castagnoli[byte(sum)^byte(v)] ^ sum>>8
		v >>= 8
	}
	return sum
}

var zeros [64]byte

// crc32cZeros goes on with n zeros (at most 64), which stand for the place of the checksum itself.
func crc32cZeros(sum uint32, n int) uint32 { return crc32c(sum, zeros[:n]) }

// crc16 is CRC-16 with the polynomial x^16+x^15+x^2+1, reflected.
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
