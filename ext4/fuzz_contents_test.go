package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"

	"github.com/google/go-cmp/cmp"
)

// This file fuzzes what an inode holds besides a map: data, directories and attributes in it, in their block and in inodes of their
// own. No checksum is in the way.

const freeOfChecksums = "ext_attr,filetype,extent,flex_bg,sparse_super,large_file,extra_isize,dir_index,64bit,inline_data,ea_inode"

// contentsImage is an image without checksums, with data and values in inodes.
func contentsImage(f *testing.F, inode int) *fuzzedImage {
	f.Helper()
	return makeFuzzedImage(f, fuzzedKind{fmt.Sprintf("inodes of %d bytes", inode), freeOfChecksums, 1024, inode, "1M", nil, nil})
}

// inodePlace is where an inode is.
func inodePlace(tb testing.TB, im *fuzzedImage, name string) int {
	tb.Helper()
	fsys, err := Open(&memDevice{im.data})
	if err != nil {
		tb.Fatal(err)
	}
	loc, err := fsys.view.locate(name, false)
	if err != nil {
		tb.Fatal(err)
	}
	b, off, err := fsys.view.inodeAt(loc.node.ino)
	if err != nil {
		tb.Fatal(err)
	}
	return int(b)*fsys.view.blockSize + off
}

// FuzzInline puts any bytes where a directory and a file have what is in their inodes: i_block and the value of system.data. Adding,
// removing and moving names, and changing the file, leave the image alone if they fail. What succeeds leaves the other names, and the
// content that was written.
func FuzzInline(f *testing.F) {
	var images []*fuzzedImage
	var places [][2]int
	for _, size := range []int{256, 512} {
		im := contentsImage(f, size)
		images = append(images, im)
		places = append(places, [2]int{inodePlace(f, im, "t"), inodePlace(f, im, "a/small")})
	}
	entry := func(ino uint32, recLen uint16, name string) []byte {
		b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint32(nil, ino), recLen)
		return append(append(b, byte(len(name)), 1), (name + "\x00\x00\x00")[:(len(name)+3)/4*4]...)
	}
	parent := []byte{12, 0, 0, 0}
	f.Add(uint8(0), slices.Concat(parent, entry(13, 56, "1")), []byte{}, []byte("content"), uint64(7))
	f.Add(uint8(1), slices.Concat(parent, entry(13, 12, "1"), entry(14, 44, "2")), slices.Concat(entry(15, 12, "0"), entry(0, 100, "")), bytes.Repeat([]byte("x"), 100), uint64(100))
	f.Add(uint8(0), slices.Concat(parent, entry(13, 12, "1"), entry(14, 12, "2")), entry(0, 0, ""), []byte{}, uint64(1<<40))
	f.Fuzz(func(t *testing.T, which uint8, block, value, content []byte, size uint64) {
		im, at := images[int(which)%len(images)], places[int(which)%len(images)]
		data := bytes.Clone(im.data)
		inodeSize := []int{256, 512}[int(which)%len(images)]
		dir, file := format.Inode(data[at[0]:][:inodeSize]), format.Inode(data[at[1]:][:inodeSize])
		put := func(in format.Inode, block, value []byte, size uint64) {
			value = value[:min(len(value), inodeSize-format.InodeBaseSize-60)]
			clear(in.IBlock())
			copy(in.IBlock(), block)
			list := []format.Xattr{format.NewXattr(format.XattrSystem, format.XattrInlineData, value)}
			if room := in.XattrRoom(); room < format.XattrsSize(list) {
				list[0] = format.NewXattr(format.XattrSystem, format.XattrInlineData, value[:0])
			}
			in.SetXattrs(list)
			format.IFlags.Set(in, format.IFlags.Get(in)&^format.InodeExtents|format.InodeInlineData)
			in.SetRawBlocks(0)
			in.SetSize(size)
		}
		value = value[:min(len(value), inodeSize-format.InodeBaseSize-60)]
		put(dir, block, value, uint64(format.IBlockSize+len(value)))
		put(file, content[:min(len(content), format.IBlockSize)], content[min(len(content), format.IBlockSize):], size)
		r := &recorder{now: data, failAt: -1}
		fsys, err := Open(r)
		if err != nil {
			t.Fatal(err)
		}
		names := func() map[string]bool {
			list, err := fsys.ReadDir("t")
			if mustBeOfAKind(t, err) != nil {
				return nil
			}
			there := map[string]bool{}
			for _, e := range list {
				there[e.Name()] = true
			}
			return there
		}
		update := func(fn func(tx *Tx) error) bool {
			writes := len(r.log)
			err := fsys.Update(fn, AcceptRisk())
			if mustBeOfAKind(t, err) != nil && len(r.log) != writes {
				t.Errorf("an error, and the image was changed: %v", err)
			}
			return err == nil
		}
		want := names()
		link := func(name string) func(tx *Tx) error {
			return func(tx *Tx) error { return tx.Link("a/file", "t/"+name) }
		}
		for _, name := range []string{"n", strings.Repeat("m", 30), strings.Repeat("l", 90)} {
			if had := want[name]; update(link(name)) {
				if want == nil || had {
					t.Fatalf("%q was added to a directory that cannot be read, or that had it", name)
				}
				want[name] = true
			}
		}
		for _, name := range []string{"1", "n"} {
			if update(func(tx *Tx) error { return tx.Remove("t/" + name) }) {
				delete(want, name)
			}
		}
		if update(func(tx *Tx) error { return tx.Rename("a/again", "t/0") }) {
			want["0"] = true
		}
		if want != nil {
			if diff := cmp.Diff(want, names()); diff != "" {
				t.Errorf("the names that should be there (-) and those that are (+):\n%s", diff)
			}
		}
		_, err = fsys.ReadFile("a/small")
		mustBeOfAKind(t, err)
		for _, n := range []int{61, 20, 3000} {
			content := pattern(n, byte(n))
			if update(func(tx *Tx) error { return tx.WriteFile("a/small", bytes.NewReader(content), Attr{}) }) {
				if got, err := fsys.ReadFile("a/small"); err != nil || !bytes.Equal(content, got) {
					t.Errorf("%d bytes were written, %d are there: %v", n, len(got), err)
				}
			}
			old, readErr := fsys.ReadFile("a/small")
			if update(func(tx *Tx) error { return tx.Truncate("a/small", 200) }) && readErr == nil {
				cut := make([]byte, 200)
				copy(cut, old)
				if got, err := fsys.ReadFile("a/small"); err != nil || !bytes.Equal(cut, got) {
					t.Errorf("%d bytes were made 200, %d are there: %v", len(old), len(got), err)
				}
			}
		}
	})
}

// FuzzXattrs puts any bytes where a file has its attributes: in the inode, in the block and in the inode of a value. Setting and
// removing attributes leaves the image alone if it fails. What succeeds leaves the others.
func FuzzXattrs(f *testing.F) {
	var images []*fuzzedImage
	var spots [][][2]int
	for _, size := range []int{256, 1024} {
		im := contentsImage(f, size)
		at := inodePlace(f, im, "a/file")
		in := format.Inode(im.data[at:][:size])
		list, err := in.Xattrs()
		if err != nil {
			f.Fatal(err)
		}
		places := [][2]int{{at + size - len(in.XattrArea()), len(in.XattrArea())}, {at + 0x68, 4}}
		if b := in.FileACL(); b != 0 {
			block := im.data[int(b)*1024:][:1024]
			places = append(places, [2]int{int(b) * 1024, 1024})
			more, err := format.XattrBlock(block).Xattrs()
			if err != nil {
				f.Fatal(err)
			}
			list = append(list, more...)
		}
		fsys, err := Open(&memDevice{im.data})
		if err != nil {
			f.Fatal(err)
		}
		for _, x := range list {
			if x.Inum == 0 {
				continue
			}
			b, off, err := fsys.view.inodeAt(x.Inum)
			if err != nil {
				f.Fatal(err)
			}
			places = append(places, [2]int{int(b)*1024 + off, size})
		}
		if len(places) < 3 {
			f.Fatal("no value is in an inode, and there is no block")
		}
		images, spots = append(images, im), append(spots, places)
	}
	f.Add(uint8(0), uint16(4), []byte{0, 0, 0, 0})
	f.Add(uint8(1), uint16(0), []byte{2, 0, 0, 0xEA})
	f.Add(uint8(2), uint16(3), []byte{0, 0, 0, 0, 12})
	f.Add(uint8(4), uint16(4), []byte{2})
	f.Fuzz(func(t *testing.T, which uint8, off uint16, change []byte) {
		im := images[int(which)%len(images)]
		places := spots[int(which)%len(images)]
		p := places[int(which)/len(images)%len(places)]
		data := bytes.Clone(im.data)
		for i, c := range change {
			if at := int(off)%p[1] + i; at < p[1] {
				data[p[0]+at] ^= c
			}
		}
		r := &recorder{now: data, failAt: -1}
		fsys, err := Open(r)
		if err != nil {
			t.Fatal(err)
		}
		all := func() map[string]string {
			names, err := fsys.ListXattr("a/file")
			if mustBeOfAKind(t, err) != nil {
				return nil
			}
			list := map[string]string{}
			for _, name := range names {
				value, err := fsys.Xattr("a/file", name)
				if mustBeOfAKind(t, err) != nil {
					return nil
				}
				list[name] = string(value)
			}
			return list
		}
		update := func(fn func(tx *Tx) error) bool {
			writes := len(r.log)
			err := fsys.Update(fn, AcceptRisk())
			if mustBeOfAKind(t, err) != nil && len(r.log) != writes {
				t.Errorf("an error, and the image was changed: %v", err)
			}
			return err == nil
		}
		want := all()
		readable := want != nil
		for i, n := range []int{3, 60, 600, 2900, 0} {
			name, value := fmt.Sprintf("user.%d", i%3), pattern(n, byte(i))
			if update(func(tx *Tx) error { return tx.SetXattr("a/file", name, value) }) && readable {
				want[name] = string(value)
			}
		}
		before := maps.Clone(want)
		for _, name := range []string{"user.0", "user.large", "user.small"} {
			if update(func(tx *Tx) error { return tx.RemoveXattr("a/file", name) }) && readable {
				delete(want, name)
			}
		}
		if readable {
			if diff := cmp.Diff(want, all()); diff != "" {
				t.Errorf("of %d attributes, those that should be there (-) and those that are (+):\n%.2000s", len(before), diff)
			}
		}
		update(func(tx *Tx) error { return errors.Join(tx.Remove("a/file"), tx.RemoveAll("a/b"), tx.Remove("a/again")) })
	})
}
