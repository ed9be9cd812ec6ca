// This file decodes the DOS partition table (MBR) and the chain of its logical partitions.

package partition

import (
	"encoding/binary"
	"fmt"
)

// mbrSector is sector 0, or an extended boot record, which has the same form: 446 bytes of code (in sector 0 with the disk's
// signature at 440), four entries of 16 bytes, and the bytes 55 AA.
type mbrSector []byte

const (
	mbrDiskSignature = 440 // __le32
	mbrEntries       = 446
	mbrEntrySize     = 16
	mbrSignature     = 510 // __le16 0xAA55

	typeProtective = 0xee

	// The kernel's limit for a disk (DISK_MAX_PARTS, include/linux/genhd.h). It bounds the chain of logical partitions.
	maxPartitions = 256
)

func (s mbrSector) signed() bool { return s[mbrSignature] == 0x55 && s[mbrSignature+1] == 0xaa }

func (s mbrSector) diskID() string {
	return fmt.Sprintf("0x%08x", binary.LittleEndian.Uint32(s[mbrDiskSignature:]))
}

func (s mbrSector) entry(i int) mbrEntry {
	return mbrEntry(s[mbrEntries+i*mbrEntrySize:][:mbrEntrySize])
}

// plausible is the kernel's test whether this is a table at all: the boot indicator is 0x00 or 0x80 in all four entries.
func (s mbrSector) plausible() bool {
	for i := range 4 {
		if b := s.entry(i).bootIndicator(); b != 0 && b != 0x80 {
			return false
		}
	}
	return true
}

// used counts the entries that are in use.
func (s mbrSector) used() (n int) {
	for i := range 4 {
		if s.entry(i).used() {
			n++
		}
	}
	return n
}

// protective reports whether an entry protects a GPT.
func (s mbrSector) protective() bool {
	for i := range 4 {
		if s.entry(i).kind() == typeProtective {
			return true
		}
	}
	return false
}

// protects reports whether an entry protects a GPT from its header on, as the kernel asks (is_pmbr_valid, block/partitions/efi.c).
func (s mbrSector) protects() bool {
	for i := range 4 {
		if e := s.entry(i); e.kind() == typeProtective && e.start() == 1 {
			return true
		}
	}
	return false
}

// mbrEntry is one entry. The CHS addresses (1 to 3 and 5 to 7) are not used by anything that reads these disks.
type mbrEntry []byte

func (e mbrEntry) bootIndicator() byte { return e[0] }
func (e mbrEntry) kind() byte          { return e[4] }
func (e mbrEntry) start() int64        { return int64(binary.LittleEndian.Uint32(e[8:])) }  // sectors
func (e mbrEntry) sectors() int64      { return int64(binary.LittleEndian.Uint32(e[12:])) } // sectors
func (e mbrEntry) used() bool          { return e.kind() != 0 && e.sectors() != 0 }

// extended reports whether the entry holds logical partitions: DOS, Windows 95 LBA, or Linux extended.
func (e mbrEntry) extended() bool { return e.kind() == 0x05 || e.kind() == 0x0f || e.kind() == 0x85 }

func readMBR(d disk, sector mbrSector) (*Table, error) {
	t := &Table{Scheme: MBR, SectorSize: sectorMBR, DiskID: sector.diskID()}
	if gptSignatureAt(d, 512) || gptSignatureAt(d, 4096) {
		t.faultf(FaultGPTUnprotected, "a GPT lies behind the MBR, but the MBR has no protective entry for it: the MBR counts")
	}
	for i := range 4 {
		e := sector.entry(i)
		if e.used() {
			t.addMBR(i+1, 0, e)
		}
	}
	primaries := t.Partitions
	next := 5
	for _, p := range primaries {
		if !p.extended {
			continue
		}
		// An extended partition beyond the end is named as such rather than as a chain that cannot be read.
		if err := t.checkBounds(d.size); err != nil {
			return nil, err
		}
		var err error
		if next, err = t.readLogical(d, p, next); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// addMBR adds an entry whose start counts from sector base.
func (t *Table) addMBR(number int, base int64, e mbrEntry) {
	t.Partitions = append(t.Partitions, Partition{
		Number:   number,
		Start:    (base + e.start()) * sectorMBR,
		Size:     e.sectors() * sectorMBR,
		Type:     fmt.Sprintf("0x%02x", e.kind()),
		UUID:     fmt.Sprintf("%s-%02x", t.DiskID[2:], number),
		Bootable: e.bootIndicator() == 0x80,
		extended: e.extended(),
	})
}

// readLogical follows the chain of extended boot records in ext and numbers its partitions from next. In each record one
// entry is the logical partition, which counts from that record, and one is the link, which counts from ext's start.
func (t *Table) readLogical(d disk, ext Partition, next int) (int, error) {
	sector := make(mbrSector, sectorMBR)
	visited := map[int64]bool{}
	first := ext.Start / sectorMBR
	for at := first; ; {
		if visited[at] {
			return 0, failf(ErrDamaged, "partition %d: the chain of logical partitions loops: sector %d comes twice", ext.Number, at)
		}
		visited[at] = true
		if err := d.read(sector, at*sectorMBR); err != nil {
			return 0, fmt.Errorf("partition %d: extended boot record at sector %d: %w", ext.Number, at, err)
		}
		if !sector.signed() {
			if at == first {
				t.faultf(FaultExtendedEmpty, "partition %d is extended, but its first sector is no boot record: no logical partitions", ext.Number)
				return next, nil
			}
			return 0, failf(ErrDamaged, "partition %d: the chain of logical partitions leads to sector %d, which is no boot record", ext.Number, at)
		}
		link := int64(-1)
		for i := range 2 { // the other two entries are not used, and old programs leave garbage there
			e := sector.entry(i)
			switch {
			case !e.used():
			case e.extended() && link < 0:
				link = first + e.start()
			case !e.extended():
				if next > maxPartitions {
					return 0, failf(ErrDamaged, "partition %d: the chain of logical partitions has more than %d", ext.Number, maxPartitions)
				}
				t.addMBR(next, at, e)
				t.checkInside(t.Partitions[len(t.Partitions)-1], ext)
				next++
			}
		}
		if link < 0 {
			return next, nil
		}
		if link*sectorMBR >= ext.End() {
			return 0, failf(ErrDamaged, "partition %d: the chain of logical partitions leads to sector %d, outside of it", ext.Number, link)
		}
		if len(visited) > maxPartitions {
			return 0, failf(ErrDamaged, "partition %d: the chain of logical partitions has more than %d records", ext.Number, maxPartitions)
		}
		at = link
	}
}

func (t *Table) checkInside(p, ext Partition) {
	if p.Start < ext.Start || p.End() > ext.End() {
		t.faultf(FaultLogicalOutside, "logical partition %d (bytes %d to %d) reaches out of extended partition %d", p.Number, p.Start, p.End(), ext.Number)
	}
}
