// Where files lie, and what they are called: for those who want to say where something was found.

package ext4ro

import (
	"maps"
	"slices"
)

// Places gives where the content of a file lies, as pairs of a byte of the file system and a length in bytes; of the last block only as
// much as belongs to the content. Data inside an inode are that inode.
func (fs *FS) Places(ino uint32) ([][2]int64, error) {
	in, err := fs.Inode(ino)
	if err != nil {
		return nil, err
	}
	if in.Flags&FlagInlineData != 0 {
		table, err := fs.inodeTable((ino - 1) / fs.InodesPerGroup)
		if err != nil {
			return nil, err
		}
		at := int64(table)*fs.BlockSize + int64((ino-1)%fs.InodesPerGroup)*int64(fs.InodeSize)
		return [][2]int64{{at, int64(fs.InodeSize)}}, nil
	}
	m, err := fs.Map(in)
	if err != nil {
		return nil, err
	}
	var places [][2]int64
	for _, r := range m.runs {
		first := r.file * uint64(fs.BlockSize)
		if first >= in.Size {
			break
		}
		n := min(r.blocks*uint64(fs.BlockSize), in.Size-first)
		places = append(places, [2]int64{int64(r.disk) * fs.BlockSize, int64(n)})
	}
	return places, nil
}

// maxPath is the longest path that the kernel takes (PATH_MAX).
const maxPath = 4096

// Names gives the path of each inode that a name leads to, one of them where it has several; at most limit. What cannot be read is left
// out.
func (fs *FS) Names(limit int) map[uint32]string {
	names := map[uint32]string{RootIno: "/"}
	fs.EachName(limit, func(ino uint32, path string) bool {
		if names[ino] == "" {
			names[ino] = path
		}
		return true
	})
	return names
}

// EachName gives see each name that leads to an inode, as a path, one directory after the other, until see returns false; at most limit.
// What cannot be read is left out.
func (fs *FS) EachName(limit int, see func(ino uint32, path string) bool) {
	a := NewAudit(fs)
	if a.Whole() != nil {
		return
	}
	paths := map[uint32]string{RootIno: ""} // of directories
	for queue := []uint32{RootIno}; len(queue) > 0; {
		dir := queue[0]
		queue = queue[1:]
		d, err := a.Directory(dir)
		if err != nil || len(paths[dir]) >= maxPath {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(d.names)) {
			if name == "." || name == ".." {
				continue
			}
			ino, path := d.names[name].ino, paths[dir]+"/"+name
			if limit--; limit < 0 || !see(ino, path) {
				return
			}
			if _, known := paths[ino]; known {
				continue
			}
			if in, err := fs.Inode(ino); err == nil && in.Mode&ModeType == ModeDir {
				paths[ino] = path
				queue = append(queue, ino)
			}
		}
		a.dirs, a.inodes = map[uint32]*Directory{}, map[uint32]*audited{} // once is enough
		a.found = nil
	}
}
