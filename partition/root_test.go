package partition

import (
	"testing"
)

func TestTheRootIsFoundOrTheCandidatesNamed(t *testing.T) {
	part := func(n int, fs, label string) Partition {
		return Partition{Number: n, Start: int64(n) * mib, Size: mib, Type: "0x83", FileSystem: FileSystem{Type: fs, Label: label}}
	}
	firmware := part(1, "vfat", "FIRMWARE")
	box := Partition{Number: 4, Start: 5 * mib, Size: 20 * mib, Type: "0x05", extended: true}
	overlapping := part(3, "", "")
	overlapping.Start -= mib / 2
	early := part(2, "ext4", "")
	early.Start = 0
	tests := []struct {
		name  string
		parts []Partition
		sel   Selector
		want  int
		kind  error
		says  []string
	}{
		{"one ext4", []Partition{firmware, part(2, "ext4", "")}, Selector{}, 2, nil, nil},
		{"one ext2", []Partition{firmware, part(2, "ext2", "x")}, Selector{}, 2, nil, nil},
		{"one of several is labelled NIXOS_SD", []Partition{part(1, "ext4", "x"), part(2, "ext4", "NIXOS_SD"), part(3, "ext3", "")}, Selector{}, 2, nil, nil},
		{"a FAT labelled NIXOS_SD does not count", []Partition{part(1, "vfat", "NIXOS_SD"), part(2, "ext4", "x")}, Selector{}, 2, nil, nil},
		{"none", []Partition{firmware, part(2, "btrfs", "nix\nos"), part(3, "", "")}, Selector{}, 0, ErrNoRoot,
			[]string{`found partition 1 (vfat "FIRMWARE", 1.0 MiB), partition 2 (btrfs "nix\nos", 1.0 MiB), partition 3 (nothing known, type 0x83, 1.0 MiB)`}},
		{"no partitions", nil, Selector{}, 0, ErrNoRoot, []string{"an empty partition table"}},
		{"two", []Partition{firmware, part(2, "ext4", "a"), part(3, "ext4", "")}, Selector{}, 0, ErrAmbiguous,
			[]string{`2 file systems could be the root and none is labelled NIXOS_SD: partition 2 (ext4 "a", 1.0 MiB), partition 3 (ext4, 1.0 MiB)`}},
		{"an ext2 for /boot beside an ext4", []Partition{part(1, "ext2", "boot"), part(2, "ext4", "")}, Selector{}, 0, ErrAmbiguous, nil},
		{"two labelled NIXOS_SD", []Partition{part(2, "ext4", "NIXOS_SD"), part(3, "ext4", "NIXOS_SD"), part(5, "ext4", "")}, Selector{}, 0, ErrAmbiguous,
			[]string{"2 file systems are labelled NIXOS_SD: partition 2", "partition 3"}},
		{"by number", []Partition{part(2, "ext4", "a"), part(3, "ext4", "NIXOS_SD")}, Selector{Number: 2}, 2, nil, nil},
		{"by label", []Partition{part(2, "ext4", "a"), part(3, "ext4", "NIXOS_SD")}, Selector{Label: "a"}, 2, nil, nil},
		{"by both", []Partition{part(2, "ext4", "a"), part(3, "ext4", "a")}, Selector{Number: 3, Label: "a"}, 3, nil, nil},
		{"a number that is not there", []Partition{firmware}, Selector{Number: 7}, 0, ErrNoRoot, []string{"no partition 7: found partition 1"}},
		{"a negative number", []Partition{firmware}, Selector{Number: -1}, 0, ErrNoRoot, []string{"no partition -1"}},
		{"the number of a FAT", []Partition{firmware, part(2, "ext4", "")}, Selector{Number: 1}, 0, ErrNoRoot, []string{`partition 1 is no ext4 file system: found partition 1 (vfat "FIRMWARE", 1.0 MiB)`}},
		{"the number of an extended partition", []Partition{box, part(5, "ext4", "")}, Selector{Number: 4}, 0, ErrNoRoot, []string{"partition 4 is extended"}},
		{"a number whose label is another", []Partition{part(2, "ext4", "a")}, Selector{Number: 2, Label: "b"}, 0, ErrNoRoot, []string{`not labelled "b"`}},
		{"a label that is not there", []Partition{firmware, part(2, "ext4", "a")}, Selector{Label: "FIRMWARE"}, 0, ErrNoRoot, []string{`no ext4 file system is labelled "FIRMWARE"`}},
		{"a label twice", []Partition{part(2, "ext4", "a"), part(3, "ext4", "a")}, Selector{Label: "a"}, 0, ErrAmbiguous, []string{`2 file systems are labelled "a"`}},
		{"a logical partition in its container", []Partition{firmware, box, part(5, "ext4", "")}, Selector{}, 5, nil, nil},
		{"one that another overlaps", []Partition{part(2, "ext4", ""), overlapping}, Selector{}, 0, ErrDamaged, []string{"partition 2 overlaps partition 3"}},
		{"others overlap", []Partition{part(2, "", ""), overlapping, part(5, "ext4", "")}, Selector{}, 5, nil, nil},
		{"one that covers the table", []Partition{early}, Selector{}, 0, ErrDamaged, []string{"covers the partition table"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := &Table{Scheme: MBR, SectorSize: 512, Partitions: tt.parts}
			got, err := table.Root(tt.sel)
			if tt.kind != nil {
				checkError(t, err, tt.kind, tt.says...)
				return
			}
			if err != nil || got.Number != tt.want {
				t.Errorf("Root = partition %d, %v, want %d", got.Number, err, tt.want)
			}
		})
	}
}

func TestABareFileSystemIsTheRoot(t *testing.T) {
	b := make(image, 4*mib).ext(0, "any", 4096)
	table, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := table.Root(Selector{}); err != nil || p.Number != 0 || p.Start != 0 || p.Size != 4*mib {
		t.Errorf("Root = %v, %v", p, err)
	}
	_, err = table.Root(Selector{Number: 1})
	checkError(t, err, ErrNoRoot, "no partition table")
	_, err = table.Root(Selector{Label: "other"})
	checkError(t, err, ErrNoRoot, `found the whole image (ext4 "any", 4.0 MiB)`)
}
