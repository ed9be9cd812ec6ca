package audit

import "testing"

// TestChecksums holds both sums to the check values of their catalogues, as ext4 leaves out the inversion of the second.
func TestChecksums(t *testing.T) {
	p := []byte("123456789")
	if got := crc16(0, p); got != 0xBB3D { // CRC-16/ARC
		t.Errorf("crc16 is 0x%04x", got)
	}
	if got := crc32c(crcStart, p) ^ 0xffffffff; got != 0xE3069283 { // CRC-32/ISCSI
		t.Errorf("crc32c is 0x%08x", got)
	}
	if got, want := crc32cU32(crc32cZeros(crcStart, 3), 0x04030201), crc32c(crcStart, []byte{0, 0, 0, 1, 2, 3, 4}); got != want {
		t.Errorf("in pieces it is 0x%08x, want 0x%08x", got, want)
	}
}
