package ext4

// This file makes devices, named pipes and sockets.

import (
	"encoding/binary"
	"io/fs"

	"boringboot/ext4/internal/format"
)

// Mknod makes a device, a named pipe or a socket. Which of them mode says: fs.ModeDevice (a block device),
// fs.ModeDevice|fs.ModeCharDevice, fs.ModeNamedPipe or fs.ModeSocket, and nothing else; permissions are a's. dev, of a device, is
// Linux's dev_t in 64 bits, as Stat.Rdev and golang.org/x/sys/unix.Mkdev have it: majors below 4096, minors below 2^20.
func (tx *Tx) Mknod(name string, mode fs.FileMode, dev uint64, a Attr) error {
	return tx.change("mknod", name, func() error {
		typ, err := specialType(mode)
		if err != nil {
			return err
		}
		device := typ == format.ModeCharDev || typ == format.ModeBlockDev
		if device && dev > 1<<32-1 {
			return kindf(fs.ErrInvalid, "device number %#x has more than 12 bits of major and 20 of minor", dev)
		}
		loc, err := tx.locate(name, false)
		if err != nil {
			return err
		}
		if err := tx.checkNew(loc); err != nil {
			return err
		}
		if !device {
			dev = 0
		}
		return halfway(tx.makeSpecial(loc, typ, uint32(dev), a))
	})
}

func specialType(mode fs.FileMode) (uint16, error) {
	switch mode {
	case fs.ModeDevice:
		return format.ModeBlockDev, nil
	case fs.ModeDevice | fs.ModeCharDevice:
		return format.ModeCharDev, nil
	case fs.ModeNamedPipe:
		return format.ModeFIFO, nil
	case fs.ModeSocket:
		return format.ModeSocket, nil
	}
	return 0, kindf(fs.ErrInvalid, "%v is not the type of a device, a named pipe or a socket", mode)
}

// makeSpecial makes an inode without blocks: i_block holds the device's number or nothing.
func (tx *Tx) makeSpecial(loc location, typ uint16, dev uint32, a Attr) error {
	n, err := tx.newInode(loc.dir, typ, a)
	if err != nil {
		return err
	}
	format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)&^format.InodeExtents)
	putDeviceNumber(n.IBlock(), dev)
	tx.seal(n)
	return tx.link(loc.dir, loc.name, n)
}

// putDeviceNumber is the other direction of deviceNumber: as the kernel chooses, a major and a minor below 256 are kept in the
// first word's 16 bits, others in the second word. Both forms have the same bits there.
func putDeviceNumber(iblock []byte, dev uint32) {
	clear(iblock)
	const old = 0xFFFF // 8 bits of major above 8 of minor
	at := 0
	if dev&^old != 0 {
		at = 4
	}
	binary.LittleEndian.PutUint32(iblock[at:], dev)
}
