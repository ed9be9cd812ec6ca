// github.com/dsoprea/go-ext4, through its low-level calls.
//
// It needs extents, flex_bg and filetype, ignores checksums, and refuses hashed directories, inline data and large_dir. Its
// DirectoryWalk reads every inode through one group's descriptor, and its list of descriptors leaves out a last, partial group and takes
// each for 64 bytes long; so descriptors are handed to it one by one, each the one of the inode's own group.

package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	goext4 "github.com/dsoprea/go-ext4"

	"boringboot/verify/internal/ext4ro"
)

type goExt4 struct {
	b    *budget
	sb   *goext4.Superblock
	ro   *ext4ro.FS
	dirs map[uint32]map[string]uint32 // inodes by name, of the directories that were read
}

func openGoExt4(b *budget, ro *ext4ro.FS) (library, error) {
	if !ro.OneTable() {
		return nil, errors.New("the group descriptors are spread over the groups (meta_bg)")
	}
	s := &stream{budget: b, off: goext4.Superblock0Offset}
	sb, err := goext4.NewSuperblockWithReader(s)
	if err != nil {
		return nil, err
	}
	return &goExt4{b: b, sb: sb, ro: ro, dirs: map[uint32]map[string]uint32{}}, nil
}

// descriptor returns the descriptor of the group that inode ino belongs to.
func (l *goExt4) descriptor(ino uint32) (*goext4.BlockGroupDescriptor, error) {
	if ino == 0 || ino > l.sb.Data().SInodesCount {
		return nil, fmt.Errorf("inode %d of %d", ino, l.sb.Data().SInodesCount)
	}
	group := int64(l.sb.BlockGroupNumberWithAbsoluteInodeNumber(int(ino)))
	// Without the 64bit feature a descriptor has 32 bytes. The library reads 64 of them in any case, and then uses the first half only.
	s := &stream{budget: l.b, off: l.ro.DescTable() + group*int64(l.ro.DescSize)}
	return goext4.NewBlockGroupDescriptorWithReader(s, l.sb)
}

func (l *goExt4) inode(ino uint32) (*goext4.Inode, error) {
	bgd, err := l.descriptor(ino)
	if err != nil {
		return nil, err
	}
	in, err := goext4.NewInodeWithReadSeeker(bgd, &stream{budget: l.b}, int(ino))
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	return in, nil
}

// data reads an inode with the library's decoder only: its constructor refuses inodes whose content it could not read.
func (l *goExt4) data(ino uint32) (*goext4.InodeData, error) {
	bgd, err := l.descriptor(ino)
	if err != nil {
		return nil, err
	}
	at := int64(bgd.InodeTableBlock())*int64(l.sb.BlockSize()) +
		int64(l.sb.BlockGroupInodeNumberWithAbsoluteInodeNumber(int(ino)))*int64(l.sb.Data().SInodeSize)
	data := new(goext4.InodeData)
	if err := binary.Read(&stream{budget: l.b, off: at}, binary.LittleEndian, data); err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	return data, nil
}

func (l *goExt4) attr(ino uint32) (attr, error) {
	data, err := l.data(ino)
	if err != nil {
		return attr{}, err
	}
	a := goExt4Attr(ino, data)
	switch {
	case a.kind != kindSymlink:
		return a, nil
	case a.size < int64(len(data.IBlock)) && data.IFlags&goext4.InodeFlagExtents == 0:
		a.target = string(data.IBlock[:a.size])
		return a, nil
	case a.size > int64(l.sb.BlockSize()):
		return attr{}, fmt.Errorf("inode %d: a symlink of %d bytes", ino, a.size)
	}
	in, err := l.inode(ino)
	if err != nil {
		return attr{}, err
	}
	target := make([]byte, a.size)
	if _, err := io.ReadFull(l.reader(in), target); err != nil {
		return attr{}, fmt.Errorf("inode %d: symlink: %w", ino, err)
	}
	a.target = string(target)
	return a, nil
}

// goExt4Attr takes an inode apart. Of i_osd2 (struct linux2) bytes 4 to 7 are l_i_uid_high and l_i_gid_high.
func goExt4Attr(ino uint32, d *goext4.InodeData) attr {
	return attr{
		ino:  ino,
		kind: kindOf(d.IMode),
		size: int64(uint64(d.ISizeHigh)<<32 | uint64(d.ISizeLo)),
		mode: d.IMode & 0o7777,
		uid:  uint32(d.IUid) | uint32(binary.LittleEndian.Uint16(d.Osd2[4:]))<<16,
		gid:  uint32(d.IGid) | uint32(binary.LittleEndian.Uint16(d.Osd2[6:]))<<16,
	}
}

func (l *goExt4) reader(in *goext4.Inode) io.Reader {
	return goext4.NewInodeReader(goext4.NewExtentNavigatorWithReadSeeker(&stream{budget: l.b}, in))
}

func (l *goExt4) root() (attr, error) { return l.attr(goext4.InodeRootDirectory) }

func (l *goExt4) child(_ string, dirIno uint32, name string) (attr, error) {
	names, err := l.list(dirIno)
	if err != nil {
		return attr{}, err
	}
	ino, ok := names[name]
	if !ok {
		return attr{}, fs.ErrNotExist
	}
	return l.attr(ino)
}

func (l *goExt4) list(dirIno uint32) (map[string]uint32, error) {
	if names, ok := l.dirs[dirIno]; ok {
		return names, nil
	}
	in, err := l.inode(dirIno)
	if err != nil {
		return nil, err
	}
	names := map[string]uint32{}
	for browser := goext4.NewDirectoryBrowser(&stream{budget: l.b}, in); ; {
		e, err := browser.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("inode %d: %w", dirIno, err)
		}
		if e.Data().Inode == 0 { // the place of a name that was removed, or a checksum
			continue
		}
		if _, twice := names[e.Name()]; twice {
			return nil, fmt.Errorf("inode %d: a directory with the same name twice", dirIno)
		}
		names[e.Name()] = e.Data().Inode
	}
	l.dirs[dirIno] = names
	return names, nil
}

func (l *goExt4) content(_ *way, a attr) (io.Reader, error) {
	in, err := l.inode(a.ino)
	if err != nil {
		return nil, err
	}
	return l.reader(in), nil
}
