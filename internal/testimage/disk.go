package testimage

// A whole disk, laid out as nixpkgs' sd-image lays it out: a gap for boot
// loaders, a FAT partition with the firmware, and the root.

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Layout is how a disk is partitioned.
type Layout string

const (
	MBR     Layout = ""        // FAT is partition 1, the root partition 2
	GPT     Layout = "gpt"     // the same with a GPT
	Logical Layout = "logical" // partition 2 is extended and the root partition 5 in it
)

const (
	gap          = 8 * mebibyte
	firmwareSize = 30 * mebibyte
	sectorSize   = 512
	// gptTail is room for the backup of a GPT behind the last partition.
	gptTail = mebibyte
)

// RootOffset is where the root starts in a disk of this layout, in bytes.
func (l Layout) RootOffset() int64 {
	if l == Logical {
		return gap + firmwareSize + mebibyte // the extended boot record lies before it
	}
	return gap + firmwareSize
}

// RootNumber is the number of the root's partition.
func (l Layout) RootNumber() int {
	if l == Logical {
		return 5
	}
	return 2
}

// RootOffset is where the root starts in a disk of these options, in bytes.
func (o Options) RootOffset() int64 { return o.Layout.RootOffset() }

func (l Layout) script(rootSize int64) string {
	first, second := gap/sectorSize, int64(firmwareSize/sectorSize)
	root, size := l.RootOffset()/sectorSize, rootSize/sectorSize
	const dos = "label: dos\nlabel-id: 0x2178694e\n"
	switch l {
	case GPT:
		// Microsoft basic data and Linux file system data.
		return fmt.Sprintf("label: gpt\nlabel-id: B0F1B0F1-0000-4000-8000-000000000001\n"+
			"start=%d, size=%d, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, name=FIRMWARE\n"+
			"start=%d, size=%d, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name=root\n", first, second, root, size)
	case Logical:
		extended := (gap + firmwareSize) / sectorSize
		return fmt.Sprintf(dos+"start=%d, size=%d, type=b, bootable\nstart=%d, size=%d, type=5\nstart=%d, size=%d, type=83\n",
			first, second, extended, root-int64(extended)+size, root, size)
	default:
		return fmt.Sprintf(dos+"start=%d, size=%d, type=b, bootable\nstart=%d, size=%d, type=83\n", first, second, root, size)
	}
}

// NixOSDisk makes a disk image and returns its path, below tb.TempDir(). Its
// root is what Ext4 makes of the same options, o.RootOffset() bytes into it.
// Without the tools the test is skipped, as by Require.
func NixOSDisk(tb testing.TB, o Options) string {
	tb.Helper()
	Require(tb, "sfdisk", "mkfs.vfat", "mcopy")
	root := Ext4(tb, o)
	path := filepath.Join(tb.TempDir(), "nixos-sd.img")
	if err := buildDisk(path, root, o.Layout); err != nil {
		tb.Fatalf("making a disk image: %v", err)
	}
	if err := os.Remove(root); err != nil {
		tb.Fatal(err)
	}
	return path
}

func buildDisk(path, root string, l Layout) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	size := l.RootOffset() + info.Size()
	if l == GPT {
		size += gptTail
	}
	disk, err := os.Create(path)
	if err != nil {
		return err
	}
	defer disk.Close()
	if err := disk.Truncate(size); err != nil {
		return err
	}
	if _, err := run(l.script(info.Size()), "sfdisk", []string{"--quiet", "--no-reread", "--no-tell-kernel", path}); err != nil {
		return err
	}
	firmware := path + ".firmware"
	if err := cached("firmware", firmware, buildFirmware); err != nil {
		return err
	}
	if err := copyFileInto(disk, gap, firmware); err != nil {
		return err
	}
	if err := os.Remove(firmware); err != nil {
		return err
	}
	if err := copyFileInto(disk, l.RootOffset(), root); err != nil {
		return err
	}
	return disk.Close()
}

func copyFileInto(disk *os.File, offset int64, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return copySparse(disk, offset, f, info.Size())
}

// buildFirmware makes the FAT file system with a file in it.
func buildFirmware(path string) error {
	if err := blank(path, firmwareSize, false); err != nil {
		return err
	}
	if _, err := run("", "mkfs.vfat", []string{"--invariant", "-i", "2178694e", "-n", "FIRMWARE", path}); err != nil {
		return err
	}
	config := path + ".config.txt"
	if err := os.WriteFile(config, []byte("[all]\narm_64bit=1\nenable_uart=1\n"), 0o644); err != nil {
		return err
	}
	defer os.Remove(config)
	_, err := run("", "mcopy", []string{"-m", "-i", path, config, "::config.txt"})
	return err
}
