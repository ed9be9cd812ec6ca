// What a regular file holds, wherever it is kept: in blocks, with holes and unwritten extents as the zeros that they are, or in the
// inode itself.

package ext4ro

import (
	"bytes"
	"fmt"
	"io"
)

// Content judges an inode and returns what it holds, from its first byte to its last; the reader ends with io.EOF.
func (a *Audit) Content(in *Inode) (io.Reader, error) {
	switch {
	case in.Flags&FlagEncrypt != 0:
		return nil, fmt.Errorf("inode %d: it is encrypted", in.Ino)
	case in.Flags&FlagInlineData != 0:
		data, err := a.fs.inlineData(in)
		return bytes.NewReader(data), err
	}
	m := a.mapOf(in.Ino)
	if m == nil {
		return nil, fmt.Errorf("inode %d: %w: its blocks could not be read", in.Ino, ErrCorrupt)
	}
	return &blockReader{fs: a.fs, in: in, runs: m.runs}, nil
}

// blockReader reads a file from its runs, which are in its order, and zeros between them.
type blockReader struct {
	fs   *FS
	in   *Inode
	runs []run
	off  uint64
}

func (r *blockReader) Read(p []byte) (int, error) {
	if r.off >= r.in.Size {
		return 0, io.EOF
	}
	p = p[:min(uint64(len(p)), r.in.Size-r.off)]
	size := uint64(r.fs.BlockSize)
	for len(r.runs) > 0 && r.off >= (r.runs[0].file+r.runs[0].blocks)*size {
		r.runs = r.runs[1:]
	}
	if len(r.runs) == 0 || r.off < r.runs[0].file*size {
		if len(r.runs) > 0 {
			p = p[:min(uint64(len(p)), r.runs[0].file*size-r.off)]
		}
		clear(p)
		r.off += uint64(len(p))
		return len(p), nil
	}
	in := r.off - r.runs[0].file*size
	p = p[:min(uint64(len(p)), r.runs[0].blocks*size-in)]
	n, err := r.fs.r.ReadAt(p, int64(r.runs[0].disk*size+in))
	r.off += uint64(n)
	if err != nil {
		return n, fmt.Errorf("inode %d: block %d: %w", r.in.Ino, r.runs[0].disk+in/size, err)
	}
	return n, nil
}
