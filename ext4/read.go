package ext4

// This file is the read view: the methods that make *FS an fs.FS, and the same for a transaction.

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"boringboot/ext4/internal/format"
)

func (v *view) statPath(op, name string, follow bool) (fs.FileInfo, error) {
	loc, err := v.existing(op, name, follow)
	if err != nil {
		return nil, err
	}
	if follow && name != "." { // a FileInfo's name is that of the path, not of what a symlink leads to
		loc.name = path.Base(name)
	}
	return v.info(loc), nil
}

func (v *view) readLink(name string) (string, error) {
	loc, err := v.existing("readlink", name, false)
	if err != nil {
		return "", err
	}
	if loc.node.Type() != format.ModeSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	target, err := v.target(loc.node)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return target, nil
}

func (v *view) readDir(name string) ([]fs.DirEntry, error) {
	loc, err := v.existing("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if loc.node.Type() != format.ModeDir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: ErrNotDir}
	}
	list, err := v.dirEntries(loc.node)
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return list, err
}

// dirEntries lists a directory, sorted by name. Besides an error there are the entries before it.
func (v *view) dirEntries(n node) ([]fs.DirEntry, error) {
	var list []fs.DirEntry
	err := v.entries(n, func(name string, d format.Dirent) error {
		child, err := v.named(d.Ino)
		if err != nil {
			return err
		}
		list = append(list, fs.FileInfoToDirEntry(fileInfo{name, v.stat(child)}))
		return nil
	})
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

func (v *view) readFile(name string) ([]byte, error) {
	loc, err := v.existing("open", name, true)
	if err != nil {
		return nil, err
	}
	if err := v.checkReadable(loc.node); err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	b, err := v.readAll(loc.node)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b, nil
}

// checkReadable: only regular files have bytes to read.
func (v *view) checkReadable(n node) error {
	switch n.Type() {
	case format.ModeRegular:
		return v.checkPlain(n)
	case format.ModeDir:
		return ErrIsDir
	}
	return unsupportedf("inode %d: neither a regular file nor a directory", n.ino)
}

func (v *view) open(name string) (fs.File, error) {
	loc, err := v.existing("open", name, true)
	if err != nil {
		return nil, err
	}
	info := v.info(loc).(fileInfo)
	if name != "." {
		info.name = path.Base(name)
	}
	if loc.node.Type() == format.ModeDir {
		list, err := v.dirEntries(loc.node)
		if err != nil {
			err = &fs.PathError{Op: "readdir", Path: name, Err: err}
		}
		return &openDir{path: name, info: info, list: list, err: err}, nil
	}
	// The inode's bytes are kept as they are now.
	return &openFile{v: v, node: node{loc.node.ino, slices.Clone(loc.node.Inode)}, path: name, info: info}, nil
}

// openFile is a regular file, or something that has no bytes to read.
type openFile struct {
	v    *view
	node node
	path string
	info fileInfo
	off  int64
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

func (f *openFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt is io.ReaderAt's.
func (f *openFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: fs.ErrInvalid}
	}
	if err := f.v.checkReadable(f.node); err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	n, err := f.v.readAt(f.node, p, off)
	if err != nil && err != io.EOF {
		err = &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return n, err
}

// Seek is io.Seeker's.
func (f *openFile) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		off += f.off
	case io.SeekEnd:
		off += f.info.Size()
	default:
		off = -1
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.path, Err: fs.ErrInvalid}
	}
	f.off = off
	return off, nil
}

// openDir is a directory's list of entries, read when it was opened.
type openDir struct {
	path string
	info fileInfo
	list []fs.DirEntry
	err  error // where the list broke off
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: ErrIsDir}
}

// ReadDir is fs.ReadDirFile's.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		out := d.list
		d.list = nil
		return out, d.err
	}
	if len(d.list) == 0 {
		if d.err != nil {
			return nil, d.err
		}
		return nil, io.EOF
	}
	n = min(n, len(d.list))
	out := d.list[:n:n]
	d.list = d.list[n:]
	return out, nil
}
