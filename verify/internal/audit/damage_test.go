package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

// Images that are damaged by hand: indirect blocks without checksums, where debugfs changes nothing but what it is told to; and what
// NixOS makes.
var (
	plainImage = testimage.Options{Profile: testimage.Profile{Name: "plain", Features: "has_journal,ext_attr,resize_inode,filetype,sparse_super,large_file",
		BlockSize: 1024}, StorePaths: -1, Size: 20 << 20, Inodes: 400, BlocksPerGroup: 4096, Linear: true}
	summedImage = testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), StorePaths: -1, Size: 20 << 20, Inodes: 400,
		BlocksPerGroup: 4096, Linear: true}
)

// dressed has a file and directories of known numbers put in.
func dressed(t *testing.T, o testimage.Options) string {
	t.Helper()
	path := testimage.Ext4(t, o)
	small := filepath.Join(t.TempDir(), "small")
	if err := os.WriteFile(small, bytes.Repeat([]byte("boring\n"), 400), 0o600); err != nil {
		t.Fatal(err)
	}
	testimage.DebugfsWrite(t, path, 0, "write "+small+" a", "write "+small+" b", "mkdir d", "mkdir d/e", "mkdir d/e/f")
	return path
}

// inodeAt asks debugfs for an inode's number.
func inodeAt(t *testing.T, path, name string) uint64 {
	t.Helper()
	var ino uint64
	if _, err := fmt.Sscanf(testimage.Debugfs(t, path, 0, "show_inode_info "+name), "debugfs: show_inode_info "+name+"\nInode: %d", &ino); err != nil {
		t.Fatal(err)
	}
	return ino
}

func ofInode(name string) func(*testing.T, string) audit.Object {
	return func(t *testing.T, path string) audit.Object {
		if name[0] == '<' {
			var ino uint64
			fmt.Sscanf(name, "<%d>", &ino)
			return audit.Object{Kind: audit.Inode, Number: ino}
		}
		return audit.Object{Kind: audit.Inode, Number: inodeAt(t, path, name)}
	}
}

func of(kind audit.Kind, n uint64) func(*testing.T, string) audit.Object {
	return func(*testing.T, string) audit.Object { return audit.Object{Kind: kind, Number: n} }
}

func TestDamageByHand(t *testing.T) {
	for _, c := range []struct {
		name     string
		image    testimage.Options
		commands []string
		edit     func(image []byte) []byte
		code     audit.Code
		object   func(t *testing.T, path string) audit.Object
		severity audit.Severity
		stricter bool // than e2fsck, which mentions it and ends with 0
	}{
		{name: "a block of two files", image: plainImage, commands: []string{"sif a block[0] 9000", "sif b block[1] 9000"},
			code: audit.CodeClaimedTwice, object: ofInode("a"), severity: audit.Error},
		{name: "a block of two files, the other one", image: plainImage, commands: []string{"sif a block[0] 9000", "sif b block[1] 9000"},
			code: audit.CodeClaimedTwice, object: ofInode("b"), severity: audit.Error},
		{name: "a directory that nothing names", image: summedImage, commands: []string{"unlink d"},
			code: audit.CodeUnconnected, object: ofInode("<15>"), severity: audit.Error},
		{name: "a directory below itself", image: summedImage, commands: []string{"unlink d", "link <15> <16>/up"},
			code: audit.CodeUnconnected, object: ofInode("<15>"), severity: audit.Error},
		{name: "a file that nothing names", image: summedImage, commands: []string{"unlink a"},
			code: audit.CodeUnconnected, object: ofInode("<13>"), severity: audit.Error},
		{name: "too many links", image: summedImage, commands: []string{"sif a links_count 3"},
			code: audit.CodeLinkCount, object: ofInode("a"), severity: audit.Error},
		{name: "too few links of a directory", image: summedImage, commands: []string{"sif d links_count 2"},
			code: audit.CodeLinkCount, object: ofInode("d"), severity: audit.Error},
		{name: "too many links to be counted, which there are not", image: summedImage, commands: []string{"sif d links_count 1"},
			code: audit.CodeLinkCount, object: ofInode("d"), severity: audit.Error},
		{name: "a file with a time of deletion", image: summedImage, commands: []string{"sif a dtime @1700000000"},
			code: audit.CodeDeletedInode, object: ofInode("a"), severity: audit.Error},
		{name: "a file in a list of orphans", image: summedImage, commands: []string{"sif a dtime @12"},
			code: audit.CodeOrphan, object: ofInode("a"), severity: audit.Error},
		{name: "a file without links", image: summedImage, commands: []string{"sif a links_count 0"},
			code: audit.CodeDeletedInode, object: ofInode("a"), severity: audit.Error},
		{name: "no root", image: summedImage, commands: []string{"clri <2>"},
			code: audit.CodeUnconnected, object: ofInode("<2>"), severity: audit.Error},
		{name: "a root that is a file", image: summedImage, commands: []string{"sif <2> mode 0100755"},
			code: audit.CodeReservedInode, object: ofInode("<2>"), severity: audit.Error},
		{name: "a root with a time of deletion", image: summedImage, commands: []string{"sif <2> dtime @1700000000"},
			code: audit.CodeReservedInode, object: ofInode("<2>"), severity: audit.Error},
		{name: "a reserved inode with a mode", image: summedImage, commands: []string{"sif <6> mode 0100644"},
			code: audit.CodeReservedInode, object: ofInode("<6>"), severity: audit.Error},
		{name: "a boot loader that is a directory", image: summedImage, commands: []string{"sif <5> mode 040755"},
			code: audit.CodeReservedInode, object: ofInode("<5>"), severity: audit.Error},
		{name: "a boot loader that is a file", image: summedImage, commands: []string{"sif <5> mode 0100755"}},
		{name: "a journal that is a directory", image: summedImage, commands: []string{"sif <8> mode 040755"},
			code: audit.CodeReservedInode, object: ofInode("<8>"), severity: audit.Error},
		{name: "bad blocks with links", image: summedImage, commands: []string{"sif <1> links_count 1"},
			code: audit.CodeBadBlocksInode, object: ofInode("<1>"), severity: audit.Error},
		{name: "an inode whose checksum is wrong", image: summedImage, commands: []string{"sif a checksum 0x12345678"},
			code: audit.CodeInodeChecksum, object: ofInode("a"), severity: audit.Error},

		{name: "a block that is not marked", image: plainImage, commands: []string{"freeb 1"},
			code: audit.CodeBlockBitmap, object: of(audit.Group, 0), severity: audit.Error},
		{name: "a block that is marked for nothing", image: plainImage, commands: []string{"setb 9001"},
			code: audit.CodeBlockBitmap, object: of(audit.Group, 2), severity: audit.Error},
		{name: "an inode that is not marked", image: plainImage, commands: []string{"freei <2>"},
			code: audit.CodeInodeBitmap, object: of(audit.Group, 0), severity: audit.Error},
		{name: "an inode that is marked for nothing", image: plainImage, commands: []string{"seti <300>"},
			code: audit.CodeInodeBitmap, object: of(audit.Group, 3), severity: audit.Error},
		{name: "a wrong count of free blocks", image: summedImage, commands: []string{"set_bg 1 free_blocks_count 7", "set_bg 1 checksum calc"},
			code: audit.CodeCounters, object: of(audit.Group, 1), severity: audit.Error},
		{name: "a wrong count of free inodes", image: plainImage, commands: []string{"set_bg 2 free_inodes_count 7"},
			code: audit.CodeCounters, object: of(audit.Group, 2), severity: audit.Error},
		{name: "a wrong count of directories", image: summedImage, commands: []string{"set_bg 0 used_dirs_count 7", "set_bg 0 checksum calc"},
			code: audit.CodeCounters, object: of(audit.Group, 0), severity: audit.Error},
		{name: "a wrong count of all free blocks", image: summedImage, commands: []string{"ssv free_blocks_count 7"},
			code: audit.CodeCounters, object: of(audit.Superblock, 0), severity: audit.Warning},
		{name: "a wrong count of all free inodes", image: summedImage, commands: []string{"ssv free_inodes_count 7"},
			code: audit.CodeCounters, object: of(audit.Superblock, 0), severity: audit.Warning},
		{name: "a descriptor whose checksum is wrong", image: summedImage, commands: []string{"set_bg 0 checksum 0x1234"},
			code: audit.CodeDescriptorChecksum, object: of(audit.Group, 0), severity: audit.Error, stricter: true},
		{name: "a bitmap whose checksum is wrong", image: summedImage, commands: []string{"set_bg 0 block_bitmap_csum 0x1234", "set_bg 0 checksum calc"},
			code: audit.CodeBlockBitmapChecksum, object: of(audit.Group, 0), severity: audit.Error},
		{name: "an inode bitmap whose checksum is wrong", image: summedImage, commands: []string{"set_bg 0 inode_bitmap_csum 0x1234", "set_bg 0 checksum calc"},
			code: audit.CodeInodeBitmapChecksum, object: of(audit.Group, 0), severity: audit.Error},
		{name: "an inode table in another group's", image: summedImage, commands: []string{"set_bg 1 inode_table 200", "set_bg 1 checksum calc"},
			code: audit.CodeOverlap, object: of(audit.Group, 1), severity: audit.Error},
		{name: "the end of a bitmap is not filled", image: plainImage, edit: func(image []byte) []byte {
			bitmap := int(le.Uint32(image[2048:])) * 1024
			image[bitmap+1023] = 0x7f
			return image
		}, code: audit.CodeBlockBitmap, object: of(audit.Group, 0), severity: audit.Error},

		{name: "marked as having errors", image: summedImage, commands: []string{"ssv state 3"},
			code: audit.CodeErrorsFlag, object: of(audit.Superblock, 0), severity: audit.Warning},
		{name: "not unmounted", image: summedImage, commands: []string{"ssv state 0"},
			code: audit.CodeNotClean, object: of(audit.Superblock, 0), severity: audit.Warning},
		{name: "mounted in the future", image: summedImage, commands: []string{"ssv mtime @4000000000"},
			code: audit.CodeSuperblock, object: of(audit.Superblock, 0), severity: audit.Warning},
		{name: "too much is reserved", image: summedImage, commands: []string{"ssv r_blocks_count 20000"},
			code: audit.CodeSuperblock, object: of(audit.Superblock, 0), severity: audit.Error},
		{name: "a feature that nobody knows", image: plainImage, edit: func(image []byte) []byte {
			image[1024+0x63] |= 0x40
			return image
		}, code: audit.CodeFeatures, object: of(audit.Superblock, 0), severity: audit.Error},
		{name: "a superblock whose checksum is wrong", image: summedImage, edit: func(image []byte) []byte {
			image[1024+0x88] ^= 1 // of s_last_mounted
			return image
		}, code: audit.CodeSuperblockChecksum, object: of(audit.Superblock, 0), severity: audit.Error},
		{name: "no superblock, and a copy", image: testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), StorePaths: -1, Size: 20 << 20, Inodes: 400},
			edit: func(image []byte) []byte {
				clear(image[1024:2048])
				return image
			}, code: audit.CodeSuperblock, object: of(audit.Superblock, 0), severity: audit.Error},
		{name: "a copy with another UUID", image: plainImage, edit: func(image []byte) []byte {
			image[4097*1024+0x68] ^= 1
			return image
		}, code: audit.CodeBackup, object: of(audit.Superblock, 1), severity: audit.Warning},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := dressed(t, c.image)
			var object audit.Object
			if c.object != nil {
				object = c.object(t, path)
			}
			if c.commands != nil {
				testimage.DebugfsWrite(t, path, 0, c.commands...)
			}
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if c.edit != nil {
				image = c.edit(image)
				if err := os.WriteFile(path, image, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			v := judge(t, path, image, audit.Options{})
			if v.err != nil {
				t.Fatal(v.err)
			}
			if v.agree() == c.stricter {
				t.Errorf("e2fsck and we do not agree:\n%s", v.said())
			}
			if clean := c.code == "" || c.severity == audit.Warning; v.oursClean() != clean {
				t.Errorf("clean is %v:\n%s", !clean, v.said())
			}
			if c.code != "" && !slices.ContainsFunc(v.findings, func(f audit.Finding) bool {
				return f.Code == c.code && f.Object == object && f.Severity == c.severity
			}) {
				t.Errorf("%s of %v is not among the findings:\n%s", c.code, object, v.said())
			}
		})
	}
}

// TestWhatCannotBeJudged holds errors apart from findings.
func TestWhatCannotBeJudged(t *testing.T) {
	image, err := os.ReadFile(testimage.Ext4(t, plainImage))
	if err != nil {
		t.Fatal(err)
	}
	with := func(edit func([]byte)) []byte {
		image := bytes.Clone(image)
		edit(image)
		return image
	}
	for _, c := range []struct {
		name  string
		image []byte
	}{
		{"nothing", nil},
		{"half a superblock", image[:1536]},
		{"zeros", make([]byte, 1<<20)},
		{"no magic number, and nowhere a copy", with(func(b []byte) { clear(b) })},
		{"a journal on a device of its own", with(func(b []byte) { b[1024+0x60] |= 8 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := audit.Run(context.Background(), bytes.NewReader(c.image), int64(len(c.image)), audit.Options{}); !errors.Is(err, audit.ErrNotExt) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("an image that ends too early", func(t *testing.T) {
		r, err := audit.Run(context.Background(), bytes.NewReader(image), int64(len(image))-1, audit.Options{})
		if err != nil || r.Clean() {
			t.Errorf("%v, %v", r, err)
		}
	})
	t.Run("a disk that cannot be read", func(t *testing.T) {
		failing := brokenDisk{bytes.NewReader(image), 4096}
		if _, err := audit.Run(context.Background(), failing, int64(len(image)), audit.Options{}); !errors.Is(err, errBroken) {
			t.Errorf("%v", err)
		}
	})
	t.Run("somebody has lost patience", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := audit.Run(ctx, bytes.NewReader(image), int64(len(image)), audit.Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// brokenDisk cannot be read from some byte on.
type brokenDisk struct {
	*bytes.Reader
	from int64
}

var errBroken = errors.New("no more")

func (d brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.from {
		return 0, errBroken
	}
	return d.Reader.ReadAt(p, off)
}
