// Where each block of a file is, for those who meet a block and want to know what it is to the file.

package ext4ro

import (
	"errors"
	"fmt"
	"slices"
)

// Layout is the map of a file by blocks of the disk.
type Layout struct {
	size      uint64 // bytes
	blockSize uint64
	m         *Map // nil: the file has none
}

// Part says what a block is to a file.
type Part int

// What a block can be.
const (
	NotThere  Part = iota // nothing, or kept without being content: not written, or behind the end
	InContent             // content
	InMap                 // part of the map
)

// Layout reads the map of a file.
func (fs *FS) Layout(ino uint32) (*Layout, error) {
	in, err := fs.Inode(ino)
	if err != nil {
		return nil, err
	}
	l := &Layout{size: in.Size, blockSize: uint64(fs.BlockSize)}
	if in.Flags&FlagInlineData != 0 || in.Mode&ModeType == ModeSymlink && in.fast(fs.Superblock) {
		return l, nil
	}
	l.m, err = fs.Map(in)
	return l, err
}

// At says what a block is to the file, and of content how many of its bytes are.
func (l *Layout) At(block uint64) (int, Part) {
	if l.m == nil {
		return 0, NotThere
	}
	for _, r := range l.m.runs {
		if block < r.disk || block >= r.disk+r.blocks {
			continue
		}
		at := (r.file + block - r.disk) * l.blockSize
		if at >= l.size {
			return 0, NotThere
		}
		return int(min(l.size-at, l.blockSize)), InContent
	}
	if slices.Contains(l.m.nodes, block) {
		return 0, InMap
	}
	return 0, NotThere
}

// Pending says whether mounting the file system changes it: there is a log to be replayed, or there are inodes to be removed or cut.
func (fs *FS) Pending() bool {
	return fs.FeatureIncompat&IncompatRecover != 0 || fs.LastOrphan != 0 || fs.FeatureRoCompat&RoCompatOrphanPresent != 0
}

// JournalSuper reads the first 1024 bytes of the journal; nil where the file system has none of its own, or it cannot be found.
func (fs *FS) JournalSuper() ([]byte, error) {
	if fs.FeatureCompat&CompatHasJournal == 0 || fs.JournalInum == 0 {
		return nil, nil
	}
	in, err := fs.Inode(fs.JournalInum)
	if err != nil {
		return nil, err
	}
	m, err := fs.Map(in)
	if errors.Is(err, ErrCorrupt) || err == nil && len(m.runs) == 0 {
		return nil, nil // the audit tells
	}
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 1024)
	if _, err := fs.r.ReadAt(buf, int64(m.runs[0].disk)*fs.BlockSize); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return buf, nil
}
