package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// damagedDir is an image with a directory "d", linear or hashed, in which a test damages an entry.
func damagedDir(t *testing.T, entries int) (path string, d node, v *view, r *recorder) {
	t.Helper()
	path = testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k"), StorePaths: -1, Size: 8 << 20, Inodes: 600,
		Fill: func(dir string) error {
			err := os.MkdirAll(filepath.Join(dir, "d/sub"), 0o755)
			for i := range entries {
				err = errors.Join(err, os.WriteFile(filepath.Join(dir, fmt.Sprintf("d/entry-%03d", i)), nil, 0o644))
			}
			return err
		}})
	r = newRecorder(t, path)
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	loc, err := fsys.view.locate("d", true)
	if err != nil {
		t.Fatal(err)
	}
	return path, loc.node, fsys.view, r
}

func TestADirectoryWithADamagedEntryIsNotChanged(t *testing.T) {
	le32 := binary.LittleEndian.PutUint32
	cases := []struct {
		name   string
		damage func(e []byte) // an entry of a file, from its inode number on
		reads  bool           // the damage is seen by reading, too
	}{
		{"a slash in the name", func(e []byte) { e[9] = '/' }, true},
		{"a NUL in the name", func(e []byte) { e[9] = 0 }, true},
		{"no name", func(e []byte) { e[6] = 0 }, true},
		{"another dot", func(e []byte) { e[6], e[8] = 1, '.' }, true},
		{"another dot dot", func(e []byte) { e[6], e[8], e[9] = 2, '.', '.' }, true},
		{"an inode beyond the last", func(e []byte) { le32(e, 1<<20) }, true},
		{"a reserved inode", func(e []byte) { le32(e, 8) }, true},
		{"the root", func(e []byte) { le32(e, 2) }, true},
		{"an inode that is free", func(e []byte) { le32(e, 590) }, true},
		{"a file type that is none", func(e []byte) { e[7] = 9 }, false},
		{"the name of another entry", func(e []byte) { copy(e[8:], "entry-003") }, true},
	}
	for _, entries := range []int{5, 200} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%d entries, %s", entries, c.name), func(t *testing.T) {
				path, d, v, r := damagedDir(t, entries)
				if got := v.hashed(d); got != (entries > 100) {
					t.Fatalf("hashed: %v", got)
				}
				off := entryAt(t, v, d, "entry-004")
				c.damage(r.now[off:])
				mustRefuseDir(t, path, r, "entry-004x", c.reads)
			})
		}
	}
	dots := []struct {
		name   string
		damage func(block []byte)
	}{
		{"dot is another inode", func(b []byte) { le32(b, 2) }},
		{"dot has another name", func(b []byte) { b[8] = 'x' }},
		{"dot is free", func(b []byte) { le32(b, 0) }},
		{"dot dot is second in name only", func(b []byte) { b[12+9] = 'x' }},
		{"dot dot is free", func(b []byte) { le32(b[12:], 0) }},
		{"dot dot is reserved", func(b []byte) { le32(b[12:], 7) }},
	}
	for _, entries := range []int{5, 200} {
		for _, c := range dots {
			t.Run(fmt.Sprintf("%d entries, %s", entries, c.name), func(t *testing.T) {
				path, d, v, r := damagedDir(t, entries)
				at, _, _, err := v.dirBlock(d, 0)
				if err != nil {
					t.Fatal(err)
				}
				c.damage(r.now[int(at)*v.blockSize:])
				mustRefuseDir(t, path, r, "new", true)
			})
		}
	}
	t.Run("links are not what the subdirectories make", func(t *testing.T) {
		path, d, v, r := damagedDir(t, 5)
		b, off, err := v.inodeAt(d.ino)
		if err != nil {
			t.Fatal(err)
		}
		r.now[int(b)*v.blockSize+off+0x1A]++
		mustRefuseDir(t, path, r, "new", false)
	})
}

// entryAt is the byte of the image where a name's entry begins.
func entryAt(t *testing.T, v *view, d node, name string) int {
	t.Helper()
	count, err := v.dirBlocks(d)
	if err != nil {
		t.Fatal(err)
	}
	for fb := range count {
		at, data, _, err := v.dirBlock(d, fb)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(data, []byte(name)); i >= 0 {
			return int(at)*v.blockSize + i - 8
		}
	}
	t.Fatalf("no entry %q", name)
	return 0
}

// mustRefuseDir: e2fsck complains of the image, and nothing is written into its directory d.
func mustRefuseDir(t *testing.T, path string, r *recorder, name string, reads bool) {
	t.Helper()
	writeImage(t, path, r.now)
	if testimage.FsckErr(path, 0) == nil {
		t.Fatal("e2fsck has no objection: this is no damage")
	}
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	// A name of the same leaf, and a subdirectory; where there is an index the name may belong elsewhere, so all of them are tried.
	refused := 0
	for i := range 300 {
		err = fsys.Update(func(tx *Tx) error {
			return tx.WriteFile(fmt.Sprintf("d/%s-%d", name, i), bytes.NewReader(nil), Attr{Mode: 0o600})
		}, WithTime(writeTime))
		if errors.Is(err, ErrCorrupt) {
			refused++
			break
		}
		if loc, lerr := fsys.view.locate("d", true); lerr != nil || !fsys.view.hashed(loc.node) || err != nil {
			break
		}
	}
	if refused == 0 {
		t.Errorf("Update: %v", err)
	} else {
		t.Log(err)
	}
	if !reads {
		return
	}
	fsys, err = Open(r)
	if err != nil {
		t.Fatal(err)
	}
	list, err := fsys.ReadDir("d")
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("ReadDir: %d entries, %v", len(list), err)
	}
	f, err := fsys.Open("d")
	if err != nil {
		t.Fatal(err)
	}
	var got []fs.DirEntry
	for err == nil {
		var part []fs.DirEntry
		part, err = f.(fs.ReadDirFile).ReadDir(3)
		got = append(got, part...)
	}
	if err == io.EOF || len(got) != len(list) {
		t.Errorf("ReadDirFile: %d entries of %d, %v", len(got), len(list), err)
	}
}

func TestReadDirOfADamagedDirectoryGivesWhatIsBeforeTheDamage(t *testing.T) {
	_, d, v, r := damagedDir(t, 5)
	first := entryAt(t, v, d, "entry-")
	last := first
	for i := range 5 {
		last = max(last, entryAt(t, v, d, fmt.Sprintf("entry-%03d", i)))
	}
	r.now[last+9] = '/'
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	list, err := fsys.ReadDir("d")
	if !errors.Is(err, ErrCorrupt) || len(list) < 4 {
		t.Errorf("%d entries, %v", len(list), err)
	}
}

func TestAnInodeThatCannotBeMeantIsRefused(t *testing.T) {
	flag := func(bit uint32) func(in format.Inode) {
		return func(in format.Inode) { format.IFlags.Set(in, format.IFlags.Get(in)|bit) }
	}
	byKernel := map[string]bool{"verity": true, "holds another's attributes": true} // e2fsck 1.47.0 has nothing against these
	for _, c := range []struct {
		name   string
		damage func(in format.Inode)
	}{
		{"encrypted", flag(format.InodeEncrypt)},
		{"verity", flag(format.InodeVerity)},
		{"holds another's attributes", flag(format.InodeEAInode)},
		{"casefolded", flag(format.InodeCasefold)},
		{"inline data", flag(format.InodeInlineData)},
		{"of AFS", flag(format.InodeImagic)},
		{"an index in a file", flag(format.InodeIndex)},
		{"no links", func(in format.Inode) { format.ILinksCount.Set(in, 0) }},
		{"deleted", func(in format.Inode) { format.IDtime.Set(in, 1_600_000_000) }},
		{"of no type", func(in format.Inode) { format.IMode.Set(in, 0x3000|0o644) }},
		{"attributes beyond the end", func(in format.Inode) { in.SetFileACL(1 << 30) }},
		{"more blocks than it has", func(in format.Inode) { in.SetRawBlocks(88) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, _, v, r := damagedDir(t, 5)
			loc, err := v.locate("d/entry-004", true)
			if err != nil {
				t.Fatal(err)
			}
			b, off, err := v.inodeAt(loc.node.ino)
			if err != nil {
				t.Fatal(err)
			}
			c.damage(format.Inode(r.now[int(b)*v.blockSize+off:][:v.inodeSize]))
			writeImage(t, path, r.now)
			if !byKernel[c.name] && testimage.FsckErr(path, 0) == nil {
				t.Fatal("e2fsck has no objection: this is no damage")
			}
			if byKernel[c.name] {
				dir := testimage.Mount(t, path, 0)
				if _, err := os.ReadFile(filepath.Join(dir, "d/entry-004")); err == nil {
					t.Fatal("the kernel reads it: this is no damage")
				}
				testimage.Unmount(t, dir)
			}
			fsys, err := Open(r)
			if err != nil {
				t.Fatal(err)
			}
			err = fsys.Update(func(tx *Tx) error {
				return tx.WriteFile("d/entry-004", bytes.NewReader([]byte("x")), Attr{Mode: 0o600})
			})
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) || len(r.log) != 0 {
				t.Errorf("Update: %v, %d writes", err, len(r.log))
			}
		})
	}
}
