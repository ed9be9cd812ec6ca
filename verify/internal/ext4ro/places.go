// Where files lie, and what they are called: for those who want to say where something was found.

package ext4ro

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

// Names gives the path of each inode that a name leads to, one of them where it has several; at most limit. What cannot be read is left
// out.
func (fs *FS) Names(limit int) map[uint32]string {
	names := map[uint32]string{RootIno: "/"}
	a := NewAudit(fs)
	if a.Whole() != nil {
		return names
	}
	for queue := []uint32{RootIno}; len(queue) > 0 && len(names) < limit; {
		dir := queue[0]
		queue = queue[1:]
		d, err := a.Directory(dir)
		if err != nil {
			continue
		}
		prefix := names[dir]
		if dir != RootIno {
			prefix += "/"
		}
		for name, e := range d.names {
			if name == "." || name == ".." || names[e.ino] != "" || len(names) >= limit {
				continue
			}
			names[e.ino] = prefix + name
			if in, err := fs.Inode(e.ino); err == nil && in.Mode&ModeType == ModeDir {
				queue = append(queue, e.ino)
			}
		}
		a.dirs, a.inodes = map[uint32]*Directory{}, map[uint32]*audited{} // once is enough
		a.found = nil
	}
	return names
}
