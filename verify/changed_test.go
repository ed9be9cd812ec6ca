// An image that was changed by the wanted files alone is explained; any other byte that differs is not.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

// pair is an original and what was made of it.
type pair struct {
	before, after *Disk
	path          string // of after
	root          int64
	want          []manifest.Entry
}

func changedPair(t *testing.T) *pair {
	t.Helper()
	o := testimage.Options{Profile: testimage.NixOS(), StorePaths: 40, Free: 4 << 20}
	original := testimage.NixOSDisk(t, o)
	p := &pair{path: filepath.Join(t.TempDir(), "after.img"), root: o.RootOffset(), want: standard(t)}
	copyFile(t, original, p.path)
	var commands []string
	for _, d := range directories {
		commands = append(commands, "mkdir "+d.path, "set_inode_field "+d.path+" mode "+d.mode)
	}
	testimage.DebugfsWrite(t, p.path, p.root, commands...)
	putAt(t, p.path, p.root, p.want)
	testimage.Fsck(t, p.path, p.root)
	p.before, _ = openDisk(t, original, p.root)
	p.after, _ = openDisk(t, p.path, p.root)
	return p
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) changes(t *testing.T) []Finding {
	t.Helper()
	both := p.structures(t)
	found, err := Changes(context.Background(), p.before, p.after, both[0], both[1], p.want)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (p *pair) structures(t *testing.T) []*Structure {
	t.Helper()
	var both []*Structure
	for _, d := range []*Disk{p.before, p.after} {
		disk, size := d.root()
		s, err := AuditStructure(context.Background(), disk, size)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, s)
	}
	return both
}

func TestWhatTheWantedFilesChangeIsExplained(t *testing.T) {
	p := changedPair(t)
	if found := p.changes(t); len(found) > 0 {
		t.Errorf("unexplained: %v", found)
	}
}

func TestAnyOtherChangeIsNotExplained(t *testing.T) {
	p := changedPair(t)
	disk, size := p.after.root()
	s, err := AuditStructure(context.Background(), disk, size)
	if err != nil {
		t.Fatal(err)
	}
	blockAt := func(b uint64) int64 { return p.root + int64(b)*int64(s.BlockSize) }
	var other, free, table, bitmap, backup int64
	next := uint64(0)
	for _, o := range s.owners {
		if o.Block > next {
			free = blockAt(next)
		}
		next = max(next, o.Block+o.Count)
		switch o.Use {
		case audit.UseFile:
			if other == 0 && o.Number > 12 { // of the store, made first
				other = blockAt(o.Block)
			}
		case audit.UseInodeTable:
			if table == 0 {
				table = blockAt(o.Block) + 19*256 // inode 20
			}
		case audit.UseBlockBitmap:
			if o.Number == 0 {
				bitmap = blockAt(o.Block) // of the first blocks, which are the file system's own
			}
		case audit.UseSuperblock:
			if o.Number > 0 {
				backup = blockAt(o.Block)
			}
		}
	}
	if next < s.Blocks {
		free = blockAt(next)
	}
	if backup == 0 {
		backup = p.root + 1024 + 0x6F // the file system has one group: s_uuid instead
	}
	for _, c := range []struct {
		name, want string
		at         int64
	}{
		{"a byte of the partition table", "a change outside all partitions", 0x1C0},
		{"a byte of the gap before the first partition", "a change outside all partitions, byte 4194304", 4 << 20},
		{"a byte of the firmware partition", "a change in partition 1 (vfat)", 9 << 20},
		{"a byte of another file", "of the file with inode", other},
		{"a byte of another inode", "a change of inode 20 (", table + 8}, // i_atime
		{"a byte of free space", "a change in free block", free + 7},
		{"a byte before the superblock", "a change beside the superblock", p.root + 100},
		{"the superblock's UUID", "what was changed of the superblock", p.root + 1024 + 0x68},
		{"a place in a descriptor", "of the descriptor of group 0", p.root + int64(s.BlockSize) + 0x08},
		{"a bit of a bitmap", "a bitmap of group", bitmap},
		{"a copy of the superblock", "", backup},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.at == 0 {
				t.Fatal("the place was not found")
			}
			testimage.FlipByte(t, p.path, c.at)
			found := p.changes(t)
			testimage.FlipByte(t, p.path, c.at)
			ok := false
			for _, f := range found {
				ok = ok || f.Code == codeChanged && f.Severity == Error && strings.Contains(f.Message, c.want)
			}
			if !ok {
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}

func TestChangesThatDebugfsMakesBesidesAreNotExplained(t *testing.T) {
	for _, c := range []struct {
		name, command, want string
	}{
		{"another name", "ln /nix-path-registration /extra", "a new name in the directory with inode 2"},
		{"a name that is gone", "unlink /nix-path-registration", "that a name in the directory with inode 2 is gone"},
		{"the mode of a directory above", "set_inode_field / mode 040777", "the directory with inode 2 besides its content and times"},
		{"the mode of another file", "set_inode_field /nix-path-registration mode 0100666", "(/nix-path-registration)"},
		{"another file", "mkdir /var/lib/extra", "a change of inode"},
		{"a default access list of a directory above", "ea_set / user.extra x", "the directory with inode 2 besides its content and times"},
		{"the version of a directory above", "set_inode_field / version 0x41424344", "the directory with inode 2 besides its content and times"},
		{"the end of the map of a directory above", "set_inode_field / block[11] 0x41424344", "the directory with inode 2 besides its content and times"},
		{"the generation of the map of a directory above", "set_inode_field / block[2] 0x41424344", "the directory with inode 2 besides its content and times"},
		{"another name of a wanted file", "ln " + keyPath + " /var/lib/bootstrap/copy", "1 names in the new directory"},
		{"an attribute of another file", "ea_set /nix-path-registration user.extra x", "(/nix-path-registration)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := changedPair(t)
			testimage.DebugfsWrite(t, p.path, p.root, c.command)
			found := p.changes(t)
			ok := false
			for _, f := range found {
				ok = ok || strings.Contains(f.Message, c.want)
			}
			if !ok {
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}

func TestWhatADirectoryAboveKeepsBesideItsContentIsNotExplained(t *testing.T) {
	p := changedPair(t)
	testimage.DebugfsWrite(t, p.path, p.root, "fallocate / 1 9")
	out := testimage.Debugfs(t, p.path, p.root, "bmap / 5")
	var block int64
	if _, err := fmt.Sscan(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:], &block); err != nil || block == 0 {
		t.Fatalf("%q: %v", out, err)
	}
	testimage.FlipByte(t, p.path, p.root+block*4096+10)
	if found := p.changes(t); len(found) != 1 || !strings.Contains(found[0].Message, "which the directory with inode 2 keeps beside its content") {
		t.Errorf("found %v", found)
	}
}

func TestWhatAWantedFileKeepsBesideItsContentIsNotExplained(t *testing.T) {
	p := changedPair(t)
	testimage.DebugfsWrite(t, p.path, p.root, "fallocate /srv/big 200 300")
	testimage.Fsck(t, p.path, p.root)
	blockOf := func(n int) int64 {
		var block int64
		out := testimage.Debugfs(t, p.path, p.root, fmt.Sprintf("bmap /srv/big %d", n))
		if _, err := fmt.Sscan(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:], &block); err != nil || block == 0 {
			t.Fatalf("%q: %v", out, err)
		}
		return p.root + block*4096
	}
	if found := p.changes(t); len(found) != 1 || !strings.Contains(found[0].Message, "the blocks without content of inode") {
		t.Fatalf("before anything is hidden: %v", found)
	}
	for name, c := range map[string]struct {
		at   int64
		want string
	}{
		"in a block that is not written":    {blockOf(250) + 10, "beside its content"},
		"in the last block, behind the end": {blockOf(bigSize/4096) + 4090, "behind the end of inode"},
	} {
		testimage.FlipByte(t, p.path, c.at)
		found := p.changes(t)
		testimage.FlipByte(t, p.path, c.at)
		ok := false
		for _, f := range found {
			ok = ok || strings.Contains(f.Message, c.want)
		}
		if !ok {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

// Wanted files, and directories made for them, have nothing but their content, and what their directory gives them.
func TestWhatAWantedInodeHasBesidesIsNotExplained(t *testing.T) {
	value := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(value, []byte(strings.Repeat("v", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, command, want string // no want: it is explained
	}{
		{"an attribute of a file", "ea_set " + keyPath + " user.x y", "the extended attributes"},
		{"an attribute in a block of its own", "ea_set -f " + value + " " + keyPath + " user.x", "the extended attributes"},
		{"an attribute of a directory", "ea_set /var/lib/bootstrap user.x y", "the extended attributes"},
		{"a capability", "ea_set " + pubPath + " security.capability abcdefghij", "the extended attributes"},
		{"a file that is immutable and append-only", "sif " + keyPath + " flags 0x80030", "the flags 0x30"},
		{"a directory that is immutable", "sif /var/lib flags 0x80010", "the flags 0x10"},
		{"blocks behind the end", "fallocate " + keyPath + " 1 900", "the blocks without content"},
		{"a block of a directory without names", "expand /var/lib/bootstrap", "the blocks without a name"},
		{"a project", "sif " + keyPath + " projid 5", "the project"},
		{"a version", "sif " + keyPath + " version 0x41424344", "the version"},
		{"a version of a directory", "sif /var/lib version 0x41424344", "the version"},
		{"the end of the map", "sif " + keyPath + " block[11] 0x41424344", "what is in the block map beside it"},
		{"the end of a directory's map", "sif /var/lib block[11] 0x41424344", "what is in the block map beside it"},
		{"the end of a symlink", "sif /srv/link block[11] 0x41424344", "what is behind the target"},
		{"a generation", "sif " + keyPath + " generation 5", "the generation"},
		{"what the content brings with it", "sif " + keyPath + " mtime 20240229120000", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := changedPair(t)
			testimage.DebugfsWrite(t, p.path, p.root, c.command)
			found := p.changes(t)
			ok := c.want == "" && len(found) == 0
			for _, f := range found {
				ok = ok || c.want != "" && f.Code == codeChanged && f.Severity == Error && strings.Contains(f.Message, c.want)
			}
			if !ok {
				t.Errorf("found %v, want %q", found, c.want)
			}
		})
	}
}

// What was changed on both sides of a partition's beginning is told of both.
func TestAChangeAcrossABoundaryIsTwo(t *testing.T) {
	p := changedPair(t)
	for at := int64(8<<20 - 1024); at < 8<<20+1024; at += 512 {
		testimage.FlipByte(t, p.path, at)
	}
	found := p.changes(t)
	if len(found) != 2 || !strings.Contains(found[0].Message, "outside all partitions") || !strings.Contains(found[1].Message, "partition 1") {
		t.Errorf("found %v", found)
	}
}

// With blocks of 1 KiB the boot sector has a block of its own, before the superblock's.
func TestTheBootSectorsBlockIsCalledSo(t *testing.T) {
	image := testimage.Ext4(t, small(testimage.Profile{Name: "boot", Features: "filetype,sparse_super,extent", BlockSize: 1024, InodeSize: 256}))
	testimage.WriteAt(t, image, 0, []byte("boot code"))
	changed := filepath.Join(t.TempDir(), "changed.img")
	copyFile(t, image, changed)
	open := func(path string) *Disk {
		f, size := openImage(t, path)
		return &Disk{Reader: f, Size: size, Parts: []Part{{Size: size, Type: "ext4"}}}
	}
	secret := []byte("correct horse battery")
	p := &pair{before: open(image), after: open(changed), path: changed}
	for _, bytes := range [][]byte{secret, make([]byte, 1024)} {
		testimage.WriteAt(t, changed, 0, bytes)
		if found := p.changes(t); len(found) != 1 || !strings.Contains(found[0].Message, "a change in block 0, that of the boot sector") {
			t.Errorf("found %v", found)
		}
	}
	testimage.WriteAt(t, changed, 0, secret)
	want := []manifest.Entry{{Path: "/srv/absent", Kind: manifest.File, Secret: true, Content: newContent(secret)}}
	if found := leaks(t, p.after, want); len(found) != 1 || !strings.Contains(found[0].Message, "is also in block 0, that of the boot sector") {
		t.Errorf("found %v", found)
	}
}

// cut shortens a disk whose root is its last partition.
func (d *Disk) cut(n int64) {
	d.Size -= n
	d.Parts[d.Root].Size -= n
}

func TestAnotherLengthIsNotExplained(t *testing.T) {
	p := changedPair(t)
	for _, d := range []*Disk{p.before, p.after} { // room behind the file system, so that it stays whole
		d.cut(-8192)
		if err := d.Reader.(*os.File).Truncate(d.Size); err != nil {
			t.Fatal(err)
		}
	}
	whole := p.before.Size
	for _, c := range []struct {
		name  string
		disk  *Disk
		bytes int64
		want  string
	}{
		{"a longer image", p.before, 4096, fmt.Sprintf("that the image has %d bytes, and the original %d", whole, whole-4096)},
		{"a shorter image", p.after, 4096, fmt.Sprintf("that the image has %d bytes, and the original %d", whole-4096, whole)},
		{"a shorter one by less than a block", p.after, 512, fmt.Sprintf("that the image has %d bytes, and the original %d", whole-512, whole)},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.disk.cut(c.bytes)
			defer c.disk.cut(-c.bytes)
			both := p.structures(t)
			found, err := Changes(context.Background(), p.before, p.after, both[0], both[1], p.want)
			if err != nil || len(found) != 1 || found[0].Severity != Error || !strings.Contains(found[0].Message, c.want) {
				t.Errorf("found %v, error %v, want %q", found, err, c.want)
			}
			// What both have is compared all the same.
			testimage.FlipByte(t, p.path, 4<<20)
			found, err = Changes(context.Background(), p.before, p.after, both[0], both[1], p.want)
			testimage.FlipByte(t, p.path, 4<<20)
			if err != nil || len(found) != 2 || !strings.Contains(found[1].Message, "byte 4194304 of the disk") {
				t.Errorf("with another change: found %v, error %v", found, err)
			}
		})
	}
	p.before.Size -= 4096
	if found := p.changes(t); len(found) != 1 || !strings.Contains(found[0].Message, "that the image has") {
		t.Errorf("a longer image behind the same partitions: found %v", found)
	}
	p.before.Size += 4096
	p.before.Parts[1].Size -= 512
	if found := p.changes(t); len(found) != 1 || !strings.Contains(found[0].Message, "that the root has") {
		t.Errorf("a root of another size: found %v", found)
	}
	p.before.Parts[1].Start += 512
	if _, err := Changes(context.Background(), p.before, p.after, &Structure{}, &Structure{}, p.want); !errors.Is(err, ErrBefore) {
		t.Errorf("a root elsewhere: error %v", err)
	}
}
