package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// xattrOp is one change, which the kernel and this package can both make.
type xattrOp struct {
	do    string // "set", "remove" or "chmod"
	file  string
	attr  string
	value []byte
	mode  uint32
}

func (o xattrOp) String() string {
	switch o.do {
	case "set":
		return fmt.Sprintf("set %s %.30s, %d bytes", o.file, o.attr, len(o.value))
	case "remove":
		return fmt.Sprintf("remove %s %.30s", o.file, o.attr)
	}
	return fmt.Sprintf("chmod %s %o", o.file, o.mode)
}

func (o xattrOp) byKernel(dir string) error {
	path := filepath.Join(dir, o.file)
	switch o.do {
	case "set":
		return unix.Setxattr(path, o.attr, o.value, 0)
	case "remove":
		return unix.Removexattr(path, o.attr)
	}
	return unix.Chmod(path, o.mode)
}

func (o xattrOp) byUs(tx *Tx) error {
	switch o.do {
	case "set":
		return tx.SetXattr(o.file, o.attr, o.value)
	case "remove":
		return tx.RemoveXattr(o.file, o.attr)
	}
	return tx.Chmod(o.file, fs.FileMode(o.mode))
}

// agree tells whether two errors say the same, as far as it matters: which of several mistakes is told first does not.
func agree(kernel, ours error) bool {
	switch {
	case kernel == nil:
		return ours == nil
	case errors.Is(kernel, unix.ENOSPC):
		return errors.Is(ours, ErrNoSpace)
	case errors.Is(kernel, unix.ENODATA):
		return errors.Is(ours, ErrNoXattr)
	}
	return ours != nil && !errors.Is(ours, ErrNoSpace) && !errors.Is(ours, ErrNoXattr)
}

// anACL is an access control list in the form of setxattr(2): one that a mode can say, one with a mask, or one that names people.
func anACL(r *rand.Rand) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	add := func(tag uint16, id uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, uint16(r.IntN(8)))
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	kind := r.IntN(4)
	add(aclUserObj, aclNoID)
	if kind >= 2 {
		for i := range r.IntN(4) {
			add(aclUser, uint32(1000+i))
		}
	}
	add(aclGroupObj, aclNoID)
	if kind == 3 {
		for i := range 1 + r.IntN(30) {
			add(aclGroup, uint32(1<<20+i))
		}
	}
	if kind >= 1 {
		add(aclMask, aclNoID)
	}
	add(aclOther, aclNoID)
	if r.IntN(20) == 0 {
		b = b[:len(b)-8] // without an entry that it must have
	}
	return b
}

func aXattrOp(r *rand.Rand, files []string, sizes []int) xattrOp {
	o := xattrOp{do: "set", file: files[r.IntN(len(files))]}
	attrs := []string{"user.a", "user.bb", "user.ccc", "user." + strings.Repeat("long", 30), "user.é", "trusted.t", "security.s", "security.capability",
		"system.posix_acl_access", "system.posix_acl_access", "system.posix_acl_default", "system.unknown", "nothing", "user."}
	o.attr = attrs[r.IntN(len(attrs))]
	switch k := r.IntN(10); {
	case k < 3:
		o.do = "remove"
		return o
	case k == 3:
		o.do, o.mode = "chmod", uint32(r.IntN(0o1000))
		return o
	}
	switch {
	case strings.HasPrefix(o.attr, "system.posix"):
		o.value = anACL(r)
	case o.attr == "security.capability" && r.IntN(5) > 0:
		o.value = append([]byte{1, 0, 0, 2}, make([]byte, 16)...)
		o.value[4] = byte(r.IntN(256))
	default:
		o.value = pattern(sizes[r.IntN(len(sizes))], byte(r.IntN(2)))
	}
	if o.attr == "security.capability" && len(o.value) == 0 {
		o.value = []byte{1} // nothing at all the kernel would store, and not give back
	}
	return o
}

// The same seeded changes by the kernel and by this package, to images that change hands: the same attributes, modes and errors.
func TestXattrsChangeAsUnderTheKernel(t *testing.T) {
	testimage.RequireRoot(t)
	for _, c := range []struct {
		features          string
		block, inode      int
		seeds, rounds, of int
	}{
		{"", 4096, 256, 2, 5, 60},
		{"", 1024, 128, 2, 4, 60},
		{"", 1024, 256, 2, 4, 60},
		{"", 2048, 1024, 1, 4, 60},
		{"^metadata_csum", 1024, 512, 1, 4, 60},
		{"ea_inode", 1024, 128, 2, 5, 60},
		{"ea_inode", 1024, 256, 2, 5, 60},
		{"ea_inode", 4096, 256, 2, 5, 60},
		{"ea_inode,^metadata_csum", 4096, 512, 1, 5, 60},
		{"ea_inode,^extent,^64bit", 1024, 256, 1, 5, 60},
		{"ea_inode,inline_data", 1024, 512, 1, 5, 60},
		{"ea_inode,inline_data", 4096, 256, 1, 5, 60},
		{"inline_data", 1024, 1024, 1, 5, 60},
	} {
		for seed := range uint64(c.seeds) {
			t.Run(fmt.Sprintf("%s of %d, inodes of %d, seed %d", c.features, c.block, c.inode, seed), func(t *testing.T) {
				t.Parallel()
				changeXattrs(t, rand.New(rand.NewPCG(seed, uint64(c.block+c.inode))), mkfs(t, 48, c.features, c.block, c.inode), c.rounds, c.of)
			})
		}
	}
}

func changeXattrs(t *testing.T, r *rand.Rand, path string, rounds, count int) {
	var files []string
	dir := testimage.MountRW(t, path, 0)
	for i := range 8 {
		name := fmt.Sprintf("file%d", i)
		if err := os.WriteFile(filepath.Join(dir, name), pattern(i*40, 1), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	for i := range 2 {
		name := fmt.Sprintf("dir%d", i)
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	files = append(files, "fifo")
	testimage.Unmount(t, dir)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, imageOf(t, path), 0o600); err != nil {
		t.Fatal(err)
	}
	block := openImage(t, path).Info().BlockSize
	sizes := []int{0, 1, 3, 4, 5, 20, 36, 60, 61, 68, 200, 500, block / 2, block - 32 - 20 - 4, block - 32 - 20 - 3, block - 32 - 24 - 4, block, 2 * block, 65536, 65537}
	for round := range rounds {
		var ops []xattrOp
		for range count {
			ops = append(ops, aXattrOp(r, files, sizes))
		}
		dir := testimage.MountRW(t, path, 0)
		var want []error
		for _, o := range ops {
			want = append(want, o.byKernel(dir))
		}
		tree := testimage.Tree(t, dir)
		testimage.Unmount(t, dir)
		for at := 0; at < len(ops); {
			n := min(1+r.IntN(12), len(ops)-at)
			mustUpdate(t, openImage(t, other), func(tx *Tx) error {
				for i := at; i < at+n; i++ {
					if err := ops[i].byUs(tx); !agree(want[i], err) {
						t.Errorf("round %d: %v: %v, the kernel says %v", round, ops[i], err, want[i])
					}
				}
				return nil
			})
			at += n
			testimage.Fsck(t, other, 0)
		}
		mounted := testimage.Mount(t, other, 0)
		got := testimage.Tree(t, mounted)
		testimage.Unmount(t, mounted)
		fsys := openImage(t, other)
		for _, name := range files {
			if diff := cmp.Diff(tree[name].Xattrs, got[name].Xattrs); diff != "" || tree[name].Mode != got[name].Mode {
				t.Errorf("round %d: %s: mode %o, want %o, attributes:\n%s", round, name, got[name].Mode, tree[name].Mode, diff)
			}
			if diff := cmp.Diff(got[name].Xattrs, ourXattrs(t, fsys, name)); diff != "" {
				t.Errorf("round %d: %s: read by the kernel and by us:\n%s", round, name, diff)
			}
		}
		if t.Failed() {
			return
		}
		path, other = other, path
	}
	testimage.Fsck(t, other, 0)
}

// ourXattrs reads a file's attributes through this package.
func ourXattrs(t *testing.T, fsys *FS, name string) map[string]string {
	t.Helper()
	names, err := fsys.ListXattr(name)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]string
	for _, attr := range names {
		value, err := fsys.Xattr(name, attr)
		if err != nil {
			t.Fatalf("%s: %v", attr, err)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[attr] = string(value)
	}
	return all
}
