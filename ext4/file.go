package ext4

// This file reads a file's bytes.

import (
	"io"

	"boringboot/ext4/internal/format"
)

// readAt reads from a file's data as io.ReaderAt does. Holes and unwritten extents are zeros.
func (v *view) readAt(n node, p []byte, off int64) (int, error) {
	size := n.Size()
	if off < 0 || uint64(off) >= size {
		return 0, io.EOF
	}
	atEnd := uint64(len(p)) >= size-uint64(off)
	if atEnd {
		p = p[:size-uint64(off)]
	}
	done := 0
	for done < len(p) {
		k, err := v.readRun(n, p[done:], uint64(off)+uint64(done))
		if err != nil {
			return done, err
		}
		done += k
	}
	if atEnd {
		return done, io.EOF
	}
	return done, nil
}

// readRun reads the part of p that one run of blocks gives.
func (v *view) readRun(n node, p []byte, off uint64) (int, error) {
	bs := uint64(v.blockSize)
	if off/bs > 1<<32-1 {
		return 0, corruptf("inode %d: size %d is beyond what a file can have", n.ino, n.Size())
	}
	if n.flag(format.InodeInlineData) {
		return v.readInline(n, p, off)
	}
	r, err := v.lookup(n, FileBlock(off/bs))
	if err != nil {
		return 0, err
	}
	skip := off % bs
	k := int(min(uint64(r.count)*bs-skip, uint64(len(p))))
	if r.start == 0 {
		clear(p[:k])
		return k, nil
	}
	if skip == 0 {
		return k, v.src.Read(r.start, p[:k])
	}
	// The first block only in part: through a block of our own.
	block := make([]byte, bs)
	if err := v.src.Read(r.start, block); err != nil {
		return 0, err
	}
	return copy(p[:k], block[skip:]), nil
}

// maxWhole is what ReadFile reads at most, in bytes: a hole costs an image nothing, but a reader its memory.
const maxWhole = 1 << 30

func (v *view) readAll(n node) ([]byte, error) {
	if n.Size() > maxWhole {
		return nil, ErrTooLarge
	}
	b := make([]byte, n.Size())
	if len(b) == 0 {
		return b, nil
	}
	if _, err := v.readAt(n, b, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// maxTarget is the longest target that a symlink has: a block, and no more than a path (PATH_MAX with its NUL).
const maxTarget = 4095

// target is what a symlink points to. Up to 59 bytes are in i_block.
func (v *view) target(n node) (string, error) {
	if err := v.checkPlain(n); err != nil {
		return "", err
	}
	size := n.Size()
	if size == 0 || size > maxTarget || size >= uint64(v.blockSize) {
		return "", corruptf("inode %d: a symlink with a target of %d bytes", n.ino, size)
	}
	var b []byte
	if v.fastSymlink(n) {
		b = n.IBlock()[:size]
	} else {
		b = make([]byte, size)
		if _, err := v.readAt(n, b, 0); err != nil && err != io.EOF {
			return "", err
		}
	}
	for _, c := range b {
		if c == 0 {
			return "", corruptf("inode %d: a NUL in the target of a symlink", n.ino)
		}
	}
	return string(b), nil
}

// fastSymlink: it has no blocks but that of its extended attributes; with ea_inode, where these may have more, its size alone tells
// (ext4_inode_is_fast_symlink).
func (v *view) fastSymlink(n node) bool {
	if n.Type() != format.ModeSymlink || n.Size() >= format.IBlockSize || n.flag(format.InodeInlineData) {
		return false
	}
	if v.sb.HasIncompat(format.IncompatEAInode) {
		return true
	}
	own := n.RawBlocks()
	if n.FileACL() != 0 {
		own -= min(own, uint64(v.clusterBlocks)*uint64(v.blockSize/512))
	}
	return own == 0
}
