package audit

// This file opens the files that the file system itself lives by: journal, orphan file, quota.

import (
	"errors"
	"slices"
	"sync"
)

// systemState is what the checks of the file system's own files share.
type systemState struct {
	quotaMu sync.Mutex
	quota   quotaTotals // quota.go
}

// Errors of an inode that the file system needs. What is behind the second is a finding of pass 1.
var (
	errNoSuchInode  = errors.New("there is no such inode")
	errBadSystemIno = errors.New("the inode's checksum is wrong")
)

// systemInode reads an inode as e2fsck reads one by its number: a wrong checksum is an error.
func (c *checker) systemInode(ino uint32) (*inode, error) {
	if !c.sb.validInode(ino) {
		return nil, errNoSuchInode
	}
	in := new(inode)
	if err := c.readInode(ino, in, make([]byte, c.sb.inodeSize)); err != nil {
		c.fail(err)
		return nil, err
	}
	if !c.sb.checksumOK(in) {
		return nil, errBadSystemIno
	}
	return in, nil
}

// walkSystem hands out the runs of a system file.
func (c *checker) walkSystem(in *inode, visit func(run) error) error {
	m := mapWalker{sb: c.sb, read: c.readMap}
	return m.walk(in, visit)
}

// systemFile reads a file by offset.
type systemFile struct {
	c    *checker
	size uint64 // bytes
	runs []run
}

// openSystem reads the map of a file, but for what lies beyond limit bytes. A map that is damaged ends where the damage is.
func (c *checker) openSystem(in *inode, limit uint64) *systemFile {
	f := &systemFile{c: c, size: in.Size}
	last := limit / uint64(c.sb.blockSize)
	_ = c.walkSystem(in, func(r run) error {
		if r.logical > last {
			return errMap
		}
		f.runs = append(f.runs, r)
		return nil
	})
	return f
}

// readAt fills p, which lies in one block of the file, and returns how much of it is before the file's end. Holes and what was never
// written are zeros.
func (f *systemFile) readAt(off uint64, p []byte) int {
	if off >= f.size {
		return 0
	}
	p = p[:min(uint64(len(p)), f.size-off)]
	size := uint64(f.c.sb.blockSize)
	block := off / size
	i, ok := slices.BinarySearchFunc(f.runs, block, func(r run, b uint64) int {
		switch {
		case r.logical > b:
			return 1
		case r.logical+r.length <= b:
			return -1
		}
		return 0
	})
	if !ok || f.runs[i].unwritten {
		clear(p)
		return len(p)
	}
	r := f.runs[i]
	at := (r.physical+block-r.logical)*size + off%size
	if n, err := f.c.disk.ReadAt(p, int64(at)); n < len(p) {
		f.c.fail(err)
		return 0
	}
	return len(p)
}
