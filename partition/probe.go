// This file recognises file systems by their first bytes.

package partition

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// found is what probe saw: a file system, the bytes it says it has (0 where that is not read), and a remark.
type found struct {
	FileSystem
	size int64
	note string
}

// A prober recognises one family of file systems. A file system that is not there is no error.
type prober func(d disk) (found, bool, error)

// probers, in the order in which they are asked. Those that need more than a few bytes to match come first; ext comes before
// the boot-sector formats, because mke2fs leaves the first 1024 bytes as they were.
var probers = []prober{
	probeExt,
	magic("luks", 0, "LUKS\xba\xbe", text(24, 48, 168, 40)),
	magic("xfs", 0, "XFSB", binaryUUID(108, 12, 32)),
	magic("btrfs", 65536+64, "_BHRfS_M", binaryUUID(65536+299, 256, 65536+32)),
	magic("f2fs", 1024, "\x10\x20\xf5\xf2", f2fsNames),
	magic("erofs", 1024, "\xe2\xe1\xf5\xe0", binaryUUID(1024+64, 16, 1024+48)),
	magic("squashfs", 0, "hsqs", nil),
	magic("iso9660", 32769, "CD001", text(32808, 32, 0, 0)),
	probeSwap,
	magic("lvm2", 512, "LABELONE", nil),
	magic("linux_raid", 4096, "\xfc\x4e\x2b\xa9", nil),
	magic("ntfs", 3, "NTFS    ", nil),
	magic("exfat", 3, "EXFAT   ", nil),
	probeFAT,
}

// probe says what d holds, or nothing.
func probe(d disk) (found, error) {
	for _, p := range probers {
		f, ok, err := p(d)
		if err != nil {
			return found{}, err
		}
		if ok {
			return f, nil
		}
	}
	return lostExt(d)
}

// magic recognises a file system by bytes at a fixed place; names then reads its label and UUID.
func magic(name string, off int64, want string, names func(disk, *FileSystem) error) prober {
	return func(d disk) (found, bool, error) {
		b := make([]byte, len(want))
		ok, err := d.peek(b, off)
		if !ok || err != nil || string(b) != want {
			return found{}, false, err
		}
		f := found{FileSystem: FileSystem{Type: name}}
		if names != nil {
			if err := names(d, &f.FileSystem); err != nil {
				return found{}, false, err
			}
		}
		return f, true, nil
	}
}

// text reads a label and a UUID that are both stored as text; a length of 0: there is none.
func text(labelAt int64, labelLen int, uuidAt int64, uuidLen int) func(disk, *FileSystem) error {
	return func(d disk, fs *FileSystem) error {
		label, uuid := make([]byte, labelLen), make([]byte, uuidLen)
		if _, err := d.peek(label, labelAt); err != nil {
			return err
		}
		if _, err := d.peek(uuid, uuidAt); err != nil {
			return err
		}
		fs.Label, fs.UUID = labelText(label), labelText(uuid)
		return nil
	}
}

// binaryUUID reads a label and a UUID of 16 bytes.
func binaryUUID(labelAt int64, labelLen int, uuidAt int64) func(disk, *FileSystem) error {
	return func(d disk, fs *FileSystem) error {
		label, uuid := make([]byte, labelLen), make([]byte, 16)
		if _, err := d.peek(label, labelAt); err != nil {
			return err
		}
		if ok, err := d.peek(uuid, uuidAt); err != nil {
			return err
		} else if ok {
			fs.UUID = uuidText(uuid)
		}
		fs.Label = labelText(label)
		return nil
	}
}

// f2fsNames reads f2fs_super_block's uuid (at 108) and volume_name (at 124, UTF-16).
func f2fsNames(d disk, fs *FileSystem) error {
	uuid, name := make([]byte, 16), make([]byte, 1024)
	if ok, err := d.peek(uuid, 1024+108); err != nil {
		return err
	} else if ok {
		fs.UUID = uuidText(uuid)
	}
	if _, err := d.peek(name, 1024+124); err != nil {
		return err
	}
	fs.Label = utf16Text(name)
	return nil
}

// probeSwap finds swap space, whose signature ends its first page; the page is as large as the machine's that made it.
func probeSwap(d disk) (found, bool, error) {
	for page := int64(4096); page <= 65536; page *= 2 {
		b := make([]byte, 10)
		ok, err := d.peek(b, page-10)
		if err != nil {
			return found{}, false, err
		}
		if ok && (string(b) == "SWAPSPACE2" || string(b) == "SWAP-SPACE") {
			f := found{FileSystem: FileSystem{Type: "swap"}}
			return f, true, binaryUUID(1052, 16, 1036)(d, &f.FileSystem)
		}
	}
	return found{}, false, nil
}

// isFATBootSector reports whether the sector is a FAT (or NTFS, exFAT) boot sector, which ends in 55 AA as an MBR does.
func isFATBootSector(b []byte) bool {
	if string(b[3:11]) == "NTFS    " || string(b[3:11]) == "EXFAT   " {
		return true
	}
	le := binary.LittleEndian
	bytesPerSector, sectorsPerCluster := le.Uint16(b[11:]), b[13]
	return (b[0] == 0xeb || b[0] == 0xe9) &&
		(bytesPerSector == 512 || bytesPerSector == 1024 || bytesPerSector == 2048 || bytesPerSector == 4096) &&
		sectorsPerCluster != 0 && sectorsPerCluster&(sectorsPerCluster-1) == 0 &&
		le.Uint16(b[14:]) != 0 && // reserved sectors
		(b[16] == 1 || b[16] == 2) && // number of FATs
		b[21] >= 0xf0 && // media
		b[510] == 0x55 && b[511] == 0xaa
}

func probeFAT(d disk) (found, bool, error) {
	b := make([]byte, 512)
	if ok, err := d.peek(b, 0); !ok || err != nil {
		return found{}, false, err
	}
	if !isFATBootSector(b) {
		return found{}, false, nil
	}
	// The extended boot record: at 36 in FAT12 and FAT16, at 64 in FAT32, which has no 16-bit FAT size (22).
	ebr := b[36:]
	if binary.LittleEndian.Uint16(b[22:]) == 0 {
		ebr = b[64:]
	}
	f := found{FileSystem: FileSystem{Type: "vfat"}}
	if ebr[2] == 0x29 || ebr[2] == 0x28 {
		serial := binary.LittleEndian.Uint32(ebr[3:])
		f.UUID = fmt.Sprintf("%04X-%04X", serial>>16, serial&0xffff)
		if label := labelText(ebr[7:18]); label != "NO NAME" {
			f.Label = label
		}
	}
	return f, true, nil
}

// labelText is a label up to its first NUL, without the blanks that pad it.
func labelText(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.ToValidUTF8(strings.TrimRight(s, " "), "\uFFFD")
}

// uuidText writes 16 bytes in the order they are stored in.
func uuidText(b []byte) string {
	if allZero(b) {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
