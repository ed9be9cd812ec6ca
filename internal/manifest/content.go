// This machine's files as content: they may be large and many, so they are read where they lie, and watched meanwhile.
package manifest

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"boringboot/internal/holes"
)

// FileContent is a file's bytes, opened for each read so that any number of files needs no descriptor in between. A read fails once
// the file is another one, or has another size or time of change, than at first: half of one version and half of another
// must not get into an image.
type FileContent struct {
	path string
	info fs.FileInfo // as it was at first
}

// OpenFile looks at a regular file that can be read. A symbolic link is followed.
func OpenFile(path string) (*FileContent, error) {
	// Asked before opening: opening a FIFO waits for somebody who writes.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	c := NewFileContent(path, info)
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := c.open()
	if err != nil {
		return nil, err
	}
	return c, f.Close()
}

// NewFileContent is a regular file as it was when info was taken of it.
func NewFileContent(path string, info fs.FileInfo) *FileContent {
	return &FileContent{path: path, info: info}
}

// Path returns the path that the file is read from.
func (c *FileContent) Path() string { return c.path }

// Size returns the file's size in bytes, as it was at first.
func (c *FileContent) Size() int64 { return c.info.Size() }

// ReadAt is that of io.ReaderAt.
func (c *FileContent) ReadAt(b []byte, off int64) (int, error) {
	f, err := c.open()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.ReadAt(b, off)
	// Whoever wrote during the read may have changed what was read of it.
	if changed := c.check(f.Stat()); changed != nil {
		return 0, changed
	}
	return n, err
}

// NextData gives the first data that ends behind off, from start up to end, in bytes; io.EOF where there is none. What is between is
// holes.
func (c *FileContent) NextData(off int64) (start, end int64, err error) {
	if off >= c.Size() {
		return 0, 0, io.EOF
	}
	if !holes.May(c.info) { // the file is not opened to learn that
		return off, c.Size(), nil
	}
	f, err := c.open()
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	start, end, err = holes.NextData(f, off, c.Size())
	if changed := c.check(f.Stat()); changed != nil {
		return 0, 0, changed
	}
	if err == nil && start >= c.Size() {
		err = io.EOF
	}
	return start, end, err
}

func (c *FileContent) open() (*os.File, error) {
	if err := c.check(os.Stat(c.path)); err != nil {
		return nil, err
	}
	f, err := os.Open(c.path)
	if err != nil {
		return nil, err
	}
	if err := c.check(f.Stat()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (c *FileContent) check(now fs.FileInfo, err error) error {
	if err != nil {
		return err
	}
	if !os.SameFile(now, c.info) || now.Size() != c.info.Size() || !now.ModTime().Equal(c.info.ModTime()) {
		return fmt.Errorf("%s: the file changed while it was being read", c.path)
	}
	return nil
}
