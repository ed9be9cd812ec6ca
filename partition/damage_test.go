package partition

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// twoParts is a GPT with partitions of 1 MiB each, in sectors of so many bytes.
func twoParts(sectorSize int64) (gpt, image) {
	per := uint64(mib / sectorSize)
	g := gpt{sectorSize: sectorSize, entries: []gptPart{{per, 2*per - 1, "FIRMWARE"}, {2 * per, 3*per - 1, "root"}}}
	return g, g.write(make(image, 4*mib)).ext(2*mib, "NIXOS_SD", 1024)
}

func TestGPTsAreReadWhereACopyIsWhole(t *testing.T) {
	for _, sector := range []int64{512, 4096} {
		last := 4*mib - sector
		tests := []struct {
			name  string
			harm  func(b image) image
			warns []string // parts of the warnings, in order
			cut   bool     // it can be read, and is not to be written to
			kind  error
			says  []string
		}{
			{name: "whole", harm: func(b image) image { return b }},
			{name: "the primary header's checksum is wrong", harm: func(b image) image { b[sector+60] ^= 1; return b },
				warns: []string{"primary header is damaged, the backup is used: sector 1: the header's checksum"}},
			{name: "the primary header is overwritten", harm: func(b image) image { clear(b[sector : 2*sector]); return b },
				warns: []string{"the backup is used: sector 1 does not start with"}},
			{name: "the primary entries are changed", harm: func(b image) image { b[2*sector+33] ^= 1; return b },
				warns: []string{"the backup is used: the entries at sector 2 have the checksum"}},
			{name: "the backup header is damaged", harm: func(b image) image { b[last+60] ^= 1; return b },
				warns: []string{"the backup header cannot be used"}},
			{name: "the image was made longer", harm: func(b image) image { return append(b, make(image, mib)...) }},
			{name: "the image was made longer and the primary header is damaged",
				harm:  func(b image) image { b[sector+60] ^= 1; return append(b, make(image, mib)...) },
				warns: []string{"the backup is used"}},
			{name: "the image ends behind the last partition", harm: func(b image) image { return b[:3*mib] },
				warns: []string{"the backup header cannot be used: sector"}, cut: true},
			{name: "the copies disagree", harm: func(b image) image {
				g, _ := twoParts(sector)
				other := slices.Clone(b)
				g.entries[1].name = "other"
				g.write(other)
				other[last+56] = 9
				reseal(other[last : last+92])
				copy(b[3*mib:], other[3*mib:])
				return b
			}, warns: []string{"disagree on the disk's GUID", "partitions"}},
			{name: "a hybrid MBR", harm: func(b image) image { return b.mbr(0, 1, 0x80, 0x83, 4096, 2048) },
				warns: []string{"a hybrid MBR: 1 partitions of the MBR"}},
			{name: "both headers are damaged", harm: func(b image) image { b[sector+60] ^= 1; b[last+60] ^= 1; return b },
				kind: ErrDamaged, says: []string{"primary: sector 1", "backup: sector"}},
			{name: "both arrays are damaged", harm: func(b image) image {
				b[2*sector+33] ^= 1
				b[last-32*512+33] ^= 1
				return b
			}, kind: ErrDamaged, says: []string{"primary: the entries at sector 2", "backup: the entries"}},
			{name: "the image ends inside the last partition", harm: func(b image) image { return b[:3*mib-512] },
				kind: ErrTruncated, says: []string{"partition 2 ends at byte 3145728", "the image has 3145216 bytes"}},
			{name: "the image ends behind the header", harm: func(b image) image { return b[:2*sector] }, kind: ErrDamaged},
			{name: "entries of no size", harm: func(b image) image { return forge(b, sector, 84, 0) }, kind: ErrDamaged, says: []string{"entries of 0 bytes"}},
			{name: "entries of 2 GiB", harm: func(b image) image { return forge(b, sector, 84, 1<<31) }, kind: ErrDamaged, says: []string{"too large"}},
			{name: "four thousand million entries", harm: func(b image) image { return forge(b, sector, 80, 1<<32-1) }, kind: ErrDamaged, says: []string{"too large"}},
			{name: "a header of 4 GiB", harm: func(b image) image { return forge(b, sector, 12, 1<<32-1) }, kind: ErrDamaged, says: []string{"size of 4294967295"}},
			{name: "an array beyond the end", harm: func(b image) image { return forge(b, sector, 72, 1<<31) }, kind: ErrDamaged, says: []string{"reach beyond the image's end"}},
			{name: "revision 2", harm: func(b image) image { return forge(b, sector, 8, 2<<16) }, kind: ErrDamaged, says: []string{"revision 2.0"}},
			{name: "a header that belongs elsewhere", harm: func(b image) image { return forge(b, sector, 24, 5) }, kind: ErrDamaged, says: []string{"belongs to sector 5"}},
		}
		for _, tt := range tests {
			t.Run(map[int64]string{512: "512: ", 4096: "4096: "}[sector]+tt.name, func(t *testing.T) {
				_, b := twoParts(sector)
				want, err := read(b)
				if err != nil || len(want.Warnings) > 0 {
					t.Fatalf("before the harm: %v, %v", err, want)
				}
				table, err := read(tt.harm(b))
				if tt.kind != nil {
					checkError(t, err, tt.kind, tt.says...)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if table.SectorSize != sector {
					t.Errorf("sector size %d, want %d", table.SectorSize, sector)
				}
				if diff := cmp.Diff(want.Partitions, table.Partitions, cmp.AllowUnexported(Partition{})); diff != "" {
					t.Errorf("partitions (-whole +harmed):\n%s", diff)
				}
				checkWarnings(t, table, tt.warns...)
				if p, err := table.Find(Selector{}); err != nil || p.Number != 2 || p.Start != 2*mib {
					t.Errorf("Find = %v, %v", p, err)
				}
				if _, err := table.Root(Selector{}); errors.Is(err, ErrTruncated) != tt.cut || err != nil != tt.cut { // nothing is written to what is cut
					t.Errorf("Root: %v", err)
				}
			})
		}
	}
}

// forge sets a 32-bit field of both headers and makes their checksums right.
func forge(b image, sector int64, field int, v uint32) image {
	for _, at := range []int64{sector, int64(len(b)) - sector} {
		binary.LittleEndian.PutUint32(b[at+int64(field):], v)
		reseal(b[at : at+92])
	}
	return b
}

func checkError(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v is no %q", err, kind)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has several lines", err)
	}
}

func checkWarnings(t *testing.T, table *Table, want ...string) {
	t.Helper()
	all := strings.Join(table.Warnings, "\n")
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("warnings %q, want %q", table.Warnings, w)
		}
	}
	if len(want) == 0 && len(table.Warnings) > 0 {
		t.Errorf("warnings %q, want none", table.Warnings)
	}
}

func TestGPTPartitionsThatCannotBe(t *testing.T) {
	tests := []struct {
		name  string
		parts []gptPart
		kind  error
		says  string
	}{
		{"it ends before it starts", []gptPart{{4096, 4000, ""}}, ErrDamaged, "partition 1 ends at sector 4000, before it starts at sector 4096"},
		{"it ends where no disk does", []gptPart{{2048, 1<<64 - 1, ""}}, ErrDamaged, "which no disk has"},
		{"it ends beyond what bytes can count", []gptPart{{2048, 1 << 55, ""}}, ErrDamaged, "which no disk has"},
		{"it ends beyond the image", []gptPart{{2048, 3000, ""}, {4096, 1 << 40, ""}}, ErrTruncated, "partition 2 ends"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(gpt{sectorSize: 512, entries: tt.parts}.write(make(image, 4*mib)))
			checkError(t, err, tt.kind, tt.says)
		})
	}
}

// The largest table that is read, all of it one place, makes 33 million pairs.
func TestOverlapsAreNotNamedWithoutEnd(t *testing.T) {
	g := gpt{sectorSize: 512, entryCount: gptMaxArray / gptMinEntrySize}
	for range g.entryCount {
		g.entries = append(g.entries, gptPart{3000, 4000, ""})
	}
	table, err := read(g.write(make(image, 4*mib)))
	if err != nil {
		t.Fatal(err)
	}
	last := table.Warnings[len(table.Warnings)-1]
	if len(table.Partitions) != 8192 || len(table.Faults) != maxListed+1 || last != "33550320 more pairs of partitions overlap" {
		t.Errorf("%d partitions, %d faults, the last %q", len(table.Partitions), len(table.Faults), last)
	}
}

func TestMBRsThatAreOdd(t *testing.T) {
	blank := func() image { return make(image, 4*mib) }
	// A root at 1 MiB and an extended partition of 2 MiB behind it.
	extended := func() image {
		return blank().mbr(0, 0, 0, 0x83, 2048, 2048).mbr(0, 1, 0, 0x05, 4096, 4096).ext(mib, "NIXOS_SD", 1024)
	}
	tests := []struct {
		name    string
		b       image
		kind    error
		says    string
		warns   []string
		numbers []int
	}{
		{name: "an empty image", b: image{}, kind: ErrNoTable, says: "empty (0 bytes)"},
		{name: "100 bytes", b: make(image, 100), kind: ErrNoTable, says: "only 100 bytes"},
		{name: "one sector of zeros", b: make(image, 512), kind: ErrNoTable, says: "no partition table"},
		{name: "zeros", b: blank(), kind: ErrNoTable, says: "no partition table and no known file system"},
		{name: "a table without partitions", b: blank().sign(0)},
		{name: "boot indicators that no table has", b: blank().mbr(0, 2, 0x17, 0x83, 2048, 2048), kind: ErrNoTable, says: "no valid partition entries"},
		{name: "a partition beyond the end", b: blank().mbr(0, 1, 0, 0x83, 2048, 8192), kind: ErrTruncated,
			says: "partition 2 ends at byte 5242880, the image has 4194304 bytes"},
		{name: "the largest numbers", b: blank().mbr(0, 0, 0, 0x83, 1<<32-1, 1<<32-1), kind: ErrTruncated, says: "partition 1 ends at byte 4398046510080"},
		{name: "an extended partition beyond the end", b: blank().mbr(0, 0, 0, 0x05, 1<<31, 2048), kind: ErrTruncated, says: "partition 1 ends"},
		{name: "an extended partition without a boot record", b: extended(), warns: []string{"partition 2 is extended, but"}, numbers: []int{1, 2}},
		{name: "a logical partition", b: extended().mbr(4096, 0, 0, 0x83, 63, 100), numbers: []int{1, 2, 5}},
		{name: "a logical partition beyond the end", b: extended().mbr(4096, 0, 0, 0x83, 63, 10000), kind: ErrTruncated, says: "partition 5 ends"},
		{name: "a logical partition outside of its container", b: blank().mbr(0, 0, 0, 0x05, 2048, 1024).mbr(2048, 0, 0, 0x83, 1100, 100),
			warns: []string{"logical partition 5", "reaches out of extended partition 1"}, numbers: []int{1, 5}},
		{name: "a chain of two", b: extended().mbr(4096, 0, 0, 0x83, 63, 100).mbr(4096, 1, 0, 0x05, 1000, 200).mbr(5096, 0, 0, 0x83, 1, 100), numbers: []int{1, 2, 5, 6}},
		{name: "a record without a partition in the chain", b: extended().mbr(4096, 1, 0, 0x05, 1000, 200).mbr(5096, 0, 0, 0x83, 1, 100), numbers: []int{1, 2, 5}},
		{name: "a chain that leads to itself", b: extended().mbr(4096, 0, 0, 0x83, 63, 100).mbr(4096, 1, 0, 0x05, 0, 200), kind: ErrDamaged, says: "loops: sector 4096"},
		{name: "a chain with a loop of two", b: extended().mbr(4096, 1, 0, 0x05, 1000, 200).mbr(5096, 1, 0, 0x0f, 0, 200), kind: ErrDamaged, says: "loops: sector 4096"},
		{name: "a chain that leads nowhere", b: extended().mbr(4096, 1, 0, 0x05, 1000, 200), kind: ErrDamaged, says: "leads to sector 5096, which is no boot record"},
		{name: "a chain that leads out", b: extended().mbr(4096, 1, 0, 0x05, 1<<30, 200), kind: ErrDamaged, says: "outside of it"},
		{name: "a chain without end", b: endless(), kind: ErrDamaged, says: "more than 256"},
		{name: "a chain of records without partitions", b: hollow(), kind: ErrDamaged, says: "more than 256 records"},
		{name: "partitions that overlap", b: blank().mbr(0, 0, 0, 0x83, 2048, 2048).mbr(0, 1, 0, 0x83, 3000, 2048), warns: []string{"partitions 1 and 2 overlap"}, numbers: []int{1, 2}},
		{name: "an old superblock before the first partition", b: blank().mbr(0, 0, 0, 0x83, 2048, 2048).ext(0, "old", 4096), warns: []string{"lies before the first partition"}, numbers: []int{1}},
		{name: "a GPT without a protective entry", b: func() image { _, b := twoParts(512); clear(b[446:510]); return b.mbr(0, 3, 0, 0x83, 2048, 2048) }(),
			warns: []string{"no protective entry for it"}, numbers: []int{4}},
		{name: "a GPT with an empty MBR", b: func() image { _, b := twoParts(512); clear(b[446:510]); return b }(), kind: ErrNoTable, says: "no protective entry"},
		{name: "a GPT without an MBR", b: func() image { _, b := twoParts(4096); clear(b[:512]); return b }(), kind: ErrNoTable, says: "no protective MBR"},
		{name: "a file system larger than its partition", b: blank().mbr(0, 0, 0, 0x83, 2048, 2048).ext(mib, "x", 1025), warns: []string{"partition 1 has 1048576 bytes, its ext4 file system 1049600"}, numbers: []int{1}},
		{name: "a bare file system", b: blank().ext(0, "x", 4096), numbers: []int{0}},
		{name: "a bare file system with a boot sector", b: blank().ext(0, "x", 4096).sign(0), numbers: []int{0}},
		{name: "a bare file system that is cut short", b: blank().ext(0, "x", 4097), kind: ErrTruncated, says: "has 4195328 bytes, the image only 4194304"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, err := read(tt.b)
			if tt.kind != nil {
				checkError(t, err, tt.kind, tt.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkWarnings(t, table, tt.warns...)
			var numbers []int
			for _, p := range table.Partitions {
				numbers = append(numbers, p.Number)
			}
			if diff := cmp.Diff(tt.numbers, numbers); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
		})
	}
}

// endless is a chain with a partition in each of 300 records, hollow one without.
func endless() image {
	b := hollow()
	for i := range int64(300) {
		b.mbr(8+i*8, 0, 0, 0x83, 1, 1)
	}
	return b
}

func hollow() image {
	b := make(image, 4*mib).mbr(0, 0, 0, 0x05, 8, 8000)
	for i := range int64(300) {
		b.mbr(8+i*8, 1, 0, 0x05, uint32((i+1)*8), 8)
	}
	return b
}

func TestASizeThatIsNotTheReadersIsAnError(t *testing.T) {
	_, b := twoParts(512)
	if _, err := Read(bytes.NewReader(b[:600]), int64(len(b))); !errors.Is(err, ErrTruncated) {
		t.Errorf("a reader that ends early: %v, want ErrTruncated", err)
	}
	if _, err := Read(bytes.NewReader(b), -1); !errors.Is(err, ErrTruncated) {
		t.Errorf("a negative size: %v", err)
	}
	broken := errors.New("the disk is broken")
	for at := range int64(200) {
		r := readerAt(func(b2 []byte, off int64) (int, error) {
			if off/512 == at {
				return 0, broken
			}
			return copy(b2, b[off:]), nil
		})
		if _, err := Read(r, int64(len(b))); err != nil && !errors.Is(err, broken) && !errors.Is(err, ErrDamaged) {
			t.Errorf("sector %d cannot be read: %v", at, err)
		} else if at == 0 && !errors.Is(err, broken) {
			t.Errorf("sector 0 cannot be read: %v", err)
		}
	}
}

type readerAt func(b []byte, off int64) (int, error)

func (r readerAt) ReadAt(b []byte, off int64) (int, error) { return r(b, off) }

func TestRandomBytesAreNoTable(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{3})
	for range 200 {
		b := make(image, 64*1024)
		io.ReadFull(rnd, b)
		if table, err := read(b.sign(0)); err == nil {
			t.Errorf("a table was found: %v", table)
		}
	}
}

func FuzzRead(f *testing.F) {
	_, g := twoParts(512)
	f.Add([]byte(g[:64*1024]))
	f.Add([]byte(make(image, 8192).mbr(0, 0, 0, 0x05, 1, 15).mbr(1, 1, 0, 0x05, 2, 2)))
	f.Add([]byte(make(image, 8192).ext(0, "x", 4)))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := read(b)
		if err != nil {
			if table != nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("table %v with error %q", table, err)
			}
			return
		}
		for _, p := range table.Partitions {
			if p.Start < 0 || p.Size <= 0 || p.End() > int64(len(b)) {
				t.Errorf("partition %d: bytes %d to %d of %d", p.Number, p.Start, p.End(), len(b))
			}
		}
		for _, sel := range []Selector{{}, {Number: 1}, {Label: "x"}} {
			p, err := table.Root(sel)
			if err == nil && !isExt(p.FileSystem.Type) || err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("Root(%v) = %v, %v", sel, p, err)
			}
		}
	})
}
