package format

// This file is a directory's block: entries of 8 bytes and a name, each as long as its rec_len says, to the block's end,
// where with metadata_csum a fake entry of 12 bytes holds the checksum (kernel: struct ext4_dir_entry_2,
// ext4_dir_entry_tail).

import "fmt"

const (
	deInode    U32 = 0
	deRecLen   U16 = 4
	deNameLen  U8  = 6
	deFileType U8  = 7 // the high byte of the name's length without the filetype feature

	direntHeader  = 8
	MaxNameLen    = 255
	DirTailSize   = 12
	dirTailType   = 0xDE
	detChecksum   = 8
	MinDirentSize = 12 // "." and one-character names; nothing is shorter
)

// Values of the file type in an entry.
const (
	FTUnknown  = 0
	FTRegular  = 1
	FTDir      = 2
	FTCharDev  = 3
	FTBlockDev = 4
	FTFIFO     = 5
	FTSocket   = 6
	FTSymlink  = 7
)

// FileType is an entry's file type for an inode's i_mode.
func FileType(mode uint16) uint8 {
	switch mode & ModeTypeMask {
	case ModeRegular:
		return FTRegular
	case ModeDir:
		return FTDir
	case ModeCharDev:
		return FTCharDev
	case ModeBlockDev:
		return FTBlockDev
	case ModeFIFO:
		return FTFIFO
	case ModeSocket:
		return FTSocket
	case ModeSymlink:
		return FTSymlink
	}
	return FTUnknown
}

// DirBlock is a view of one block of a directory.
type DirBlock []byte

// Dirent is one entry; Ino 0 marks free space.
type Dirent struct {
	Offset int // in the block
	RecLen int
	Ino    Ino
	Type   uint8
	Name   []byte // a slice of the block
}

// DirentSize is the least rec_len of an entry with a name of n bytes: a multiple of 4.
func DirentSize(n int) int { return (direntHeader + n + 3) &^ 3 }

// rec_len has 16 bits; in blocks of 64 KiB a length of 65536 is stored as 65535 or 0 (ext4_rec_len_from_disk).
func (b DirBlock) recLen(off int) int {
	v := int(deRecLen.Get(b[off:]))
	if len(b) >= 1<<16 {
		if v == 65535 || v == 0 {
			return len(b)
		}
		return v&65532 | v&3<<16
	}
	return v
}

func (b DirBlock) SetRecLen(off, v int) {
	if v >= 1<<16 {
		v = 65535
	}
	deRecLen.Set(b[off:], uint16(v))
}

// At decodes the entry at off and checks it as the kernel does: that it lies within the block and its name within it.
func (b DirBlock) At(off int) (Dirent, error) {
	if off < 0 || off+direntHeader > len(b) {
		return Dirent{}, fmt.Errorf("directory entry at byte %d does not fit into the block", off)
	}
	d := Dirent{Offset: off, RecLen: b.recLen(off), Ino: Ino(deInode.Get(b[off:])), Type: deFileType.Get(b[off:])}
	n := int(deNameLen.Get(b[off:]))
	switch {
	case d.RecLen < MinDirentSize || d.RecLen%4 != 0:
		return Dirent{}, fmt.Errorf("directory entry at byte %d has rec_len %d", off, d.RecLen)
	case off+d.RecLen > len(b):
		return Dirent{}, fmt.Errorf("directory entry at byte %d passes the block's end (rec_len %d)", off, d.RecLen)
	case DirentSize(n) > d.RecLen: // of free space, too: the kernel would not go on behind it
		return Dirent{}, fmt.Errorf("directory entry at byte %d has a name of %d bytes in rec_len %d", off, n, d.RecLen)
	}
	d.Name = b[off+direntHeader:][:n:n]
	return d, nil
}

// Put writes an entry's header and name at off and clears what is left of the space its name is padded to.
func (b DirBlock) Put(off, recLen int, ino Ino, typ uint8, name string) {
	clear(b[off : off+DirentSize(len(name))])
	deInode.Set(b[off:], uint32(ino))
	b.SetRecLen(off, recLen)
	deNameLen.Set(b[off:], uint8(len(name)))
	deFileType.Set(b[off:], typ)
	copy(b[off+direntHeader:], name)
}

// SetIno changes the inode and the type of the entry at off.
func (b DirBlock) SetIno(off int, ino Ino, typ uint8) {
	deInode.Set(b[off:], uint32(ino))
	deFileType.Set(b[off:], typ)
}

// Remove takes the entry at off out and clears its bytes. Its space goes to the entry at before, or where that is -1 it becomes
// free space of its own.
func (b DirBlock) Remove(before, off int) {
	length := b.recLen(off)
	clear(b[off : off+length])
	if before < 0 {
		b.SetRecLen(off, length)
	} else {
		b.SetRecLen(before, b.recLen(before)+length)
	}
}

// HasTail tells whether the block ends in the fake entry that holds a checksum.
func (b DirBlock) HasTail() bool {
	if len(b) < DirTailSize {
		return false
	}
	t := b[len(b)-DirTailSize:]
	return deInode.Get(t) == 0 && deRecLen.Get(t) == DirTailSize && deNameLen.Get(t) == 0 && deFileType.Get(t) == dirTailType
}

// InitTail writes that fake entry.
func (b DirBlock) InitTail() {
	t := b[len(b)-DirTailSize:]
	clear(t)
	deRecLen.Set(t, DirTailSize)
	deFileType.Set(t, dirTailType)
}
