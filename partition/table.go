// Package partition finds the file systems of a disk image: it reads MBR and GPT partition tables, or recognises that there
// is none, says what each partition holds, and picks the partition that is the root of a NixOS system.
//
// It only reads. Every number that it takes from the image is checked against the image's size before it is used, chains are
// bounded, and nothing is allocated by a size that the image states alone.
//
// The decoders are our own. go-diskfs' readers were tried and are peers in the tests, but they do not read logical
// partitions, do not compare a table with the image's size, take a GPT's stated array size on trust (a stated entry size of
// zero never ends), and look for a backup header only at the very end of the file.
package partition

import (
	"errors"
	"fmt"
	"io"
)

// Scheme is the kind of partition table.
type Scheme string

// The schemes that Read tells apart.
const (
	MBR  Scheme = "mbr"
	GPT  Scheme = "gpt"
	None Scheme = "none" // a bare file system, from the image's first byte to its last
)

// Partition is one partition of a table.
type Partition struct {
	Number     int   // as the kernel counts them: 1 to 4 primary, from 5 logical; 0: the image is a bare file system
	Start      int64 // bytes from the image's first
	Size       int64 // bytes
	Type       string
	UUID       string // what the kernel calls PARTUUID; "" without a table
	Name       string // of a GPT entry
	Bootable   bool   // MBR: active; GPT: legacy BIOS bootable
	FileSystem FileSystem

	extended bool // the container of logical partitions, not a place for a file system
}

// End is the first byte after the partition.
func (p Partition) End() int64 { return p.Start + p.Size }

// FileSystem is what the first bytes of a partition say it holds.
type FileSystem struct {
	Type  string // "ext4", "ext3", "ext2", "vfat", …; "" where nothing known was found
	Label string
	UUID  string
}

// Table is what Read found.
type Table struct {
	Scheme     Scheme
	SectorSize int64  // bytes: 512, or 4096 for a GPT of a disk with such sectors
	DiskID     string // MBR: "0x1234abcd"; GPT: the disk's GUID
	Partitions []Partition
	Faults     []Fault  // what is wrong or odd and does not stand in the way of reading
	Warnings   []string // the texts of Faults

	cut error // the image ends before its GPT does; nil: it does not
}

// Kinds of error, for errors.Is. The error's text says what was found.
var (
	ErrNoTable   = errors.New("no partition table and no file system")
	ErrDamaged   = errors.New("the partition table is damaged")
	ErrTruncated = errors.New("the image is truncated")
	ErrNoRoot    = errors.New("no root file system")
	ErrAmbiguous = errors.New("more than one root file system")
)

// kindError is an error whose text is complete and that errors.Is knows as its kind.
type kindError struct {
	kind error
	text string
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.kind }

// Hint says what the user can do about it, if anything.
func (e *kindError) Hint() string {
	if e.kind == ErrAmbiguous {
		return "choose one with --partition N or --label L"
	}
	return ""
}

func failf(kind error, format string, args ...any) error {
	return &kindError{kind, fmt.Sprintf(format, args...)}
}

// sectorMBR is the unit of an MBR's numbers. Tables of disks with other sectors are written as GPT.
const sectorMBR = 512

// Read reads the partition table of an image of size bytes and probes what each partition holds.
func Read(r io.ReaderAt, size int64) (*Table, error) {
	switch {
	case size < 0:
		return nil, failf(ErrTruncated, "the image's size is negative (%d bytes)", size)
	case size == 0:
		return nil, failf(ErrNoTable, "the image is empty (0 bytes)")
	case size < sectorMBR:
		return nil, failf(ErrNoTable, "the image has only %d bytes, less than one sector", size)
	}
	d := disk{r, size}
	first := make([]byte, sectorMBR)
	if err := d.read(first, 0); err != nil {
		return nil, fmt.Errorf("sector 0: %w", err)
	}
	sector := mbrSector(first)

	t, err := readTable(d, sector)
	if err != nil {
		return nil, err
	}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if p.extended {
			continue
		}
		if err := t.probePartition(d, p); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// readTable decides which scheme an image has. The order is the kernel's: a GPT counts where the MBR holds a protective
// entry, otherwise the MBR's own entries count. A bare file system comes last, because cards that were once formatted
// without a table keep their old superblock between the MBR and the first partition.
func readTable(d disk, sector mbrSector) (*Table, error) {
	var t *Table
	var err error
	switch {
	case sector.signed() && sector.protective() && sector.plausible():
		t, err = readGPT(d, sector)
	case sector.signed() && sector.plausible() && sector.used() > 0 && !isFATBootSector(sector):
		t, err = readMBR(d, sector)
	default:
		return readBare(d, sector)
	}
	if err != nil {
		return nil, err
	}
	if fs, err := probe(d.section(0, d.size)); err != nil {
		return nil, err
	} else if isExt(fs.Type) && !t.covers(0) {
		t.faultf(FaultFileSystemOutside, "an %s superblock lies before the first partition: a remainder, the partition table counts", fs.Type)
	}
	if err := t.checkBounds(d.size); err != nil {
		return nil, err
	}
	t.compare()
	return t, nil
}

// readBare reads an image without a partition table.
func readBare(d disk, sector mbrSector) (*Table, error) {
	fs, err := probe(d.section(0, d.size))
	if err != nil {
		return nil, err
	}
	if fs.Type == "" {
		switch {
		case fs.note == "" && sector.signed() && sector.plausible() && sector.used() == 0:
			if gptSignatureAt(d, 512) || gptSignatureAt(d, 4096) {
				return nil, failf(ErrNoTable, "the image has a GPT, but its MBR has no protective entry, so no system would use it")
			}
			return &Table{Scheme: MBR, SectorSize: sectorMBR, DiskID: sector.diskID()}, nil
		case fs.note == "" && sector.signed():
			return nil, failf(ErrNoTable, "the image's first sector ends like an MBR but holds no valid partition entries, and no file system starts there")
		case gptSignatureAt(d, 512) || gptSignatureAt(d, 4096):
			return nil, failf(ErrNoTable, "the image has a GPT but no protective MBR, so no system would use it")
		}
		if fs.note != "" {
			return nil, failf(ErrNoTable, "the image has no partition table, and the file system that starts there is damaged: %s", fs.note)
		}
		return nil, failf(ErrNoTable, "no partition table and no known file system at the image's start (%d bytes)", d.size)
	}
	t := &Table{Scheme: None, SectorSize: sectorMBR, Partitions: []Partition{{Size: d.size}}}
	if need := fs.size; need > d.size {
		return nil, failf(ErrTruncated, "the image is truncated: its %s file system has %d bytes, the image only %d", fs.Type, need, d.size)
	}
	return t, nil
}

// covers reports whether a partition other than an extended one holds byte off.
func (t *Table) covers(off int64) bool {
	for _, p := range t.Partitions {
		if !p.extended && p.Start <= off && off < p.End() {
			return true
		}
	}
	return false
}

// probePartition finds out what p holds, and warns where it cannot be what it says.
func (t *Table) probePartition(d disk, p *Partition) error {
	fs, err := probe(d.section(p.Start, p.Size))
	if err != nil {
		return fmt.Errorf("partition %d: %w", p.Number, err)
	}
	p.FileSystem = fs.FileSystem
	if fs.size > p.Size {
		t.faultf(FaultFileSystemCut, "partition %d has %d bytes, its %s file system %d", p.Number, p.Size, fs.Type, fs.size)
	}
	if fs.note != "" {
		t.faultf(FaultFileSystemLost, "partition %d: %s", p.Number, fs.note)
	}
	return nil
}
