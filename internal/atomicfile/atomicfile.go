// Package atomicfile makes files that come into being whole or not at all: under a temporary name beside their destination, locked,
// synced, renamed into place. A run that is killed leaves at most its temporary file, which nobody has locked any more; the next run
// for the same destination removes it.
//
// File is for small files. Temp, Dest and the others are the pieces, for those that make images.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// ErrInUse: another run has the file locked.
var ErrInUse = errors.New("in use by another boringboot")

// File is a file in the making: an io.Writer that must be committed or aborted.
type File struct {
	dest   string // as the caller named it, for texts
	target string // where the file goes
	force  bool
	temp   *Temp
}

// Create begins a file that will be dest. The directory must be there; a dest that exists is an error (fs.ErrExist) without force,
// and with force stays as it is until Commit. Dest says what becomes of symbolic links and special files. Until Commit the file
// has the mode 0600.
func Create(dest string, force bool) (*File, error) {
	target, err := Dest(dest, force)
	if err != nil {
		return nil, err
	}
	if err := RemoveStale(target); err != nil {
		return nil, fmt.Errorf("%s: remove what an earlier run left: %w", dest, err)
	}
	t, err := NewTemp(target)
	if err != nil {
		return nil, notWritable(dest, target, err)
	}
	return &File{dest: dest, target: target, force: force, temp: t}, nil
}

// Check fails where Create would, and makes nothing.
func Check(dest string, force bool) error {
	target, err := Dest(dest, force)
	if err != nil {
		return err
	}
	if err := writable(filepath.Dir(target)); err != nil {
		return notWritable(dest, target, err)
	}
	return nil
}

// notWritable is the error of a directory that no file can be made in.
func notWritable(dest, target string, err error) error {
	return fmt.Errorf("%s: cannot write to the directory %s: %w", dest, filepath.Dir(target), Pathless(err))
}

// Write appends to the file.
func (f *File) Write(b []byte) (int, error) {
	if f.temp.File == nil {
		return 0, &fs.PathError{Op: "write", Path: f.dest, Err: fs.ErrClosed}
	}
	n, err := f.temp.File.Write(b)
	return n, f.explain(err)
}

// Commit gives the file its mode (permission bits, whatever the umask is) and its name, and waits until both are on the disk. After an
// error the destination is as it was and the file is gone, unless the error says that it is made.
func (f *File) Commit(mode fs.FileMode) error {
	if f.temp.File == nil {
		return &fs.PathError{Op: "commit", Path: f.dest, Err: fs.ErrClosed}
	}
	err := f.temp.File.Chmod(mode)
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil // FAT and the like: there are no modes
	}
	if err == nil {
		err = f.temp.File.Sync()
	}
	if err != nil {
		return errors.Join(f.explain(err), f.Abort())
	}
	if err := f.temp.Rename(f.target, f.force); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = exists(f.dest)
		} else {
			err = fmt.Errorf("%s: %w", f.dest, Pathless(err))
		}
		return errors.Join(err, f.Abort())
	}
	if err := SyncDir(filepath.Dir(f.target)); err != nil {
		return fmt.Errorf("%s is made, but its directory could not be synced: %w", f.dest, Pathless(err))
	}
	return nil
}

// Abort removes the file. After Commit, or a second time, it does nothing.
func (f *File) Abort() error {
	if err := f.temp.Remove(); err != nil {
		return fmt.Errorf("remove the temporary file: %w", err)
	}
	return nil
}

// explain puts the destination's name in place of the temporary file's.
func (f *File) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case DiskFull(err):
		return fmt.Errorf("%s: the disk is full: %w", f.dest, Pathless(err))
	}
	return fmt.Errorf("%s: %w", f.dest, Pathless(err))
}

// Write makes the file dest, or replaces it, whole or not at all.
func Write(dest string, content []byte, mode fs.FileMode) error {
	return write(dest, content, mode, true)
}

// WriteNew is Write for a file that must not exist yet (fs.ErrExist).
func WriteNew(dest string, content []byte, mode fs.FileMode) error {
	return write(dest, content, mode, false)
}

func write(dest string, content []byte, mode fs.FileMode, force bool) error {
	f, err := Create(dest, force)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit(mode)
}
