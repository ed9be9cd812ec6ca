package format_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// These tests let debugfs set each field by its name and look where the value arrives.

func smallImage(t *testing.T, features string) string {
	t.Helper()
	testimage.Require(t, "mke2fs", "debugfs")
	path := filepath.Join(t.TempDir(), "image")
	out, err := testimage.Command(t, "mke2fs", "-q", "-t", "ext4", "-b", "1024", "-I", "256", "-O", features, path, "2M").CombinedOutput()
	if err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return path
}

// set runs a command of debugfs on a copy of the image and returns the copy's bytes.
func set(t *testing.T, image []byte, command string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := testimage.Command(t, "debugfs", "-w", "-R", command, path).CombinedOutput()
	if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil || len(lines) > 1 {
		t.Fatalf("debugfs %s: %v\n%s", command, err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSuperblockFieldsAreWhereDebugfsPutsThem(t *testing.T) {
	path := smallImage(t, "64bit,^has_journal,^metadata_csum,^resize_inode")
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	get := func(sb format.Superblock, field any) uint64 {
		switch f := field.(type) {
		case format.U8:
			return uint64(f.Get(sb))
		case format.U16:
			return uint64(f.Get(sb))
		case format.U32:
			return uint64(f.Get(sb))
		case format.U64:
			return f.Get(sb)
		case func(format.Superblock) uint64:
			return f(sb)
		}
		t.Fatalf("a field of type %T", field)
		return 0
	}
	for _, c := range []struct {
		name  string
		field any
		value uint64
	}{
		{"inodes_count", format.SInodesCount, 0x01020304},
		{"r_blocks_count", format.Superblock.ReservedBlocks, 0x0102030405060708},
		{"free_blocks_count", format.Superblock.FreeBlocks, 0x0102030405060708},
		{"free_inodes_count", format.SFreeInodesCount, 0x01020304},
		{"log_cluster_size", format.SLogClusterSize, 0x01020304},
		{"clusters_per_group", format.SClustersPerGroup, 0x01020304},
		{"mtime", format.SMtime, 0x01020304},
		{"mnt_count", format.SMntCount, 0x0102},
		{"max_mnt_count", format.SMaxMntCount, 0x0102},
		{"state", format.SState, 0x0102},
		{"errors", format.SErrors, 0x0102},
		{"minor_rev_level", format.SMinorRevLevel, 0x0102},
		{"lastcheck", format.SLastcheck, 0x01020304},
		{"checkinterval", format.SCheckinterval, 0x01020304},
		{"creator_os", format.SCreatorOS, 0x01020304},
		{"def_resuid", format.SDefResuid, 0x0102},
		{"def_resgid", format.SDefResgid, 0x0102},
		{"first_ino", format.SFirstIno, 0x01020304},
		{"reserved_gdt_blocks", format.SReservedGDTBlocks, 0x0102},
		{"journal_inum", format.SJournalInum, 0x01020304},
		{"journal_dev", format.SJournalDev, 0x01020304},
		{"last_orphan", format.SLastOrphan, 0x01020304},
		{"def_hash_version", format.SDefHashVersion, 2}, // "tea"
		{"jnl_backup_type", format.SJnlBackupType, 7},
		{"default_mount_opts", format.SDefaultMountOpts, 0x01020304},
		{"first_meta_bg", format.SFirstMetaBG, 0x01020304},
		{"mkfs_time", format.SMkfsTime, 0x01020304},
		{"min_extra_isize", format.SMinExtraIsize, 0x0102},
		{"want_extra_isize", format.SWantExtraIsize, 0x0102},
		{"flags", format.SFlags, 0x01020304},
		{"log_groups_per_flex", format.SLogGroupsPerFlex, 9},
		{"checksum_type", format.SChecksumType, 9},
		{"kbytes_written", format.SKbytesWritten, 0x0102030405060708},
		{"error_count", format.SErrorCount, 0x01020304},
		{"checksum_seed", format.SChecksumSeed, 0x01020304},
		{"orphan_file_inum", format.SOrphanFileInum, 0x01020304},
	} {
		t.Run(c.name, func(t *testing.T) {
			value := fmt.Sprintf("%#x", c.value)
			if c.name == "def_hash_version" {
				value = "tea"
			}
			sb := format.Superblock(set(t, image, "ssv "+c.name+" "+value)[1024:2048])
			if got := get(sb, c.field); got != c.value {
				t.Errorf("got %#x, want %#x", got, c.value)
			}
		})
	}
}

func TestInodeFieldsAreWhereDebugfsPutsThem(t *testing.T) {
	path := smallImage(t, "64bit,^has_journal,^metadata_csum,^resize_inode")
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// lost+found is inode 11, in the table that begins where the descriptor says.
	inode := func(b []byte) format.Inode {
		table := int(format.GroupDesc(b[2048:][:64]).InodeTable())
		return format.Inode(b[table*1024+10*256:][:256])
	}
	for _, c := range []struct {
		name, value string
		got         func(in format.Inode) any
		want        any
	}{
		{"mode", "0x4155", func(in format.Inode) any { return format.IMode.Get(in) }, uint16(0x4155)},
		{"uid", "0x01020304", func(in format.Inode) any { return in.UID() }, uint32(0x01020304)},
		{"gid", "0x01020304", func(in format.Inode) any { return in.GID() }, uint32(0x01020304)},
		{"size", "0x0102030405060708", func(in format.Inode) any { return in.Size() }, uint64(0x0102030405060708)},
		{"atime", "@0x01020304", func(in format.Inode) any { return in.Atime().Sec }, int64(0x01020304)},
		{"ctime", "@0x01020304", func(in format.Inode) any { return in.Ctime().Sec }, int64(0x01020304)},
		{"mtime", "@0x101020304", func(in format.Inode) any { return in.Mtime().Sec }, int64(0x101020304)},
		{"crtime", "@0x201020304", func(in format.Inode) any { return in.Crtime().Sec }, int64(0x201020304)},
		{"atime_extra", "0x0102030c", func(in format.Inode) any { return in.Atime().Nsec }, uint32(0x0102030c >> 2)},
		{"dtime", "@0x01020304", func(in format.Inode) any { return format.IDtime.Get(in) }, uint32(0x01020304)},
		{"links_count", "0x0102", func(in format.Inode) any { return format.ILinksCount.Get(in) }, uint16(0x0102)},
		{"blocks", "0x010203040506", func(in format.Inode) any { return in.RawBlocks() }, uint64(0x010203040506)},
		{"flags", "0x01020304", func(in format.Inode) any { return format.IFlags.Get(in) }, uint32(0x01020304)},
		{"version", "0x01020304", func(in format.Inode) any { return format.IVersion.Get(in) }, uint32(0x01020304)},
		{"generation", "0x01020304", func(in format.Inode) any { return format.IGeneration.Get(in) }, uint32(0x01020304)},
		{"file_acl", "0x010203040506", func(in format.Inode) any { return in.FileACL() }, format.FSBlock(0x010203040506)},
		{"extra_isize", "28", func(in format.Inode) any { return format.IExtraIsize.Get(in) }, uint16(28)},
		{"projid", "0x01020304", func(in format.Inode) any { return format.IProjid.Get(in) }, uint32(0x01020304)},
		{"block[TIND]", "0x01020304", func(in format.Inode) any { return format.U32(56).Get(in.IBlock()) }, uint32(0x01020304)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := set(t, image, fmt.Sprintf("sif <11> %s %s", c.name, c.value))
			if diff := cmp.Diff(c.want, c.got(inode(b))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGroupDescriptorFieldsAreWhereDebugfsPutsThem(t *testing.T) {
	for _, c := range []struct {
		features string
		size     int
		mask     uint64
	}{{"64bit,^has_journal,uninit_bg,^metadata_csum,^resize_inode", 64, 0xFFFFFFFFFFFF}, {"^64bit,^has_journal,uninit_bg,^metadata_csum,^resize_inode", 32, 0xFFFFFFFF}} {
		image, err := os.ReadFile(smallImage(t, c.features))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []struct {
			name  string
			value uint64
			get   func(d format.GroupDesc) uint64
		}{
			{"free_blocks_count", 0x0102, func(d format.GroupDesc) uint64 { return uint64(d.FreeBlocks()) }},
			{"free_inodes_count", 0x0102, func(d format.GroupDesc) uint64 { return uint64(d.FreeInodes()) }},
			{"used_dirs_count", 0x0102, func(d format.GroupDesc) uint64 { return uint64(d.UsedDirs()) }},
			{"itable_unused", 0x0102, func(d format.GroupDesc) uint64 { return uint64(d.ItableUnused()) }},
			{"flags", 0x0102, func(d format.GroupDesc) uint64 { return uint64(format.BGFlags.Get(d)) }},
			{"checksum", 0x0102, func(d format.GroupDesc) uint64 { return uint64(format.BGChecksum.Get(d)) }},
		} {
			t.Run(fmt.Sprintf("%d bytes, %s", c.size, f.name), func(t *testing.T) {
				b := set(t, image, fmt.Sprintf("set_bg 0 %s %#x", f.name, f.value))
				if got := f.get(format.GroupDesc(b[2048:][:c.size])); got != f.value {
					t.Errorf("got %#x, want %#x", got, f.value)
				}
			})
		}
	}
}

// What debugfs cannot set without losing its way is checked for both halves being used and for touching nothing else.
func TestWideCountsUseBothHalves(t *testing.T) {
	d := format.GroupDesc(make([]byte, 64))
	d.SetFreeBlocks(0x01020304)
	d.SetFreeInodes(0x05060708)
	d.SetUsedDirs(0x090A0B0C)
	d.SetItableUnused(0x0D0E0F10)
	d.SetBlockBitmapCsum(0x11121314)
	d.SetInodeBitmapCsum(0x15161718)
	want := make([]byte, 64)
	copy(want[0x0C:], []byte{4, 3, 8, 7, 0x0C, 0x0B})
	copy(want[0x18:], []byte{0x14, 0x13, 0x18, 0x17, 0x10, 0x0F})
	copy(want[0x2C:], []byte{2, 1, 6, 5, 0x0A, 9, 0x0E, 0x0D})
	copy(want[0x38:], []byte{0x12, 0x11, 0x16, 0x15})
	if !bytes.Equal(d, want) {
		t.Errorf("got  %x\nwant %x", []byte(d), want)
	}
}

func TestHashesAreDebugfsHashes(t *testing.T) {
	path := smallImage(t, "^has_journal")
	seedText := "b0f1b0f1-0203-4000-8000-0000000000a1"
	sb := format.Superblock(set(t, must(os.ReadFile(path)), "ssv hash_seed "+seedText)[1024:2048])
	names := []string{"a", "lost+found", "ssh_host_ed25519_key", "ä-ÿ-\u20ac", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 33),
		strings.Repeat("long name \xff", 23), strings.Repeat("z", 255)}
	var commands, want []string
	for version := range uint8(6) {
		for _, name := range names {
			for _, seed := range []string{"", seedText} {
				commands = append(commands, strings.TrimSpace(fmt.Sprintf("dx_hash -h %d %s", version, strings.TrimSpace(seedFlag(seed))))+fmt.Sprintf(" %q", name))
				key := [4]uint32{}
				if seed != "" {
					key = sb.HashSeed()
				}
				h, err := format.DirHash(version, key, []byte(name))
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, fmt.Sprintf("Hash of %s is 0x%0x", name, h))
			}
		}
	}
	script := filepath.Join(t.TempDir(), "script")
	// debugfs reads a quoted name byte by byte.
	text := strings.Join(commands, "\n")
	for _, name := range names {
		text = strings.ReplaceAll(text, fmt.Sprintf("%q", name), `"`+name+`"`)
	}
	if err := os.WriteFile(script, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := testimage.Command(t, "debugfs", "-f", script, path).CombinedOutput()
	if err != nil {
		t.Fatalf("debugfs: %v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if before, _, ok := strings.Cut(line, " (minor"); ok {
			got = append(got, before)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("our hashes (-) and debugfs' (+) differ:\n%s", diff)
	}
}

func seedFlag(seed string) string {
	if seed == "" {
		return ""
	}
	return "-s " + seed
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
