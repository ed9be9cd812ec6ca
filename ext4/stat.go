package ext4

// This file is what is known of a file: Stat, and fs.FileInfo and fs.DirEntry over it.

import (
	"io/fs"
	"time"

	"boringboot/ext4/internal/format"
)

// Stat has an inode's fields as the kernel's stat has them. Blocks are of 512 bytes. FileInfo.Sys returns a *Stat.
type Stat struct {
	Ino                         uint32
	Mode                        uint16 // type and permissions as in i_mode
	UID, GID, Links             uint32
	Size                        int64
	Blocks                      uint64
	Flags                       uint32 // i_flags
	Atime, Mtime, Ctime, Crtime time.Time
	Rdev                        uint64 // of a device, as Linux's dev_t in 64 bits
	Generation                  uint32
}

func (v *view) stat(n node) *Stat {
	s := &Stat{
		Ino: uint32(n.ino), Mode: format.IMode.Get(n.Inode),
		UID: n.UID(), GID: n.GID(), Links: uint32(format.ILinksCount.Get(n.Inode)),
		Size: int64(n.Size()), Blocks: n.RawBlocks(), Flags: format.IFlags.Get(n.Inode),
		Atime: timeOf(n.Atime()), Mtime: timeOf(n.Mtime()), Ctime: timeOf(n.Ctime()), Crtime: timeOf(n.Crtime()),
		Generation: format.IGeneration.Get(n.Inode),
	}
	if n.flag(format.InodeHugeFile) {
		s.Blocks *= uint64(v.blockSize / 512)
	}
	if t := n.Type(); t == format.ModeCharDev || t == format.ModeBlockDev {
		s.Rdev = deviceNumber(n.IBlock())
	}
	return s
}

// deviceNumber reads i_block of a device: 16 bits of the old form in the first word, or 32 of the new one in the second.
func deviceNumber(iblock []byte) uint64 {
	if old := le32(iblock, 0); old != 0 {
		return uint64(old & 0xFFFF)
	}
	return uint64(le32(iblock, 1))
}

func timeOf(t format.Timestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)).UTC() }

func timestamp(t time.Time) format.Timestamp {
	return format.Timestamp{Sec: t.Unix(), Nsec: uint32(t.Nanosecond())}
}

// fileMode translates i_mode.
func fileMode(m uint16) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	for _, bit := range []struct {
		raw uint16
		as  fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}} {
		if m&bit.raw != 0 {
			mode |= bit.as
		}
	}
	return mode | typeMode(m)
}

func typeMode(m uint16) fs.FileMode {
	switch m & format.ModeTypeMask {
	case format.ModeRegular:
		return 0
	case format.ModeDir:
		return fs.ModeDir
	case format.ModeSymlink:
		return fs.ModeSymlink
	case format.ModeCharDev:
		return fs.ModeDevice | fs.ModeCharDevice
	case format.ModeBlockDev:
		return fs.ModeDevice
	case format.ModeFIFO:
		return fs.ModeNamedPipe
	case format.ModeSocket:
		return fs.ModeSocket
	}
	return fs.ModeIrregular
}

// permissions are the twelve low bits of i_mode for a FileMode.
func permissions(mode fs.FileMode) uint16 {
	m := uint16(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		m |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		m |= 0o2000
	}
	if mode&fs.ModeSticky != 0 {
		m |= 0o1000
	}
	return m
}

type fileInfo struct {
	name string
	stat *Stat
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.stat.Size }
func (i fileInfo) Mode() fs.FileMode  { return fileMode(i.stat.Mode) }
func (i fileInfo) ModTime() time.Time { return i.stat.Mtime }
func (i fileInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i fileInfo) Sys() any           { return i.stat }

func (v *view) info(loc location) fs.FileInfo {
	name := loc.name
	if name == "" {
		name = "."
	}
	return fileInfo{name, v.stat(loc.node)}
}
