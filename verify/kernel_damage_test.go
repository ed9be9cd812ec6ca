// Damage that libraries read past, judged by who has to live with it: the Linux kernel, which mounts the image as the first boot
// does, and e2fsck.

package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

const notWanted = " is not what is wanted"

// kernelSays mounts a copy of an image for writing and reads what is wanted. It returns what is wrong, or "".
func kernelSays(tb testing.TB, path string, want []manifest.Entry) string {
	tb.Helper()
	path = copyOf(tb, path)
	defer os.Remove(path)
	run := func(name string, args ...string) (string, error) {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	device, err := run("losetup", "--find", "--show", path)
	if err != nil {
		tb.Fatalf("losetup: %v: %s", err, device)
	}
	defer func() {
		if out, err := run("losetup", "--detach", device); err != nil {
			tb.Errorf("losetup: %v: %s", err, out)
		}
	}()
	dir := tb.TempDir()
	if out, err := run("mount", "-t", "ext4", "-o", "rw,noinit_itable,errors=continue", device, dir); err != nil {
		return "it does not mount: " + strings.Split(out, "\n")[0]
	}
	defer func() {
		if out, err := run("umount", dir); err != nil {
			tb.Errorf("umount: %v: %s", err, out)
		}
	}()
	for _, e := range want {
		at := filepath.Join(dir, e.Path)
		switch info, err := os.Lstat(at); {
		case err != nil:
			return err.Error()
		case e.Kind == manifest.File:
			got, err := os.ReadFile(at)
			if err != nil {
				return err.Error()
			}
			if !bytes.Equal(got, contentOf(tb, e)) || info.Mode().Perm() != e.Mode.Perm() {
				return e.Path + notWanted
			}
		case e.Kind == manifest.Directory && !info.IsDir():
			return e.Path + " is no directory"
		}
	}
	return ""
}

// fsckSays returns the first complaint of e2fsck, or "". Complaints that match one of those to leave out do not count.
func fsckSays(path string, leaveOut ...string) string {
	err := testimage.FsckErr(path, 0)
	if err == nil {
		return ""
	}
	said := false
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		skip := line == "" || line == "Fix? no" || strings.HasPrefix(line, "Pass ") || strings.HasPrefix(line, "e2fsck") || strings.Contains(line, "***** ") ||
			strings.Contains(line, "non-contiguous")
		for _, l := range leaveOut {
			skip = skip || strings.Contains(line, l)
		}
		if !skip {
			return line
		}
		said = said || strings.Contains(line, "no")
	}
	if len(leaveOut) == 0 {
		return err.Error()
	}
	return ""
}

// passed says whether either way of judging an image lets it pass.
func passed(tb testing.TB, path string, want []manifest.Entry) (bool, []Finding) {
	tb.Helper()
	f, size := openImage(tb, path)
	defer f.Close()
	with, errWith := Contents(context.Background(), f, size, want)
	without, errWithout := Bootstrap(context.Background(), f, size, withoutContent(want))
	var findings []Finding
	if with != nil {
		findings = with.Findings
	}
	return errWith == nil && with.OK() || errWithout == nil && without.OK(), findings
}

func flipBit(tb testing.TB, path string, at int64, bit int) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		tb.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b[:], at); err != nil {
		tb.Fatal(err)
	}
}

// blocksOf are the blocks of a file, as debugfs has them.
func blocksOf(tb testing.TB, path, file string) []int64 {
	tb.Helper()
	var all []int64
	for _, s := range strings.Fields(lastLine(testimage.Debugfs(tb, path, 0, "blocks "+file))) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// damages are what the kernel or e2fsck will not have, and libraries that check little read past.
func damages(blockSize int) []struct {
	name   string
	damage func(t *testing.T, path string)
} {
	bs := int64(blockSize)
	bit := func(of string, field int64, n int) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { flipBit(t, path, inodeOffset(t, path, blockSize, of)+field, n) }
	}
	debugfs := func(commands ...string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { testimage.DebugfsWrite(t, path, 0, commands...) }
	}
	journal := func(at int64, b ...byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			testimage.WriteAt(t, path, blocksOf(t, path, "<8>")[0]*bs+at, b)
		}
	}
	orphan := func(at int64) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { flipBit(t, path, blocksOf(t, path, "<12>")[3]*bs+at, 5) }
	}
	return []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"a bit of the key's access time", bit(keyPath, 0x08, 0)},
		{"a bit of the upper half of the key's checksum", bit(keyPath, 0x82, 3)},
		{"a bit of a directory's inode", bit("/var/lib/bootstrap", 0x10, 2)},
		{"a bit of the root's inode", bit("/", 0x10, 2)},
		{"the last byte of a directory's block", func(t *testing.T, path string) {
			testimage.FlipByte(t, path, (blocksOf(t, path, "/var/lib/bootstrap")[0]+1)*bs-1)
		}},
		{"the last byte of a block of the root directory", func(t *testing.T, path string) {
			testimage.FlipByte(t, path, (blocksOf(t, path, "/")[0]+1)*bs-1)
		}},
		{"a key without links", debugfs("set_inode_field " + keyPath + " links_count 0")},
		{"a key with a time of its removal", debugfs("set_inode_field " + keyPath + " dtime 20250101")},
		{"a key that says it is encrypted", debugfs("set_inode_field " + keyPath + " flags 0x80800")},
		{"a key that says it is under verity", debugfs("set_inode_field " + keyPath + " flags 0x180000")},
		{"a key that says it is an attribute's value", debugfs("set_inode_field " + keyPath + " flags 0x280000")},
		{"a key that says it is a hashed directory", debugfs("set_inode_field " + keyPath + " flags 0x81000")},
		{"a key without extents", debugfs("set_inode_field " + keyPath + " flags 0")},
		{"a key whose inode is marked as free", debugfs("freei " + keyPath)},
		{"a key whose block is marked as free", func(t *testing.T, path string) {
			testimage.DebugfsWrite(t, path, 0, fmt.Sprintf("freeb %d", blocksOf(t, path, keyPath)[0]))
		}},
		{"a key with too many blocks counted", debugfs("set_inode_field " + keyPath + " blocks 24")},
		{"a key whose attributes are nowhere", debugfs("set_inode_field " + keyPath + " file_acl 0xfffffff")},
		{"a directory with a link too many", debugfs("set_inode_field /var/lib links_count 5")},
		{"a bit of the superblock's checksum", func(t *testing.T, path string) { flipBit(t, path, 1024+0x3fc, 4) }},
		{"a bit of a descriptor's free blocks", func(t *testing.T, path string) { flipBit(t, path, max(2048, bs)+0x0c, 1) }},
		{"a bit of a descriptor's checksum", func(t *testing.T, path string) { flipBit(t, path, max(2048, bs)+0x1e, 1) }},
		{"a key without links on the list of orphans", func(t *testing.T, path string) {
			_, ino, _ := strings.Cut(testimage.Debugfs(t, path, 0, "stat "+keyPath), "Inode: ")
			testimage.DebugfsWrite(t, path, 0, "set_inode_field "+keyPath+" links_count 0", "set_super_value last_orphan "+strings.Fields(ino)[0])
		}},
		{"a bit of the magic number of the journal", journal(0, 0xC1)},
		{"a journal whose log begins elsewhere", journal(0x14, 0, 0, 0, 17)},
		{"a journal of another block size", journal(0x0C, 0, 0, 2, 0)},
		{"a journal that is longer than it is", journal(0x10, 0, 1, 0, 0)},
		{"a journal with an error", journal(0x20, 0xff, 0xff, 0xff, 0xfb)},
		{"a journal of an unknown feature", journal(0x28, 0, 1, 0, 0)},
		{"a journal that is a directory", debugfs("set_inode_field <8> mode 040600")},
		{"a journal without links", debugfs("set_inode_field <8> links_count 0")},
		{"a journal that is another inode", debugfs("set_super_value journal_inum 5")},
		{"a bit of an orphan file's magic number", orphan(bs - 8)},
		{"a bit of an orphan file's checksum", orphan(bs - 4)},
		{"a bit of an orphan file's inode", bit("<12>", 0x10, 2)},
		{"too many reserved descriptor blocks", debugfs("set_super_value reserved_gdt_blocks 2000")},
		{"an orphan file that is none", debugfs("set_super_value orphan_file_inum 3")},
		{"inodes that need more room than they have", debugfs("set_super_value min_extra_isize 200")},
		{"clusters that are no blocks", debugfs("set_super_value log_cluster_size 3")},
		{"more clusters in a group than blocks", debugfs("set_super_value clusters_per_group 3")},
		{"a file system of the Hurd", debugfs("set_super_value creator_os 1")},
		{"a quota file without quotas", debugfs("set_super_value usr_quota_inum 70000")},
		{"more reserved blocks than blocks", debugfs("set_super_value r_blocks_count 70000")},
		{"a directory that says it has too many links to count", debugfs("set_inode_field /var/lib links_count 1")},
		{"an unknown feature", debugfs("set_super_value feature_incompat 0x80202c2")},
		{"a file type that is another's in the directory", func(t *testing.T, path string) {
			patchEntry(t, path, bs, "/var/lib", "bootstrap", func(e []byte) { e[7] = 1 })
		}},
	}
}

// patchEntry changes a directory's entry, from its first byte on, in the directory's first block.
func patchEntry(t *testing.T, path string, bs int64, dir, name string, change func(e []byte)) {
	t.Helper()
	off := blocksOf(t, path, dir)[0] * bs
	f, _ := openImage(t, path)
	block := make([]byte, bs)
	if _, err := f.ReadAt(block, off); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(block, []byte(name))
	if at < 8 || int(block[at-2]) != len(name) {
		t.Fatalf("no entry %q in the first block of %s", name, dir)
	}
	change(block[at-8:])
	testimage.WriteAt(t, path, off, block)
}

func TestWhatTheKernelOrE2fsckRefusesDoesNotPass(t *testing.T) {
	testimage.RequireRoot(t)
	p := testimage.NixOS()
	want := standard(t)
	base := image(t, small(p), want)
	if s := kernelSays(t, base, want); s != "" {
		t.Fatalf("before any damage: %s", s)
	}
	if ok, findings := passed(t, base, want); !ok {
		t.Fatalf("before any damage: %v", findings)
	}
	for _, test := range damages(p.BlockSize) {
		t.Run(test.name, func(t *testing.T) {
			path := copyOf(t, base)
			test.damage(t, path)
			kernel, fsck := kernelSays(t, path, want), fsckSays(path)
			ok, findings := passed(t, path, want)
			t.Logf("kernel: %q\ne2fsck: %q\nfound: %v", kernel, strings.Split(fsck, "\n")[0], findings)
			if ok {
				t.Error("it passes")
			}
			if kernel == "" && fsck == "" {
				t.Error("neither the kernel nor e2fsck minds: the row shows nothing")
			}
		})
	}
}

func TestDirectoriesWithoutChecksumsThatAreDamagedDoNotPass(t *testing.T) {
	testimage.RequireRoot(t)
	p := testimage.ProfileNamed("gdt-checksums-4k")
	want := standard(t)
	base := image(t, small(p), want)
	testimage.DebugfsWrite(t, base, 0, "mkdir /var/lib/spare-one", "mkdir /var/lib/spare-two")
	testimage.Fsck(t, base, 0)
	const spare = "spare-one"
	for _, test := range []struct {
		name   string
		change func(e []byte)
	}{
		{"a slash in a name", func(e []byte) { e[10] = '/' }},
		{"a NUL in a name", func(e []byte) { e[10] = 0 }},
		{"a name of no length", func(e []byte) { e[6] = 0 }},
		{"the same name twice", func(e []byte) { copy(e[8:], "spare-two") }},
		{"the name of a wanted directory twice", func(e []byte) { copy(e[8:], "bootstrap") }},
		{"an entry that is too short for its name", func(e []byte) { e[6] = 200 }},
		{"an entry of no length", func(e []byte) { e[4], e[5] = 0, 0 }},
		{"an entry whose length is odd", func(e []byte) { e[4]++ }},
		{"an inode that there is not", func(e []byte) { binary.LittleEndian.PutUint32(e, 0xfffffff) }},
		{"a reserved inode", func(e []byte) { binary.LittleEndian.PutUint32(e, 8) }},
		{"a file type that there is not", func(e []byte) { e[7] = 9 }},
		{"a name that is a dot", func(e []byte) { e[6], e[8] = 1, '.' }},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := copyOf(t, base)
			patchEntry(t, path, 4096, "/var/lib", spare, test.change)
			kernel, fsck := kernelSays(t, path, want), fsckSays(path)
			ok, findings := passed(t, path, want)
			t.Logf("kernel: %q\ne2fsck: %q\nfound: %v", kernel, strings.Split(fsck, "\n")[0], findings)
			if ok {
				t.Error("it passes")
			}
			if kernel == "" && fsck == "" {
				t.Error("neither the kernel nor e2fsck minds: the row shows nothing")
			}
		})
	}
}

// wholeOnly are complaints that only a look at the whole file system could lead to: counts of what is free, how often a file is named
// elsewhere, and what the neighbours of what is wanted are.
var wholeOnly = []string{"blocks count wrong", "inodes count wrong", "irectories count wrong", "ref count is", "Unattached inode",
	"Connect to /lost+found", "incorrect filetype"}

func TestABitThatIsFlippedOnTheWayIsFoundOrHarmless(t *testing.T) {
	testimage.RequireRoot(t)
	flips, unguarded := 600, 150 // without checksums most of them pass, and have to be judged by the others
	if testing.Short() {
		flips, unguarded = 60, 15
	}
	for _, name := range []string{"nixos-4k", "pi-gen-1k", "gdt-checksums-4k", "no-checksums-1k"} {
		t.Run(name, func(t *testing.T) {
			p := testimage.ProfileNamed(name)
			o := hashed(p, 700)
			o.Size = 10 << 20
			want := standard(t)
			path := image(t, o, want)
			want = append(want, inHashed("name-00150")(t, path)...)
			holes := noise(9, 24*p.BlockSize)
			for i := 0; i < len(holes); i += 2 * p.BlockSize {
				clear(holes[i : i+p.BlockSize])
			}
			want = append(want, added(t, path, file("/srv/holes", holes))...)
			testimage.Fsck(t, path, 0)
			zones := metadata(t, path, p, want)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			checksums := strings.Contains(p.Features, "metadata_csum")
			flips := flips
			if !checksums {
				flips = unguarded
			}
			rnd := rand.New(rand.NewPCG(seedOfFlips(t), uint64(p.BlockSize)))
			harmless := 0
			for range flips {
				zone := zones[rnd.IntN(len(zones))]
				at, n := zone.at+rnd.Int64N(zone.length), rnd.IntN(8)
				data := bytes.Clone(whole)
				data[at] ^= 1 << n
				with, errWith := Contents(context.Background(), bytes.NewReader(data), int64(len(data)), want)
				without, errWithout := Bootstrap(context.Background(), bytes.NewReader(data), int64(len(data)), withoutContent(want))
				compared := errWith == nil && with.OK()
				if !compared && (errWithout != nil || !without.OK()) {
					continue
				}
				harmless++
				flipBit(t, path, at, n)
				title := fmt.Sprintf("bit %d of byte 0x%x of %s", n, at-zone.at, zone.name)
				// Without secrets nobody knows how long a file was that has no role.
				if s := kernelSays(t, path, want); s != "" && (compared || !strings.Contains(s, notWanted)) {
					t.Errorf("%s passes, and to the kernel %s", title, s)
				}
				// Nor what was in it; that its block is another file's as well, only a look at all files would tell.
				if s := fsckSays(path, wholeOnly...); s != "" && (compared || !strings.Contains(s, "claimed by more than one inode")) {
					t.Errorf("%s passes, and e2fsck says %s", title, s)
				}
				flipBit(t, path, at, n)
			}
			t.Logf("%d of %d passed", harmless, flips)
			// What passes is in unused fields of the journal's superblock, and in the room behind the entries of an index.
			if checksums && harmless > flips/8 {
				t.Errorf("%d of %d passed, and there are checksums", harmless, flips)
			}
		})
	}
}

// seedOfFlips is 18, or what FLIPS_SEED says, to look elsewhere.
func seedOfFlips(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("FLIPS_SEED")
	if text == "" {
		return 18
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type metadataZone struct {
	name       string
	at, length int64
}

// metadata are the pieces of metadata on the way to what is wanted.
func metadata(t *testing.T, path string, p testimage.Profile, want []manifest.Entry) []metadataZone {
	t.Helper()
	bs := int64(p.BlockSize)
	descSize := int64(32)
	if strings.Contains(p.Features, "64bit") {
		descSize = 64
	}
	zones := []metadataZone{{"the superblock", 1024, 1024}, {"the first descriptor", max(2048, bs), descSize}}
	dirs := []string{"/", "/var", "/var/lib", "/var/lib/bootstrap", "/var/lib/networkmanager", "/srv", "/hashed"}
	for _, dir := range dirs {
		zones = append(zones, metadataZone{"the inode of " + dir, inodeOffset(t, path, p.BlockSize, dir), 256})
		for i, b := range blocksOf(t, path, dir) {
			if i < 3 {
				zones = append(zones, metadataZone{fmt.Sprintf("block %d of %s", i, dir), b * bs, bs})
			}
		}
	}
	for _, e := range want {
		zones = append(zones, metadataZone{"the inode of " + e.Path, inodeOffset(t, path, p.BlockSize, e.Path), 256})
	}
	// The first number after the mark is the block of the extents that did not fit into the inode.
	_, etb, ok := strings.Cut(testimage.Debugfs(t, path, 0, "stat /srv/holes"), "(ETB0):")
	block, err := strconv.ParseInt(strings.FieldsFunc(etb, func(r rune) bool { return r < '0' || r > '9' })[0], 10, 64)
	if err != nil || !ok {
		t.Fatalf("/srv/holes has no block of extents: %v", err)
	}
	zones = append(zones, metadataZone{"the extents of /srv/holes", block * bs, 300})
	return append(zones, metadataZone{"the journal's superblock", blocksOf(t, path, "<8>")[0] * bs, 0x100})
}
