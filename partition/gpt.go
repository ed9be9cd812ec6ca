// This file decodes the GUID partition table: UEFI specification 2.10, chapter 5.3.

package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"unicode/utf16"
)

// gptHeader is the table's header, as many bytes as its HeaderSize says. All numbers are little-endian, all addresses in
// logical blocks (sectors).
type gptHeader []byte

const (
	gptMinHeader    = 92
	gptMinEntrySize = 128
	// The specification asks for at least 16 KiB (128 entries of 128 bytes) and sets no upper limit.
	gptMaxArray = 1 << 20
)

const gptMagic = "EFI PART"

func (h gptHeader) signature() string   { return string(h[0:8]) }
func (h gptHeader) revision() uint32    { return binary.LittleEndian.Uint32(h[8:]) }
func (h gptHeader) headerSize() uint32  { return binary.LittleEndian.Uint32(h[12:]) }
func (h gptHeader) headerCRC() uint32   { return binary.LittleEndian.Uint32(h[16:]) }
func (h gptHeader) myLBA() uint64       { return binary.LittleEndian.Uint64(h[24:]) }
func (h gptHeader) alternate() uint64   { return binary.LittleEndian.Uint64(h[32:]) }
func (h gptHeader) firstUsable() uint64 { return binary.LittleEndian.Uint64(h[40:]) }
func (h gptHeader) lastUsable() uint64  { return binary.LittleEndian.Uint64(h[48:]) }
func (h gptHeader) diskGUID() string    { return guid(h[56:72]) }
func (h gptHeader) entriesLBA() uint64  { return binary.LittleEndian.Uint64(h[72:]) }
func (h gptHeader) entryCount() uint32  { return binary.LittleEndian.Uint32(h[80:]) }
func (h gptHeader) entrySize() uint32   { return binary.LittleEndian.Uint32(h[84:]) }
func (h gptHeader) entriesCRC() uint32  { return binary.LittleEndian.Uint32(h[88:]) }

// gptEntry is one entry of the array.
type gptEntry []byte

func (e gptEntry) typeGUID() string   { return guid(e[0:16]) }
func (e gptEntry) uniqueGUID() string { return guid(e[16:32]) }
func (e gptEntry) first() uint64      { return binary.LittleEndian.Uint64(e[32:]) }
func (e gptEntry) last() uint64       { return binary.LittleEndian.Uint64(e[40:]) } // inclusive
func (e gptEntry) attributes() uint64 { return binary.LittleEndian.Uint64(e[48:]) }
func (e gptEntry) name() string       { return utf16Text(e[56:128]) }
func (e gptEntry) used() bool         { return !allZero(e[0:16]) }

const gptLegacyBootable = 1 << 2 // attribute bit 2: legacy BIOS bootable

// guid writes 16 bytes as text; the first three fields are little-endian.
func guid(b []byte) string {
	return fmt.Sprintf("%08X-%04X-%04X-%X-%X",
		binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}

// utf16Text decodes little-endian UTF-16 up to its first NUL.
func utf16Text(b []byte) string {
	var u []uint16
	for ; len(b) >= 2; b = b[2:] {
		c := binary.LittleEndian.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

// gptCopy is one valid copy of the table: header and array, with their checksums verified.
type gptCopy struct {
	sectorSize int64
	header     gptHeader
	array      []byte
}

func gptSignatureAt(d disk, off int64) bool {
	b := make([]byte, len(gptMagic))
	ok, err := d.peek(b, off)
	return ok && err == nil && string(b) == gptMagic
}

// errNoHeader is the least that can be said of a sector: it holds no header at all, which says little where sector sizes and
// places are being tried.
var errNoHeader = errors.New("no GPT header")

// readCopy reads and verifies the copy of the table whose header lies in sector lba. An error of kind ErrDamaged means that
// the copy cannot be used; any other, that the image cannot be read.
func readCopy(d disk, sectorSize int64, lba uint64) (*gptCopy, error) {
	sectors := uint64(d.size / sectorSize)
	if lba >= sectors {
		return nil, failf(ErrDamaged, "sector %d lies beyond the image's end (%d sectors of %d bytes)", lba, sectors, sectorSize)
	}
	sector := make([]byte, sectorSize)
	if err := d.read(sector, int64(lba)*sectorSize); err != nil {
		return nil, err
	}
	h := gptHeader(sector)
	switch {
	case h.signature() != gptMagic:
		return nil, failf(errNoHeader, "sector %d does not start with %q", lba, gptMagic)
	case h.headerSize() < gptMinHeader || int64(h.headerSize()) > sectorSize:
		return nil, failf(ErrDamaged, "sector %d: the header's size of %d bytes is impossible", lba, h.headerSize())
	}
	h = h[:h.headerSize()]
	if got := h.checksum(); got != h.headerCRC() {
		return nil, failf(ErrDamaged, "sector %d: the header's checksum is %08x, it says %08x", lba, got, h.headerCRC())
	}
	switch {
	case h.revision()>>16 != 1:
		return nil, failf(ErrDamaged, "sector %d: revision %d.%d is not known", lba, h.revision()>>16, h.revision()&0xffff)
	case h.myLBA() != lba:
		return nil, failf(ErrDamaged, "sector %d: the header says it belongs to sector %d", lba, h.myLBA())
	case h.entrySize() < gptMinEntrySize || h.entrySize()&(h.entrySize()-1) != 0:
		return nil, failf(ErrDamaged, "sector %d: entries of %d bytes are impossible", lba, h.entrySize())
	case uint64(h.entrySize())*uint64(h.entryCount()) > gptMaxArray:
		return nil, failf(ErrDamaged, "sector %d: an array of %d entries of %d bytes is too large", lba, h.entryCount(), h.entrySize())
	}
	array := make([]byte, h.entrySize()*h.entryCount())
	if h.entriesLBA() >= sectors || int64(len(array)) > d.size-int64(h.entriesLBA())*sectorSize {
		return nil, failf(ErrDamaged, "sector %d: the entries at sector %d reach beyond the image's end (%d sectors)", lba, h.entriesLBA(), sectors)
	}
	if err := d.read(array, int64(h.entriesLBA())*sectorSize); err != nil {
		return nil, fmt.Errorf("the entries at sector %d: %w", h.entriesLBA(), err)
	}
	if got := crc32.ChecksumIEEE(array); got != h.entriesCRC() {
		return nil, failf(ErrDamaged, "the entries at sector %d have the checksum %08x, the header says %08x", h.entriesLBA(), got, h.entriesCRC())
	}
	return &gptCopy{sectorSize, h, array}, nil
}

// checksum is the CRC-32 of the header with its own field taken as zero.
func (h gptHeader) checksum() uint32 {
	b := slices.Clone(h)
	clear(b[16:20])
	return crc32.ChecksumIEEE(b)
}

// readGPT reads the primary copy or, where that is damaged, the backup, and compares the two.
func readGPT(d disk, sector mbrSector) (*Table, error) {
	primary, primaryErr, err := firstCopy(d, []place{{512, 1}, {4096, 1}})
	if err != nil {
		return nil, err
	}
	backups := backupPlaces(d, sector)
	if primary != nil {
		backups = []place{{primary.sectorSize, primary.header.alternate()}}
		if backups[0].lba == 1 {
			backups = nil
		}
	}
	backup, backupErr, err := firstCopy(d, backups)
	if err != nil {
		return nil, err
	}

	t := &Table{Scheme: GPT}
	used := primary
	switch {
	case primary != nil && backup != nil:
		t.warnDisagreement(primary, backup)
	case primary != nil:
		t.faultf(FaultGPTBackup, "gpt: the backup header cannot be used: %v", backupErr)
		if at, sectors := primary.header.alternate(), uint64(d.size/primary.sectorSize); at >= sectors {
			t.cut = failf(ErrTruncated, "the image is truncated: its GPT ends with sector %d, the image has %d sectors of %d bytes", at, sectors, primary.sectorSize)
		}
	case backup != nil:
		t.faultf(FaultGPTPrimary, "gpt: the primary header is damaged, the backup is used: %v", primaryErr)
		used = backup
	default:
		return nil, failf(ErrDamaged, "gpt: neither header can be used: primary: %v; backup: %v", primaryErr, backupErr)
	}
	t.SectorSize, t.DiskID = used.sectorSize, used.header.diskGUID()
	if !sector.protects() {
		t.faultf(FaultGPTUnused, "gpt: the MBR's protective entry does not begin in sector 1, so Linux does not look at the GPT")
	}
	if others := sector.used() - 1; others > 0 {
		t.faultf(FaultHybridMBR, "a hybrid MBR: %d partitions of the MBR stand beside the GPT, which counts", others)
	}
	return t, t.addGPT(used)
}

// place is where a header may be.
type place struct {
	sectorSize int64
	lba        uint64
}

// firstCopy returns the first usable copy among the places or, as damage, what is wrong with the likeliest of them.
func firstCopy(d disk, places []place) (c *gptCopy, damage, err error) {
	damage = failf(ErrDamaged, "there is no place for one in an image of %d bytes", d.size)
	for i, p := range places {
		c, err := readCopy(d, p.sectorSize, p.lba)
		switch {
		case err == nil:
			return c, nil, nil
		case errors.Is(err, errNoHeader):
			if i == 0 {
				damage = err
			}
		case errors.Is(err, ErrDamaged):
			if i == 0 || errors.Is(damage, errNoHeader) {
				damage = err
			}
		default:
			return nil, nil, err
		}
	}
	return nil, damage, nil
}

// backupPlaces are those where a backup header may be when the primary cannot tell: the image's last sector, and where the
// protective entry ends, which is another place when the image was made longer after it was partitioned.
func backupPlaces(d disk, sector mbrSector) (places []place) {
	for _, size := range []int64{512, 4096} {
		last := []int64{d.size/size - 1}
		for i := range 4 {
			if e := sector.entry(i); e.kind() == typeProtective && e.start()+e.sectors() <= d.size/size {
				last = append(last, e.start()+e.sectors()-1)
			}
		}
		for _, lba := range last {
			if lba > 1 {
				places = append(places, place{size, uint64(lba)})
			}
		}
	}
	return places
}

func (t *Table) warnDisagreement(primary, backup *gptCopy) {
	var differ []string
	if primary.header.diskGUID() != backup.header.diskGUID() {
		differ = append(differ, fmt.Sprintf("the disk's GUID (%s, %s)", primary.header.diskGUID(), backup.header.diskGUID()))
	}
	if primary.header.firstUsable() != backup.header.firstUsable() || primary.header.lastUsable() != backup.header.lastUsable() {
		differ = append(differ, "the usable sectors")
	}
	if !slices.Equal(primary.array, backup.array) {
		differ = append(differ, "the partitions")
	}
	if len(differ) > 0 {
		t.faultf(FaultGPTDisagree, "gpt: primary and backup table disagree on %s: the primary counts", strings.Join(differ, " and "))
	}
}

func (t *Table) addGPT(c *gptCopy) error {
	size := int(c.header.entrySize())
	for i := 0; (i+1)*size <= len(c.array); i++ {
		e := gptEntry(c.array[i*size:][:size])
		if !e.used() {
			continue
		}
		// The largest sector number whose byte address fits an int64.
		limit := uint64(1<<63-1)/uint64(c.sectorSize) - 1
		switch {
		case e.last() < e.first():
			return failf(ErrDamaged, "gpt: partition %d ends at sector %d, before it starts at sector %d", i+1, e.last(), e.first())
		case e.last() > limit:
			return failf(ErrDamaged, "gpt: partition %d ends at sector %d, which no disk has", i+1, e.last())
		}
		if e.first() < c.header.firstUsable() || e.last() > c.header.lastUsable() {
			t.faultf(FaultGPTUsable, "gpt: partition %d (sectors %d to %d) reaches out of the usable sectors %d to %d",
				i+1, e.first(), e.last(), c.header.firstUsable(), c.header.lastUsable())
		}
		t.Partitions = append(t.Partitions, Partition{
			Number:   i + 1,
			Start:    int64(e.first()) * c.sectorSize,
			Size:     int64(e.last()-e.first()+1) * c.sectorSize,
			Type:     e.typeGUID(),
			UUID:     e.uniqueGUID(),
			Name:     e.name(),
			Bootable: e.attributes()&gptLegacyBootable != 0,
		})
	}
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
