package testimage

// Images are made once in a test run and copied for each test. The originals
// are files without a name: the system takes them back when the run ends,
// however it ends.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

type original struct {
	once sync.Once
	file *os.File
	size int64
	err  error
}

var (
	originalsMu sync.Mutex
	originals   = map[string]*original{}
)

// cached writes to path what build makes. An empty key is not cached.
func cached(key, path string, build func(path string) error) error {
	if key == "" {
		return build(path)
	}
	originalsMu.Lock()
	o := originals[key]
	if o == nil {
		o = &original{}
		originals[key] = o
	}
	originalsMu.Unlock()
	o.once.Do(func() { o.err = o.make(build) })
	if o.err != nil {
		return o.err
	}
	dst, err := os.Create(path)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := copySparse(dst, 0, io.NewSectionReader(o.file, 0, o.size), o.size); err != nil {
		return err
	}
	return dst.Close()
}

func (o *original) make(build func(path string) error) error {
	dir, err := os.MkdirTemp("", "testimage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "original")
	if err := build(path); err != nil {
		return err
	}
	if o.file, err = os.Open(path); err != nil {
		return err
	}
	info, err := o.file.Stat()
	if err != nil {
		return err
	}
	o.size = info.Size()
	return nil
}

// copySparse copies size bytes to dst at off, leaving holes where there are
// only zeros, and makes dst at least that long.
func copySparse(dst *os.File, off int64, src io.Reader, size int64) error {
	info, err := dst.Stat()
	if err != nil {
		return err
	}
	if info.Size() < off+size {
		if err := dst.Truncate(off + size); err != nil {
			return err
		}
	}
	var chunk, zeros [1 << 16]byte
	var done int64
	for done < size {
		n, err := io.ReadFull(src, chunk[:min(int64(len(chunk)), size-done)])
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("after %d of %d bytes: %w", done, size, err)
		}
		if n == 0 {
			return fmt.Errorf("after %d of %d bytes: %w", done, size, io.ErrUnexpectedEOF)
		}
		if !bytes.Equal(chunk[:n], zeros[:n]) {
			if _, err := dst.WriteAt(chunk[:n], off+done); err != nil {
				return err
			}
		}
		done += int64(n)
	}
	return nil
}
