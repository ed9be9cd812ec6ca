package format

// This file lets a superblock change without its checksum changing. The checksum is in the second of the superblock's two
// sectors, all that changes is in the first; a device that loses power may write one and not the other, and a superblock with
// a wrong checksum is not mounted. So four bytes of the first sector that nobody reads make up for the change, and the second
// stays as it is.

import (
	"bytes"
	"encoding/binary"
)

const (
	sectorSize = 512 // bytes that a device writes whole or not at all

	sFirstErrorTime U32 = 0x198
	sFirstErrorFunc     = 0x1A8 // 32 bytes; they count where s_first_error_time is not 0
)

// keeper is where the four bytes are: the last of s_last_mounted if its text ends before them, or of s_first_error_func if
// there was no error. 0: nowhere.
func (s Superblock) keeper() int {
	if at := sLastMounted + 64 - 4; bytes.IndexByte(s[sLastMounted:at], 0) >= 0 {
		return at
	}
	if SErrorCount.Get(s) == 0 && sFirstErrorTime.Get(s) == 0 {
		return sFirstErrorFunc + 32 - 4
	}
	return 0
}

// SetChecksumLike sets the checksum so that, where that can be, the superblock differs from old, whose checksum is right, in the
// first sector alone.
func (s Superblock) SetChecksumLike(old Superblock) {
	at := s.keeper()
	if at == 0 || !bytes.Equal(s[sectorSize:SChecksum], old[sectorSize:SChecksum]) {
		s.SetChecksum()
		return
	}
	want := SChecksum.Get(old)
	SChecksum.Set(s, want)
	state := CRC32C(^uint32(0), s[:at])
	binary.LittleEndian.PutUint32(s[at:], state^crc32cBack(crc32cBack(want, s[at+4:SChecksum]), make([]byte, 4)))
}

// crc32cBack is the sum that CRC32C continues over b to sum.
func crc32cBack(sum uint32, b []byte) uint32 {
	for i := len(b) - 1; i >= 0; i-- {
		index := castagnoliByTop[sum>>24]
		sum = (sum^castagnoli[index])<<8 | uint32(index^b[i])
	}
	return sum
}

// castagnoliByTop finds an entry of the table by its highest byte.
var castagnoliByTop = func() (t [256]byte) {
	for i, v := range castagnoli {
		t[v>>24] = byte(i)
	}
	return t
}()
