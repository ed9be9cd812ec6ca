package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// aFullInode makes files and directories that have all in their inodes that an inode can have.
func aFullInode(tx *Tx) error {
	a := Attr{Mode: 0o755}
	list := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []aclEntry{{aclUserObj, 7, aclNoID}, {aclUser, 5, 1000}, {aclGroupObj, 5, aclNoID}, {aclMask, 7, aclNoID}, {aclOther, 5, aclNoID}} {
		list = append(list, acl{e}.user()[4:]...)
	}
	errs := []error{
		tx.WriteFile("inline", bytes.NewReader(pattern(100, 1)), a),
		tx.WriteFile("plain", bytes.NewReader(pattern(5000, 1)), a),
		tx.SetXattr("plain", "user.a", []byte("in the inode")),
		tx.SetXattr("plain", "user.b", []byte("beside it")),
		tx.SetXattr("plain", "user.block", pattern(700, 2)),
		tx.SetXattr("plain", "trusted.block", pattern(90, 3)),
		tx.SetXattr("plain", "user.value", pattern(3000, 4)),
		tx.SetXattr("plain", "system.posix_acl_access", list),
		tx.Mkdir("dir", a),
		tx.Mkdir("dir/sub", a),
	}
	for i := range 5 {
		errs = append(errs, tx.WriteFile(fmt.Sprintf("dir/name-%d", i), bytes.NewReader(nil), a))
	}
	return errors.Join(errs...)
}

// everything reads all that there is and changes what aFullInode made.
func everything(fsys *FS) error {
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "lost+found" {
			return err
		}
		names, err := fsys.ListXattr(name)
		if err != nil {
			return err
		}
		for _, attr := range names {
			if _, err := fsys.Xattr(name, attr); err != nil {
				return err
			}
		}
		if d.Type().IsRegular() {
			_, err = fsys.ReadFile(name)
		}
		return err
	})
	changes := []func(tx *Tx) error{
		func(tx *Tx) error { return tx.SetXattr("plain", "user.block", pattern(650, 9)) },
		func(tx *Tx) error { return tx.SetXattr("plain", "user.value", pattern(2000, 9)) },
		func(tx *Tx) error { return tx.RemoveXattr("plain", "user.a") },
		func(tx *Tx) error { return tx.Chmod("plain", 0o640) },
		func(tx *Tx) error { return tx.WriteFile("dir/another", bytes.NewReader(pattern(70, 1)), Attr{}) },
		func(tx *Tx) error {
			return tx.WriteFile("dir/a-name-that-is-too-long-for-the-inode-"+strings.Repeat("n", 60), bytes.NewReader(nil), Attr{})
		},
		func(tx *Tx) error { return tx.Truncate("inline", 61) },
		func(tx *Tx) error { return tx.Truncate("inline", 6100) },
		func(tx *Tx) error { return tx.WriteFile("inline", bytes.NewReader(pattern(9, 1)), Attr{}) },
		func(tx *Tx) error { return tx.SetXattr("inline", "user.x", pattern(90, 1)) },
		func(tx *Tx) error { return tx.Rename("dir/name-1", "name-1") },
		func(tx *Tx) error { return tx.Rename("dir/sub", "sub") },
		func(tx *Tx) error { return tx.Remove("plain") },
		func(tx *Tx) error { return tx.RemoveAll("dir") },
	}
	for _, change := range changes {
		if updateErr := fsys.Update(func(tx *Tx) error { return errors.Join(change(tx), errGivenUp) }, WithTime(writeTime)); !errors.Is(updateErr, errGivenUp) {
			err = errors.Join(err, updateErr)
		} else if updateErr.Error() != errGivenUp.Error() {
			err = errors.Join(err, updateErr)
		}
	}
	return err
}

var errGivenUp = errors.New("given up")

// slot is where an inode is in an image.
func slot(t *testing.T, fsys *FS, ino Ino) (from, size int) {
	t.Helper()
	b, off, err := fsys.view.inodeAt(ino)
	if err != nil {
		t.Fatal(err)
	}
	return int(b)*fsys.view.blockSize + off, fsys.view.inodeSize
}

// fullImage is an image of aFullInode, and where its inodes, its block of attributes and the value's inode are.
func fullImage(t *testing.T, features string) (image []byte, at map[string][2]int) {
	t.Helper()
	path := mkfs(t, 8, features, 1024, 256, "-J", "size=1")
	fsys := openImage(t, path)
	mustUpdate(t, fsys, aFullInode)
	testimage.Fsck(t, path, 0)
	at = map[string][2]int{}
	for _, name := range []string{"inline", "plain", "dir", "dir/sub"} {
		loc, err := fsys.view.locate(name, true)
		if err != nil {
			t.Fatal(err)
		}
		from, size := slot(t, fsys, loc.node.ino)
		at[name] = [2]int{from, size}
		x, err := fsys.view.xattrsOf(loc.node)
		if err != nil {
			t.Fatal(err)
		}
		if x.at != 0 {
			at["block"] = [2]int{int(x.at) * 1024, 1024}
		}
		if a, ok := x.find(format.XattrUser, "value"); ok {
			from, size := slot(t, fsys, a.Inum)
			at["value"] = [2]int{from, size}
		}
	}
	return imageOf(t, path), at
}

// Bytes of inodes and of a block of attributes that are anything: no panic, no hang, an error or none, and nothing is written.
func TestAnythingInAnInodeIsNoPanic(t *testing.T) {
	t.Parallel()
	image, at := fullImage(t, "inline_data,ea_inode,^metadata_csum,^uninit_bg")
	places := []string{"inline", "plain", "dir", "dir/sub", "block", "value"}
	fsys, err := Open(&memDevice{image})
	if err == nil {
		err = everything(fsys)
	}
	if err != nil {
		t.Fatalf("where nothing is wrong: %v", err)
	}
	wrong := 0
	b := bytes.Clone(image)
	for seed := range uint64(1200) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := at[places[r.IntN(len(places))]]
		part := b[p[0]:][:p[1]]
		clean := bytes.Clone(part)
		for range 1 + r.IntN(3) {
			i := r.IntN(len(part))
			if r.IntN(2) == 0 && part[i] == 0 { // most bytes that mean something are not zero
				continue
			}
			part[i] = []byte{0, 1, 0xFF, byte(r.IntN(256)), part[i] ^ 1<<r.IntN(8)}[r.IntN(5)]
		}
		d := &readOnly{memDevice{b}, 0}
		fsys, err := Open(d)
		if err == nil {
			err = everything(fsys)
		}
		if err != nil {
			wrong++
		}
		if d.writes > 0 {
			t.Fatalf("seed %d: %d writes", seed, d.writes)
		}
		copy(part, clean)
	}
	if wrong < 100 {
		t.Errorf("of 1200 images %d had something wrong", wrong)
	}
}

// readOnly counts what is written to it.
type readOnly struct {
	memDevice
	writes int
}

func (d *readOnly) WriteAt(b []byte, off int64) (int, error) {
	d.writes++
	return d.memDevice.WriteAt(b, off)
}

// What is wrong in a way that somebody would trip over is told.
func TestDamageOfAttributesAndInlineDataIsTold(t *testing.T) {
	t.Parallel()
	image, at := fullImage(t, "inline_data,ea_inode,^metadata_csum,^uninit_bg")
	const ibody = 128 + 32 // of an inode: the magic of attributes
	put32 := binary.LittleEndian.PutUint32
	put16 := binary.LittleEndian.PutUint16
	for _, c := range []struct {
		name, place string
		spoil       func(b []byte)
	}{
		{"an attribute's name passes the inode's end", "plain", func(b []byte) { b[ibody+4] = 200 }},
		{"an attribute without a name's index", "plain", func(b []byte) { b[ibody+4+1] = 0; b[ibody+4] = 1 }},
		{"a value passes the inode's end", "plain", func(b []byte) { put16(b[ibody+4+2:], 90) }},
		{"a value lies in the entries", "plain", func(b []byte) { put16(b[ibody+4+2:], 4) }},
		{"a value of 2 GiB", "plain", func(b []byte) { put32(b[ibody+4+8:], 1<<31) }},
		{"a value within another one", "plain", func(b []byte) { copy(b[ibody+4+20+2:][:2], b[ibody+4+2:]) }},
		{"a block of attributes of another magic", "block", func(b []byte) { b[0] ^= 1 }},
		{"a block of attributes that nobody uses", "block", func(b []byte) { put32(b[4:], 0) }},
		{"a block of attributes of two blocks", "block", func(b []byte) { put32(b[8:], 2) }},
		{"a value in a block that has changed", "block", func(b []byte) { b[len(b)-1] ^= 1 }},
		{"an entry's hash in a block", "block", func(b []byte) { b[32+12] ^= 1 }},
		{"an access list of another version", "block", func(b []byte) {
			i := bytes.LastIndex(b, []byte{1, 0, 0, 0, 1, 0, 7, 0})
			b[i] = 9
		}},
		{"a value in an inode that is none for values", "value", func(b []byte) { put32(b[0x20:], format.InodeExtents) }},
		{"a value in an inode of another size", "value", func(b []byte) { put32(b[4:], 2999) }},
		{"a value in an inode of another hash", "value", func(b []byte) { b[8] ^= 1 }},
		{"a value in an inode that nothing refers to", "value", func(b []byte) { put32(b[0x24:], 0) }},
		{"a value in an inode that is a directory", "value", func(b []byte) { put16(b, 0o40600) }},
		{"data in the inode without its attribute", "inline", func(b []byte) { b[ibody] = 1 }},
		{"data in the inode and extents", "inline", func(b []byte) { put32(b[0x20:], format.InodeInlineData|format.InodeExtents) }},
		{"blocks beside data in the inode", "inline", func(b []byte) { put32(b[0x1C:], 2) }},
		{"a directory in the inode of another size", "dir", func(b []byte) { put32(b[4:], 64) }},
		{"a directory in the inode whose parent is none", "dir", func(b []byte) { put32(b[0x28:], 0) }},
		{"a directory in the inode whose parent is another", "dir/sub", func(b []byte) { put32(b[0x28:], 2) }},
		{"an entry in the inode of no length", "dir", func(b []byte) { put16(b[0x28+4+4:], 0) }},
		{"an entry in the inode that passes its part", "dir", func(b []byte) { put16(b[0x28+4+4:], 60) }},
		{"an entry in the inode for an inode beyond the last", "dir", func(b []byte) { put32(b[0x28+4:], 1<<30) }},
		{"an entry in the inode with a slash", "dir", func(b []byte) { b[0x28+4+8] = '/' }},
		{"a name twice in the inode", "dir", func(b []byte) { i := bytes.Index(b, []byte("name-1")); b[i+5] = '0' }},
		{"a directory in the inode with a link too many", "dir", func(b []byte) { put16(b[0x1A:], 4) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(image)
			p := at[c.place]
			c.spoil(b[p[0]:][:p[1]])
			if bytes.Equal(b, image) {
				t.Fatal("nothing was spoilt")
			}
			d := &readOnly{memDevice{b}, 0}
			fsys, err := Open(d)
			if err == nil {
				err = everything(fsys)
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v, want %v", err, ErrCorrupt)
			}
			if d.writes > 0 {
				t.Errorf("%d writes", d.writes)
			}
		})
	}
}
