package inject

import (
	"fmt"
	"io/fs"
	"os"
)

// This file reads the provisioning machine's files while they are injected, and notices when they change meanwhile.

// fileContent is a file's bytes, opened for each read so that a tree of any size needs no more than one descriptor.
type fileContent struct {
	path string
	info fs.FileInfo // as it was when the plan was made
}

func newFileContent(path string, info fs.FileInfo) *fileContent {
	return &fileContent{path: path, info: info}
}

// Size returns the file's size in bytes, as it was when the plan was made.
func (c *fileContent) Size() int64 { return c.info.Size() }

func (c *fileContent) ReadAt(b []byte, off int64) (int, error) {
	f, err := os.Open(c.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !os.SameFile(now, c.info) || now.Size() != c.info.Size() || !now.ModTime().Equal(c.info.ModTime()) {
		return 0, fmt.Errorf("%s: the file changed while it was being read", c.path)
	}
	return f.ReadAt(b, off)
}
