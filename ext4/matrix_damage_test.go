package ext4_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Damaged images: an error of the right kind, no panic, no byte changed.

// spoilt is an image in memory, where damage is done to it. Offsets of the
// superblock's fields are those of the kernel's struct ext4_super_block.
type spoilt struct {
	path      string
	b         []byte
	blockSize int
}

const superblockAt = 1024

func (s *spoilt) super() []byte { return s.b[superblockAt : superblockAt+1024] }

func (s *spoilt) super16(at int, v uint16) {
	binary.LittleEndian.PutUint16(s.super()[at:], v)
	s.seal()
}
func (s *spoilt) super32(at int, v uint32) {
	binary.LittleEndian.PutUint32(s.super()[at:], v)
	s.seal()
}
func (s *spoilt) super8(at int, v byte) { s.super()[at] = v; s.seal() }

func (s *spoilt) or32(at int, bits uint32) {
	s.super32(at, binary.LittleEndian.Uint32(s.super()[at:])|bits)
}

// seal makes the superblock's checksum right again, so that what is found is
// the damage and not the checksum.
func (s *spoilt) seal() {
	const metadataCsum = 0x400 // of s_feature_ro_compat
	if binary.LittleEndian.Uint32(s.super()[0x64:])&metadataCsum != 0 {
		crc := ^crc32.Update(0, crc32.MakeTable(crc32.Castagnoli), s.super()[:0x3FC])
		binary.LittleEndian.PutUint32(s.super()[0x3FC:], crc)
	}
}

// descriptor is group 0's.
func (s *spoilt) descriptor() []byte { return s.b[max(s.blockSize, 2048):] }

func (s *spoilt) block(n uint32) []byte {
	return s.b[int(n)*s.blockSize : (int(n)+1)*s.blockSize]
}

func (s *spoilt) blockBitmap() []byte { return s.block(binary.LittleEndian.Uint32(s.descriptor())) }
func (s *spoilt) inodeBitmap() []byte { return s.block(binary.LittleEndian.Uint32(s.descriptor()[4:])) }

// data is the first block of a directory.
func (s *spoilt) data(t *testing.T, name string) []byte {
	t.Helper()
	return s.block(s.blocks(t, name)[0])
}

// blocks are the numbers of all blocks of a directory, in order.
func (s *spoilt) blocks(t *testing.T, name string) []uint32 {
	t.Helper()
	var commands []string
	for fb := range debugfsStat(t, s.path, strings.TrimPrefix(name, "/"))["Size"] / int64(s.blockSize) {
		commands = append(commands, fmt.Sprintf("bmap %s %d", name, fb))
	}
	var blocks []uint32
	for line := range strings.Lines(testimage.Debugfs(t, s.path, 0, commands...)) {
		if n, err := strconv.ParseUint(strings.TrimSpace(line), 10, 32); err == nil {
			blocks = append(blocks, uint32(n))
		}
	}
	if len(blocks) == 0 || len(blocks) != len(commands) {
		t.Fatalf("%s has the blocks %d, not %d of them", name, blocks, len(commands))
	}
	return blocks
}

// damage is done to one image; kinds are the errors that are right for it.
type damage struct {
	name  string
	do    func(t *testing.T, s *spoilt)
	kinds []error
}

func mustRefuseDamage(t *testing.T, profile string, tests []damage, fn func(tx *ext4.Tx) error) {
	t.Helper()
	p := testimage.ProfileNamed(profile)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &spoilt{path: testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 60}), blockSize: p.BlockSize}
			var err error
			if s.b, err = os.ReadFile(s.path); err != nil {
				t.Fatal(err)
			}
			test.do(t, s)
			if err := os.WriteFile(s.path, s.b, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := mustRefuse(t, s.path, fn, test.kinds...); err != nil {
				t.Log(err)
			}
		})
	}
}

var (
	corrupt     = []error{ext4.ErrCorrupt}
	unsupported = []error{ext4.ErrUnsupported}
	either      = []error{ext4.ErrCorrupt, ext4.ErrUnsupported}
)

// superblockDamage is refused on file systems with checksums and without.
var superblockDamage = []damage{
	{"the magic", func(t *testing.T, s *spoilt) { s.super16(0x38, 0xEF54) }, either},
	{"all zeros", func(t *testing.T, s *spoilt) { clear(s.super()) }, either},
	{"revision 0", func(t *testing.T, s *spoilt) { s.super32(0x4C, 0) }, either},
	{"a revision of the future", func(t *testing.T, s *spoilt) { s.super32(0x4C, 2) }, either},
	{"the errors flag", func(t *testing.T, s *spoilt) { s.super16(0x3A, 1|2) }, []error{ext4.ErrHasErrors}},
	{"not cleanly unmounted", func(t *testing.T, s *spoilt) { s.super16(0x3A, 0) }, []error{ext4.ErrNeedsRecovery, ext4.ErrCorrupt}},
	{"more blocks than the image has", func(t *testing.T, s *spoilt) {
		s.super32(4, uint32(len(s.b)/s.blockSize)+1)
	}, corrupt},
	{"no blocks", func(t *testing.T, s *spoilt) { s.super32(4, 0) }, corrupt},
	{"no inodes", func(t *testing.T, s *spoilt) { s.super32(0, 0) }, corrupt},
	{"more inodes than groups hold", func(t *testing.T, s *spoilt) { s.super32(0, 1<<31) }, corrupt},
	{"no inodes in a group", func(t *testing.T, s *spoilt) { s.super32(0x28, 0) }, corrupt},
	{"2³¹ inodes in a group", func(t *testing.T, s *spoilt) { s.super32(0x28, 1<<31) }, corrupt},
	{"no blocks in a group", func(t *testing.T, s *spoilt) { s.super32(0x20, 0) }, corrupt},
	{"more blocks in a group than a bitmap has bits", func(t *testing.T, s *spoilt) { s.super32(0x20, uint32(8*s.blockSize+8)) }, corrupt},
	{"blocks of 2⁴¹ bytes", func(t *testing.T, s *spoilt) { s.super32(0x18, 31) }, either},
	{"a block size shifted by 2³²-1", func(t *testing.T, s *spoilt) { s.super32(0x18, 1<<32-1) }, either},
	{"blocks of 64 KiB", func(t *testing.T, s *spoilt) { s.super32(0x18, 6) }, either},
	{"another cluster size", func(t *testing.T, s *spoilt) { s.super32(0x1C, 9) }, either},
	{"inodes of no bytes", func(t *testing.T, s *spoilt) { s.super16(0x58, 0) }, either},
	{"inodes of 100 bytes", func(t *testing.T, s *spoilt) { s.super16(0x58, 100) }, either},
	{"inodes larger than a block", func(t *testing.T, s *spoilt) { s.super16(0x58, 8192) }, either},
	{"inodes of 65535 bytes", func(t *testing.T, s *spoilt) { s.super16(0x58, 65535) }, either},
	{"a first data block in the middle", func(t *testing.T, s *spoilt) { s.super32(0x14, 500) }, corrupt},
	{"a first inode behind the last", func(t *testing.T, s *spoilt) { s.super32(0x54, 1<<30) }, corrupt},
	{"a first inode before the root", func(t *testing.T, s *spoilt) { s.super32(0x54, 1) }, corrupt},
	{"no journal inode", func(t *testing.T, s *spoilt) { s.super32(0xE0, 0) }, either},
	{"a journal inode that is none", func(t *testing.T, s *spoilt) { s.super32(0xE0, 1<<31) }, either},
	{"the root as journal inode", func(t *testing.T, s *spoilt) { s.super32(0xE0, 2) }, either},
	{"a directory hash of the future", func(t *testing.T, s *spoilt) { s.super8(0xFC, 99) }, either},
	{"more free blocks than blocks", func(t *testing.T, s *spoilt) { s.super32(0xC, 1<<31) }, corrupt},
	{"more free inodes than inodes", func(t *testing.T, s *spoilt) { s.super32(0x10, 1<<31) }, corrupt},
}

// anInjection goes through the root, makes directories and files.
func anInjection(tx *ext4.Tx) error {
	return run(tx, bootstrap(1024))
}

func TestDamagedSuperblocksAreRefused(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "no-checksums-4k", "gdt-checksums-1k"} {
		t.Run(profile, func(t *testing.T) { mustRefuseDamage(t, profile, superblockDamage, anInjection) })
	}
	t.Run("where there are checksums", func(t *testing.T) {
		mustRefuseDamage(t, "nixos-4k", []damage{
			{"the superblock's checksum", func(t *testing.T, s *spoilt) { s.super()[0x3FC] ^= 1 }, corrupt},
			{"a byte of the label", func(t *testing.T, s *spoilt) { s.super()[0x78] ^= 1 }, corrupt},
			{"a checksum type of the future", func(t *testing.T, s *spoilt) { s.super8(0x175, 2) }, either},
			{"descriptors of no bytes", func(t *testing.T, s *spoilt) { s.super16(0xFE, 0) }, either},
			{"descriptors of 65535 bytes", func(t *testing.T, s *spoilt) { s.super16(0xFE, 65535) }, either},
			{"2⁶³ blocks", func(t *testing.T, s *spoilt) { s.super32(0x150, 1<<31) }, either},
			{"a descriptor's checksum", func(t *testing.T, s *spoilt) { s.descriptor()[0x1E] ^= 1 }, corrupt},
			{"a descriptor", func(t *testing.T, s *spoilt) { s.descriptor()[0xC] ^= 1 }, corrupt},
			{"the block bitmap", func(t *testing.T, s *spoilt) { s.blockBitmap()[100] ^= 1 }, corrupt},
			{"the inode bitmap", func(t *testing.T, s *spoilt) { s.inodeBitmap()[10] ^= 1 }, corrupt},
			{"the root's block", func(t *testing.T, s *spoilt) { s.data(t, "/")[30] ^= 1 }, corrupt},
			{"a flex group of 2²⁵⁵ groups", func(t *testing.T, s *spoilt) { s.super8(0x174, 255) }, either},
		}, anInjection)
	})
	t.Run("where descriptors have checksums", func(t *testing.T) {
		mustRefuseDamage(t, "gdt-checksums-4k", []damage{
			{"a descriptor's checksum", func(t *testing.T, s *spoilt) { s.descriptor()[0x1E] ^= 1 }, corrupt},
			{"a descriptor", func(t *testing.T, s *spoilt) { s.descriptor()[0xC] ^= 1 }, corrupt},
		}, anInjection)
	})
}

func TestFeaturesThatAreRefusedAreRefusedByName(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	clean, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []struct {
		name string
		at   int
	}{{"compat", 0x5C}, {"incompat", 0x60}, {"ro_compat", 0x64}} {
		for bit := range 32 {
			feature, refused := ext4.RefusedBit(set.name, 1<<bit)
			if !refused {
				continue
			}
			t.Run(fmt.Sprintf("%s bit %d %s", set.name, bit, feature), func(t *testing.T) {
				s := &spoilt{path: path, b: append([]byte(nil), clean...), blockSize: 4096}
				s.or32(set.at, 1<<bit)
				if err := os.WriteFile(path, s.b, 0o644); err != nil {
					t.Fatal(err)
				}
				err := mustRefuse(t, path, anInjection, ext4.ErrUnsupported)
				if err != nil && !strings.Contains(err.Error(), feature) {
					t.Errorf("%q does not name %q", err, feature)
				}
			})
		}
	}
}

// Without checksums the structures themselves must be looked at.
func TestDamagedStructuresAreRefused(t *testing.T) {
	le16, le32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	field := func(commands ...string) func(t *testing.T, s *spoilt) {
		return func(t *testing.T, s *spoilt) {
			testimage.DebugfsWrite(t, s.path, 0, commands...)
			var err error
			if s.b, err = os.ReadFile(s.path); err != nil {
				t.Fatal(err)
			}
		}
	}
	inodes := []damage{
		{"the root is a file", field("sif <2> mode 0100644"), corrupt},
		{"the root is empty", field("sif <2> size 0"), corrupt},
		{"the root is half a block", field("sif <2> size 100"), corrupt},
		{"the root is larger than the image", field("sif <2> size 0x10000000000"), corrupt},
		{"the root's extents have no magic", field("sif <2> block[0] 0"), corrupt},
		{"the root has more extents than fit", field("sif <2> block[0] 0xfffff30a"), corrupt},
		{"the root's extents are seven levels deep", field("sif <2> block[1] 0x00070004"), corrupt},
		{"the root's extents lie outside", field("sif <2> block[5] 0x7fffffff"), corrupt},
		{"the root lies in the superblock", field("sif <2> block[5] 0"), corrupt},
		{"the root's extent is empty", field("sif <2> block[4] 0"), corrupt},
		{"the root is encrypted", field("sif <2> flags 0x80800"), either},
		{"the root has inline data", field("sif <2> flags 0x10000000"), either},
		{"the root's extra fields are too many", field("sif <2> extra_isize 60000"), corrupt},
		{"the root is indexed, with nothing like an index", field("sif <2> flags 0x81000"), corrupt},
	}
	for _, profile := range []string{"no-checksums-4k", "nixos-4k"} {
		t.Run("inodes of "+profile, func(t *testing.T) { mustRefuseDamage(t, profile, inodes, anInjection) })
	}
	entry := func(at int, value ...byte) func(t *testing.T, s *spoilt) {
		return func(t *testing.T, s *spoilt) { copy(s.data(t, "/")[at:], value) }
	}
	t.Run("directory entries", func(t *testing.T) {
		mustRefuseDamage(t, "no-checksums-4k", []damage{
			{"length 0", entry(4, 0, 0), corrupt},
			{"length 4", entry(4, 4, 0), corrupt},
			{"length 13", entry(4, 13, 0), corrupt},
			{"beyond the block", entry(12+4, 0xfc, 0xff), corrupt},
			{"a name longer than its entry", entry(24+6, 255), corrupt},
			{"an inode that is none", entry(24, 0xff, 0xff, 0xff, 0xff), corrupt},
		}, func(tx *ext4.Tx) error {
			if _, err := tx.ReadDir("."); err != nil {
				return err
			}
			return anInjection(tx)
		})
	})
	store := func(do func(root []byte)) func(t *testing.T, s *spoilt) {
		return func(t *testing.T, s *spoilt) { do(s.data(t, "/nix/store")) }
	}
	pointers := func(to uint32) func(root []byte) {
		return func(root []byte) {
			for at := 0x24; at < 0x24+8*int(binary.LittleEndian.Uint16(root[0x22:])); at += 8 {
				le32(root[at:], to)
			}
		}
	}
	t.Run("directory indexes", func(t *testing.T) {
		mustRefuseDamage(t, "no-checksums-1k", []damage{
			{"a hash of the future", store(func(r []byte) { r[0x1C] = 77 }), either},
			{"nine levels", store(func(r []byte) { r[0x1E] = 9 }), either},
			{"an information of another length", store(func(r []byte) { r[0x1D] = 12 }), either},
			{"unknown flags", store(func(r []byte) { r[0x1F] = 1 }), either},
			{"another limit", store(func(r []byte) { le16(r[0x20:], 9999) }), corrupt},
			{"no entries", store(func(r []byte) { le16(r[0x22:], 0) }), corrupt},
			{"more entries than fit", store(func(r []byte) { le16(r[0x22:], 2000) }), corrupt},
			{"leaves outside the directory", store(pointers(0xffffff)), corrupt},
			{"leaves that are the root", store(pointers(0)), corrupt},
			{"a leaf with an entry of length 0", func(t *testing.T, s *spoilt) {
				for _, leaf := range s.blocks(t, "/nix/store")[1:] {
					le16(s.block(leaf)[4:], 0)
				}
			}, corrupt},
		}, func(tx *ext4.Tx) error {
			return run(tx, entries("nix/store", 0, 300, 100))
		})
	})
	t.Run("bitmaps and descriptors", func(t *testing.T) {
		outside := []struct {
			name string
			at   int
		}{{"block bitmap", 0}, {"inode bitmap", 4}, {"inode table", 8}}
		var tests []damage
		for _, o := range outside {
			tests = append(tests,
				damage{"a " + o.name + " outside", func(t *testing.T, s *spoilt) { le32(s.descriptor()[o.at:], 0x7fffffff) }, corrupt},
				damage{"a " + o.name + " in block 0", func(t *testing.T, s *spoilt) { le32(s.descriptor()[o.at:], 0) }, corrupt})
		}
		tests = append(tests,
			damage{"a block bitmap without a free block", func(t *testing.T, s *spoilt) { fillWith(s.blockBitmap(), 0xff) }, corrupt},
			damage{"a block bitmap in which the tables are free", func(t *testing.T, s *spoilt) { clear(s.blockBitmap()) }, corrupt},
			damage{"an inode bitmap in which the root is free", func(t *testing.T, s *spoilt) { clear(s.inodeBitmap()) }, corrupt},
			damage{"an inode bitmap without a free inode", func(t *testing.T, s *spoilt) { fillWith(s.inodeBitmap(), 0xff) }, corrupt},
			damage{"more free blocks than the group has", func(t *testing.T, s *spoilt) { le16(s.descriptor()[0xC:], 0xffff) }, corrupt},
			damage{"more free inodes than the group has", func(t *testing.T, s *spoilt) { le16(s.descriptor()[0xE:], 0xffff) }, corrupt},
		)
		mustRefuseDamage(t, "no-checksums-4k", tests, anInjection)
	})
}

func fillWith(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func TestImagesThatAreCutShortAreRefused(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{info.Size() - 1, info.Size() / 2, 8192, 2048, 2047, 1025, 1024, 1, 0} {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			mustRefuse(t, path, anInjection, either...)
		})
	}
}
