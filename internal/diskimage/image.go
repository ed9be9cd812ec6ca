// This file opens images to read, unpacking them where need be.

package diskimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"boringboot/internal/atomicfile"
)

// Image is an open image.
type Image struct {
	path     string // as the caller named it
	file     *os.File
	spool    *spool // of a compressed image: where its bytes are
	format   Format
	size     int64
	writable bool
	device   bool // the file is a block device
	closed   bool
}

// Open opens the image at path to read. A compressed image is unpacked to a spool in os.TempDir(), which has no name and is
// encrypted under a key that only memory holds. While it is open no other run changes it.
func Open(ctx context.Context, path string, p Progress) (*Image, error) {
	f, err := openSource(path)
	if err != nil {
		return nil, err
	}
	i, err := openImage(ctx, f, path, orSilent(p))
	if err != nil {
		f.Close()
		return nil, err
	}
	return i, nil
}

func openImage(ctx context.Context, f *os.File, path string, p Progress) (*Image, error) {
	size, err := sizeOf(f)
	if err != nil {
		return nil, err
	}
	format, err := Detect(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	i := &Image{path: path, file: f, format: format, size: size}
	if format == Raw {
		return i, nil
	}
	if i.spool, err = newSpool(); err != nil {
		return nil, fmt.Errorf("%s: make a temporary file to unpack to: %w", path, err)
	}
	p.Start("unpacking "+filepath.Base(path), size)
	defer p.Done()
	before, err := f.Stat()
	if err == nil {
		i.size, err = unpack(ctx, i.spool, f, format, path, p)
	}
	if err == nil {
		err = unchanged(f, before)
	}
	if err == nil {
		err = i.spool.setSize(i.size)
	}
	if err != nil {
		i.spool.Close()
		var spoolErr *spoolError
		if errors.As(err, &spoolErr) {
			err = fmt.Errorf("%s: unpack to the temporary directory %s: %w", path, os.TempDir(), err)
		}
		return nil, err
	}
	return i, nil
}

// Size is the raw image's length in bytes.
func (i *Image) Size() int64 { return i.size }

// Format is how the file is stored.
func (i *Image) Format() Format { return i.format }

// ReadAt reads the raw image.
func (i *Image) ReadAt(b []byte, off int64) (int, error) { return i.Section(0, i.size).ReadAt(b, off) }

// Section is the part of the raw image from byte off, n bytes long. It can be written where the image was opened in place.
func (i *Image) Section(off, n int64) *Section {
	var m medium = i.file
	if i.spool != nil {
		m = i.spool
	}
	return newSection(m, i.size, off, n, i.writable)
}

// Close closes the image, removes its spool and gives up its lock. It does not sync. A second call does nothing.
func (i *Image) Close() error {
	if i.closed {
		return nil
	}
	i.closed = true
	var spoolErr error
	if i.spool != nil {
		spoolErr = i.spool.Close()
	}
	return errors.Join(i.file.Close(), spoolErr)
}

// openSource opens an image to read, and keeps other runs from changing it meanwhile.
func openSource(path string) (*os.File, error) {
	info, err := os.Stat(path) // before it is opened: opening a named pipe would wait
	if err != nil {
		return nil, err
	}
	if err := checkKind(path, info, "read"); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		if err := atomicfile.Lock(f, false); err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return f, nil
}

// checkKind refuses what holds no image: all but regular files and block devices.
func checkKind(path string, info fs.FileInfo, verb string) error {
	m := info.Mode()
	if m.IsRegular() || m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 {
		return nil
	}
	return fmt.Errorf("%s is %s: it cannot be %s as an image", path, atomicfile.KindName(m), verb)
}

// sizeOf is the length of a file or a block device, in bytes.
func sizeOf(f *os.File) (int64, error) {
	n, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return n, err
}

// unchanged fails where f was changed since before was taken: what was read of it may be half of this and half of that.
func unchanged(f *os.File, before fs.FileInfo) error {
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return fmt.Errorf("%s was changed while it was read", f.Name())
	}
	return nil
}
