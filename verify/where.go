// Where something is on a disk, in words: a partition, a gap, free space, a file.

package verify

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"boringboot/verify/internal/audit"
	"boringboot/verify/internal/ext4ro"
)

// Disk is an image with its partitions.
type Disk struct {
	Reader io.ReaderAt
	Size   int64 // bytes
	Parts  []Part
	Root   int // index of the root's partition in Parts
}

// Part is a partition, or the whole of an image without a table.
type Part struct {
	Number      int // 0 without a table
	Start, Size int64
	Type        string // of its file system, "" if unknown
}

// root is the root file system, with offset 0 at its beginning.
func (d *Disk) root() (io.ReaderAt, int64) {
	p := d.Parts[d.Root]
	return io.NewSectionReader(d.Reader, p.Start, p.Size), p.Size
}

// span is a run of bytes of the disk.
type span struct{ first, end int64 }

func (s span) holds(o span) bool { return s.first <= o.first && o.end <= s.end }

// placesOf finds where the content of each wanted file lies on the disk: its bytes, not the rest of its last block. What lies inside an
// inode is that inode. A path that leads nowhere has no place.
func (d *Disk) placesOf(ctx context.Context, paths []string) (map[string][]span, map[string]uint32, error) {
	disk, size := d.root()
	r, err := openOwnReader(newBudget(ctx, disk, size))
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	places, inodes := map[string][]span{}, map[string]uint32{}
	base := d.Parts[d.Root].Start
	for _, path := range paths {
		w, err := r.walk(path)
		if err != nil || w.last.kind == kindSymlink {
			continue
		}
		inodes[path] = w.last.ino
		runs, err := r.ro.Places(w.last.ino)
		if err != nil {
			continue
		}
		for _, run := range runs {
			places[path] = append(places[path], span{base + run[0], base + run[0] + run[1]})
		}
	}
	return places, inodes, ctx.Err()
}

// Places finds where the files of the report lie on the disk, for a page to draw: runs of a first byte and a length in bytes.
func (d *Disk) Places(ctx context.Context, r *Report) (map[string][][2]int64, error) {
	var paths []string
	for _, f := range r.Files {
		paths = append(paths, f.Path)
	}
	spans, _, err := d.placesOf(ctx, paths)
	if err != nil {
		return nil, err
	}
	places := map[string][][2]int64{}
	for path, list := range spans {
		for _, s := range list {
			places[path] = append(places[path], [2]int64{s.first, s.end - s.first})
		}
	}
	return places, nil
}

// locator says in words where a byte is.
type locator struct {
	d         *Disk
	structure *Structure // nil: the root could not be audited
	names     map[uint32]string
}

// at names the place of a byte of the disk.
func (l *locator) at(at int64) string {
	for i, p := range l.d.Parts {
		if at < p.Start || at >= p.Start+p.Size {
			continue
		}
		if i == l.d.Root && l.structure != nil {
			return l.inRoot(at - p.Start)
		}
		kind := p.Type
		if kind == "" {
			kind = "unknown file system"
		}
		return fmt.Sprintf("in partition %d (%s), byte %d of it", p.Number, kind, at-p.Start)
	}
	return fmt.Sprintf("outside all partitions, byte %d of the disk", at)
}

// owner returns who has a block of the root file system.
func (s *Structure) owner(block uint64) (audit.Owner, bool) {
	i, found := slices.BinarySearchFunc(s.owners, block, func(o audit.Owner, b uint64) int {
		switch {
		case o.Block+o.Count <= b:
			return -1
		case o.Block > b:
			return 1
		}
		return 0
	})
	if !found {
		return audit.Owner{}, false
	}
	return s.owners[i], true
}

// isBoot says whether a block is the one before the superblock's, which belongs to no group: nobody allocates it.
func (s *Structure) isBoot(block uint64) bool { return block == 0 && s.BlockSize == 1024 }

func (l *locator) inRoot(at int64) string {
	s := l.structure
	block := uint64(at) / uint64(s.BlockSize)
	if block >= s.Blocks {
		return fmt.Sprintf("in the root's partition behind its file system, byte %d of it", at)
	}
	o, ok := s.owner(block)
	if !ok {
		if s.isBoot(block) {
			return "in block 0, that of the boot sector"
		}
		if s.Groups == nil {
			return fmt.Sprintf("in block %d", block)
		}
		return fmt.Sprintf("in free block %d", block)
	}
	switch o.Use {
	case audit.UseJournal:
		return fmt.Sprintf("in the journal, block %d", block)
	case audit.UseSuperblock:
		return fmt.Sprintf("in block %d, of the superblocks and descriptors of group %d", block, o.Number)
	case audit.UseBlockBitmap, audit.UseInodeBitmap:
		return fmt.Sprintf("in block %d, a bitmap of group %d", block, o.Number)
	case audit.UseInodeTable:
		return fmt.Sprintf("in block %d, of the inode table of group %d", block, o.Number)
	case audit.UseMMP:
		return fmt.Sprintf("in block %d, of the multiple mount protection", block)
	case audit.UseDirectory:
		return fmt.Sprintf("in block %d, of the directory with inode %d%s", block, o.Number, l.name(o.Number))
	}
	return fmt.Sprintf("in block %d, of the file with inode %d%s", block, o.Number, l.name(o.Number))
}

// name gives the path of an inode, as far as it is known: " (/etc/passwd)".
func (l *locator) name(ino uint32) string {
	if l.names == nil {
		l.names = map[uint32]string{}
		disk, size := l.d.root()
		if ro, err := ext4ro.Open(disk, size); err == nil {
			l.names = ro.Names(maxNamed)
		}
	}
	if n := l.names[ino]; n != "" {
		return " (" + strings.ToValidUTF8(printable(n), "\uFFFD") + ")"
	}
	return ""
}

// maxNamed bounds how many names are gone through to find that of an inode.
const maxNamed = 1 << 20
