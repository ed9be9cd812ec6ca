// What is wrong with a table, by sgdisk and sfdisk, which judge what Read finds.

package partition

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"boringboot/internal/testimage"
)

// judge is a program that checks a table, and what it says where it finds something wrong. Their exit codes say nothing.
type judge struct {
	args  []string
	wrong *regexp.Regexp
}

var (
	sgdisk = judge{[]string{"sgdisk", "--verify"}, regexp.MustCompile(`Identified [0-9]+ problems|: ERROR|corrupt GPT`)}
	sfdisk = judge{[]string{"sfdisk", "--verify"}, regexp.MustCompile(`[0-9]+ errors? detected|table is corrupt`)}
)

func (j judge) finds(t *testing.T, path string) (bool, string) {
	t.Helper()
	out, err := exec.Command(j.args[0], append(j.args[1:], path)...).CombinedOutput()
	if len(out) == 0 {
		t.Fatalf("%s said nothing: %v", j.args[0], err)
	}
	return j.wrong.Match(out), string(out)
}

func TestWhatIsWrongWithATableIsWhatTheJudgesFind(t *testing.T) {
	testimage.Require(t, "sfdisk", "sgdisk")
	const (
		size = 64 * mib
		last = size - 512
		gpt  = "label: gpt\nsize=8M,type=uefi\nsize=20M,type=linux\n"
		dos  = "label: dos\nsize=8M,type=b\nsize=20M,type=83\n"
		logi = "label: dos\nsize=4M,type=b\nsize=30M,type=5\n5: size=10M,type=83\n6: size=10M,type=83\n"
	)
	clearAt := func(at int) func(b image) image { return func(b image) image { clear(b[at : at+512]); return b } }
	flipAt := func(at int) func(b image) image { return func(b image) image { b[at] ^= 1; return b } }
	// both changes both copies of a GPT alike, and makes the checksums right.
	both := func(change func(header, entries []byte)) func(b image) image {
		return func(b image) image {
			for _, at := range [][2]int{{512, 1024}, {last, last - 32*512}} {
				h, entries := b[at[0]:at[0]+92], b[at[1]:at[1]+128*128]
				change(h, entries)
				binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
				reseal(h)
			}
			return b
		}
	}
	for _, tt := range []struct {
		name, script   string
		harm           func(b image) image // nil: none
		want           []FaultCode
		sgdisk, sfdisk bool // it finds something
	}{
		{name: "a GPT", script: gpt},
		{name: "an MBR", script: dos},
		{name: "logical partitions", script: logi},
		{name: "an MBR of an image that was made longer", script: dos, harm: func(b image) image { return append(b, make(image, mib)...) }},
		{name: "a protective entry over more than there is", script: gpt,
			harm: func(b image) image { return b.mbr(0, 0, 0, 0xee, 1, 1<<32-1) }},
		{name: "a protective entry over less than there is", script: gpt,
			harm: func(b image) image { return b.mbr(0, 0, 0, 0xee, 1, 1000) }},
		// Every image is shorter than the card that it goes to, and cards are read back into images.
		{name: "a GPT of an image that was made longer", script: gpt, harm: func(b image) image { return append(b, make(image, mib)...) },
			sgdisk: true, sfdisk: true},

		{name: "a hybrid MBR", script: gpt, harm: func(b image) image { return b.mbr(0, 0, 0, 0xee, 1, 2047).mbr(0, 1, 0, 0x0b, 2048, 16384) },
			want: []FaultCode{FaultHybridMBR}},
		{name: "an extended partition with nothing in it", script: "label: dos\nsize=2M,type=83\nsize=30M,type=85\n"},
		{name: "an extended partition without a boot record", script: logi, harm: func(b image) image {
			clear(b[int64(binary.LittleEndian.Uint32(b[446+16+8:]))*512:][:512])
			return b
		}, want: []FaultCode{FaultExtendedEmpty}},
		{name: "a GPT that the MBR does not name", script: gpt, harm: func(b image) image { clear(b[446:510]); return b.mbr(0, 0, 0, 0x83, 2048, 2048) },
			want: []FaultCode{FaultGPTUnprotected}, sgdisk: true},
		// To sgdisk that is a warning.
		{name: "a protective entry that begins elsewhere", script: gpt, harm: func(b image) image { return b.mbr(0, 0, 0, 0xee, 2048, 2048) },
			want: []FaultCode{FaultGPTUnused}},

		{name: "the primary header is gone", script: gpt, harm: clearAt(512), want: []FaultCode{FaultGPTPrimary}, sgdisk: true, sfdisk: true},
		{name: "the primary header is damaged", script: gpt, harm: flipAt(512 + 60), want: []FaultCode{FaultGPTPrimary}, sgdisk: true, sfdisk: true},
		{name: "the primary entries are damaged", script: gpt, harm: flipAt(1024 + 33), want: []FaultCode{FaultGPTPrimary}, sgdisk: true, sfdisk: true},
		{name: "the backup header is gone", script: gpt, harm: clearAt(last), want: []FaultCode{FaultGPTBackup}, sgdisk: true, sfdisk: true},
		{name: "the backup header is damaged", script: gpt, harm: flipAt(last + 60), want: []FaultCode{FaultGPTBackup}, sgdisk: true, sfdisk: true},
		{name: "the backup entries are damaged", script: gpt, harm: flipAt(last - 32*512 + 33), want: []FaultCode{FaultGPTBackup}, sgdisk: true, sfdisk: true},
		{name: "the last sector is cut off", script: gpt, harm: func(b image) image { return b[:last] }, want: []FaultCode{FaultGPTBackup}, sgdisk: true, sfdisk: true},
		{name: "more than the backup is cut off", script: gpt, harm: func(b image) image { return b[:60*mib] }, want: []FaultCode{FaultGPTBackup}, sgdisk: true},
		{name: "the copies disagree", script: gpt, harm: func(b image) image { b[last+56] ^= 1; reseal(b[last : last+92]); return b },
			want: []FaultCode{FaultGPTDisagree}, sgdisk: true},
		{name: "a partition among the unusable sectors", script: gpt,
			harm: both(func(h, _ []byte) { binary.LittleEndian.PutUint64(h[40:], 4096) }), want: []FaultCode{FaultGPTUsable}, sgdisk: true},
		{name: "partitions of a GPT overlap", script: gpt,
			harm: both(func(_, e []byte) { binary.LittleEndian.PutUint64(e[128+32:], 10000) }), want: []FaultCode{FaultOverlap}, sgdisk: true, sfdisk: true},
		{name: "partitions of an MBR overlap", script: dos, harm: func(b image) image { return b.mbr(0, 1, 0, 0x83, 4096, 40960) },
			want: []FaultCode{FaultOverlap}, sgdisk: true, sfdisk: true},
		{name: "a partition begins in the table", script: dos, harm: func(b image) image { return b.mbr(0, 0, 0, 0x0b, 0, 16384) },
			want: []FaultCode{FaultCoversTable}, sgdisk: true},
		{name: "a logical partition reaches out", script: logi, harm: func(b image) image {
			ebr := int64(binary.LittleEndian.Uint32(b[446+16+8:]))
			next := int64(binary.LittleEndian.Uint32(b[ebr*512+446+16+8:])) + ebr
			return b.mbr(next, 0, 0, 0x83, 2048, 40000)
		}, want: []FaultCode{FaultLogicalOutside}, sgdisk: false, sfdisk: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := disked(t, size, tt.script)
			b := image(load(t, path))
			if tt.harm != nil {
				b = tt.harm(b)
				path = filepath.Join(t.TempDir(), "harmed.img")
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			table, err := read(b)
			if err != nil {
				t.Fatal(err)
			}
			var codes []FaultCode
			for i, f := range table.Faults {
				codes = append(codes, f.Code)
				if i >= len(table.Warnings) || table.Warnings[i] != f.Text {
					t.Errorf("warnings %q, want the texts of %q", table.Warnings, table.Faults)
				}
			}
			if !slices.Equal(codes, tt.want) {
				t.Errorf("faults %q, want %q", table.Faults, tt.want)
			}
			if cut := len(b) < size; (table.cut != nil) != cut || cut && !errors.Is(table.cut, ErrTruncated) {
				t.Errorf("cut off: %v, want %t", table.cut, cut)
			}
			if found, says := sgdisk.finds(t, path); found != tt.sgdisk {
				t.Errorf("sgdisk finds something: %t, want %t:\n%s", found, tt.sgdisk, says)
			}
			if found, says := sfdisk.finds(t, path); found != tt.sfdisk {
				t.Errorf("sfdisk finds something: %t, want %t:\n%s", found, tt.sfdisk, says)
			}
		})
	}
}
