package partition

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

// made are file systems as their own tools make them; blkid judges what is read of them.
var made = []struct {
	name, command string // it makes $1, a file of zeros
	size          int64
	needs         []string
	blkid         string // what blkid calls it, where that is not what we say; empty: the same
	want          string
}{
	{"ext4", "mke2fs -q -F -t ext4 -L NIXOS_SD $1", 8 * mib, []string{"mke2fs"}, "", "ext4"},
	{"ext4 without a journal", "mke2fs -q -F -t ext4 -O ^has_journal -L sixteen_letters_ $1", 8 * mib, []string{"mke2fs"}, "", "ext4"},
	{"ext4 of blocks of 1 KiB", "mke2fs -q -F -t ext4 -b 1024 $1", 8 * mib, []string{"mke2fs"}, "", "ext4"},
	{"ext3", "mke2fs -q -F -t ext3 -L x $1", 8 * mib, []string{"mke2fs"}, "", "ext3"},
	{"ext2", "mke2fs -q -F -t ext2 -L x $1", 8 * mib, []string{"mke2fs"}, "", "ext2"},
	{"an external journal", "mke2fs -q -F -O journal_dev $1", 8 * mib, []string{"mke2fs"}, "", "jbd"},
	{"FAT12", "mkfs.vfat -F 12 -n LABEL $1", 4 * mib, []string{"mkfs.vfat"}, "", "vfat"},
	{"FAT16", "mkfs.vfat -F 16 $1", 16 * mib, []string{"mkfs.vfat"}, "", "vfat"},
	{"FAT32", "mkfs.vfat -F 32 -n FIRMWARE $1", 40 * mib, []string{"mkfs.vfat"}, "", "vfat"},
	{"swap", "mkswap -q -L swapped $1", mib, []string{"mkswap"}, "", "swap"},
	{"XFS", "mkfs.xfs -q -L label $1", 320 * mib, []string{"mkfs.xfs"}, "", "xfs"},
	{"btrfs", "mkfs.btrfs -q -L label $1", 128 * mib, []string{"mkfs.btrfs"}, "", "btrfs"},
	{"f2fs", "mkfs.f2fs -q -l label $1", 64 * mib, []string{"mkfs.f2fs"}, "", "f2fs"},
	{"squashfs", "mksquashfs /etc/apt $1 -quiet -no-progress -noappend", mib, []string{"mksquashfs"}, "", "squashfs"},
	{"ISO 9660", "genisoimage -quiet -V LABEL -o $1 /etc/apt", mib, []string{"genisoimage"}, "", "iso9660"},
	{"LUKS 1", "echo secret | cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 $1 -", 8 * mib, []string{"cryptsetup"}, "crypto_LUKS", "luks"},
	{"LUKS 2", "echo secret | cryptsetup -q luksFormat --type luks2 --label label --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $1 -", 32 * mib, []string{"cryptsetup"}, "crypto_LUKS", "luks"},
}

func TestFileSystemsAreRecognised(t *testing.T) {
	for _, tt := range made {
		t.Run(tt.name, func(t *testing.T) {
			testimage.Require(t, append(tt.needs, "blkid")...)
			path := filepath.Join(t.TempDir(), "fs.img")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, tt.size); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("sh", "-ec", tt.command, "sh", path).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", tt.command, err, out)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			table, err := Read(f, info.Size())
			if err != nil {
				t.Fatal(err)
			}
			if table.Scheme != None || len(table.Partitions) != 1 || len(table.Warnings) > 0 {
				t.Fatalf("table %+v, want one bare file system", table)
			}
			got := table.Partitions[0].FileSystem
			want := FileSystem{Type: tt.want, Label: byBlkid(t, path, "LABEL"), UUID: byBlkid(t, path, "UUID")}
			if tt.want == "iso9660" || tt.want == "squashfs" {
				want.UUID = "" // blkid makes one up of the time of making
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("file system (-blkid +ours):\n%s", diff)
			}
			want.Type = tt.want
			if tt.blkid != "" {
				want.Type = tt.blkid
			}
			if b := byBlkid(t, path, "TYPE"); b != want.Type {
				t.Errorf("blkid says %s", b)
			}
		})
	}
}

// byBlkid is the judge's view; "" where blkid finds nothing of that name.
func byBlkid(t *testing.T, path, tag string) string {
	t.Helper()
	testimage.Require(t, "blkid")
	out, err := exec.Command("blkid", "-p", "-s", tag, "-o", "value", path).Output()
	if err != nil && len(out) > 0 {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestADamagedSuperblockIsNamed(t *testing.T) {
	testimage.Require(t, "mke2fs")
	for _, tt := range []struct{ block, size string }{{"1024", "16M"}, {"4096", "140M"}} {
		path := filepath.Join(t.TempDir(), "fs.img")
		if out, err := exec.Command("mke2fs", "-q", "-F", "-t", "ext4", "-b", tt.block, path, tt.size).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, 1024), 1024); err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		_, err = Read(f, info.Size())
		checkError(t, err, ErrNoTable, "no superblock, but the backup of an ext4 superblock")
	}
}

func TestTwoBytesMakeNoFileSystem(t *testing.T) {
	b := make(image, 4*mib)
	binary.LittleEndian.PutUint16(b[1024+0x38:], extMagic)
	_, err := read(b)
	checkError(t, err, ErrNoTable)
}

func TestProbingEndsWithThePartition(t *testing.T) {
	// A btrfs superblock 64 KiB behind the start of a partition that is shorter.
	b := make(image, 4*mib).mbr(0, 0, 0, 0x83, 2048, 64)
	copy(b[mib+65536+64:], "_BHRfS_M")
	table, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Partitions[0].FileSystem.Type; got != "" {
		t.Errorf("found a %s that lies behind the partition", got)
	}
}
