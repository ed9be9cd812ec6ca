package ext4

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// inlineImages are features, block size and inode size of file systems that have data in inodes.
var inlineImages = []struct {
	features     string
	block, inode int
}{
	{"inline_data", 4096, 256},
	{"inline_data,^metadata_csum", 1024, 256},
	{"inline_data,ea_inode", 2048, 512},
	{"inline_data", 1024, 1024},
	{"inline_data,^extent,^64bit,^dir_index", 4096, 1024},
	{"inline_data,^filetype,^metadata_csum", 1024, 256},
	{"inline_data,bigalloc,^resize_inode", 1024, 256},
}

func eachInlineImage(t *testing.T, test func(t *testing.T, path string)) {
	testimage.RequireRoot(t)
	for _, c := range inlineImages {
		t.Run(fmt.Sprintf("%s of %d, inodes of %d", c.features, c.block, c.inode), func(t *testing.T) {
			t.Parallel()
			path := mkfs(t, 40, c.features, c.block, c.inode)
			testimage.Check(t, path, 0)
			test(t, path)
		})
	}
}

// whereData is what an inode says of the place of its data.
type whereData struct {
	Size   int64
	Inline bool
	Blocks uint64
}

func whereIs(t *testing.T, fsys *FS, name string) whereData {
	t.Helper()
	info, err := fsys.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*Stat)
	return whereData{st.Size, st.Flags&format.InodeInlineData != 0, st.Blocks}
}

// Files of every size at which something may change, written by the kernel and by us: the data is in the same place, and both read
// both.
func TestFilesAreInTheInodeWhereTheKernelPutsThemThere(t *testing.T) {
	eachInlineImage(t, func(t *testing.T, path string) {
		fsys := openImage(t, path)
		bs := fsys.Info().BlockSize
		room := 60 + max(fsys.Info().InodeSize-160-4-20-4, 0)
		sizes := []int{0, 1, 4, 56, 59, 60, 61, 63, 64, 65, 100, 127, 128, 129, 160, room - 5, room - 4, room - 3, room - 1, room, room + 1, room + 4, bs - 1, bs, bs + 1}
		content := func(i int) []byte { return pattern(sizes[i], byte(i)) }
		dir := testimage.MountRW(t, path, 0)
		for i := range sizes {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("kernel-%d", i)), content(i), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		testimage.Unmount(t, dir)
		fsys = openImage(t, path)
		mustUpdate(t, fsys, func(tx *Tx) error {
			for i := range sizes {
				name := fmt.Sprintf("ours-%d", i)
				if err := tx.WriteFile(name, bytes.NewReader(content(i)), Attr{Mode: 0o644}); err != nil {
					return err
				}
				if got, err := tx.ReadFile(name); err != nil || !bytes.Equal(got, content(i)) {
					t.Errorf("%d bytes, read within the transaction: %d bytes, %v", sizes[i], len(got), err)
				}
			}
			return nil
		})
		testimage.Fsck(t, path, 0)
		check := func(names string, content func(i int) []byte) {
			t.Helper()
			fsys := openImage(t, path)
			dir := testimage.Mount(t, path, 0)
			defer testimage.Unmount(t, dir)
			for i := range sizes {
				for _, side := range strings.Fields(names) {
					name := fmt.Sprintf("%s-%d", side, i)
					kernel, err := os.ReadFile(filepath.Join(dir, name))
					if err != nil || !bytes.Equal(kernel, content(i)) {
						t.Errorf("%s, read by the kernel: %d bytes, %v, want %d", name, len(kernel), err, len(content(i)))
					}
					if got, err := fsys.ReadFile(name); err != nil || !bytes.Equal(got, content(i)) {
						t.Errorf("%s, read by us: %d bytes, %v, want %d", name, len(got), err, len(content(i)))
					}
				}
			}
		}
		check("kernel ours", content)
		for i, size := range sizes {
			if diff := cmp.Diff(whereIs(t, fsys, fmt.Sprintf("kernel-%d", i)), whereIs(t, fsys, fmt.Sprintf("ours-%d", i))); diff != "" {
				t.Errorf("%d bytes, by the kernel and by us:\n%s", size, diff)
			}
		}
		// Each in the place of another one, the kernel's and ours.
		other := func(i int) []byte { return content((i*7 + 3) % len(sizes)) }
		mustUpdate(t, fsys, func(tx *Tx) error {
			for i := range sizes {
				for _, side := range []string{"kernel", "ours"} {
					if err := tx.WriteFile(fmt.Sprintf("%s-%d", side, i), bytes.NewReader(other(i)), Attr{Mode: 0o600}); err != nil {
						return err
					}
				}
			}
			return nil
		})
		testimage.Fsck(t, path, 0)
		check("kernel ours", other)
		// Cut and grown, through every pair of sizes.
		for step := range 4 {
			now := func(i int) int { return sizes[(i*(step+2)+step)%len(sizes)] }
			before := make([][]byte, len(sizes))
			fsys = openImage(t, path)
			for i := range sizes {
				var err error
				if before[i], err = fsys.ReadFile(fmt.Sprintf("ours-%d", i)); err != nil {
					t.Fatal(err)
				}
			}
			mustUpdate(t, fsys, func(tx *Tx) error {
				for i := range sizes {
					if err := tx.Truncate(fmt.Sprintf("ours-%d", i), int64(now(i))); err != nil {
						return err
					}
				}
				return nil
			})
			testimage.Fsck(t, path, 0)
			check("ours", func(i int) []byte {
				want := make([]byte, now(i))
				copy(want, before[i])
				return want
			})
		}
	})
}

// Names are added to and taken from a directory by the kernel and by us: it is in the inode, and moves out of it, at the same names.
func TestDirectoriesLeaveTheInodeWhereTheKernelsDo(t *testing.T) {
	eachInlineImage(t, func(t *testing.T, path string) {
		r := rand.New(rand.NewPCG(7, 7))
		long := func(i int) string {
			return fmt.Sprintf("%02d%s", i, strings.Repeat("n", []int{0, 1, 2, 5, 10, 30, 36, 37, 90}[r.IntN(9)]))
		}
		var dirs [][]string // names by directory
		for d := range 12 {
			var names []string
			for i := range 3 + 6*d {
				names = append(names, long(i))
			}
			dirs = append(dirs, names)
		}
		do := func(mkdir, file func(name string) error, remove func(name string) error, stat func(name string)) {
			t.Helper()
			for d, names := range dirs {
				dir := fmt.Sprintf("%d", d)
				if err := mkdir(dir); err != nil {
					t.Fatal(err)
				}
				for i, name := range names {
					make := file
					if i%3 == 1 {
						make = mkdir
					}
					if err := make(dir + "/" + name); err != nil {
						t.Fatal(err)
					}
					if i%4 == 3 {
						if err := remove(dir + "/" + names[i-2]); err != nil {
							t.Fatal(err)
						}
					}
				}
				stat(dir)
			}
		}
		if err := os.WriteFile(path+".ours", imageOf(t, path), 0o600); err != nil {
			t.Fatal(err)
		}
		mounted := testimage.MountRW(t, path, 0)
		in := func(name string) string { return filepath.Join(mounted, name) }
		do(func(name string) error { return os.Mkdir(in(name), 0o755) },
			func(name string) error { return os.WriteFile(in(name), nil, 0o644) },
			func(name string) error { return os.Remove(in(name)) }, func(string) {})
		want := testimage.Tree(t, mounted)
		testimage.Unmount(t, mounted)
		kernel := openImage(t, path)
		fsys := openImage(t, path+".ours")
		mustUpdate(t, fsys, func(tx *Tx) error {
			do(func(name string) error { return tx.Mkdir(name, Attr{Mode: 0o755}) },
				func(name string) error { return tx.WriteFile(name, bytes.NewReader(nil), Attr{Mode: 0o644}) },
				tx.Remove, func(string) {})
			return nil
		})
		testimage.Check(t, path+".ours", 0)
		for d, names := range dirs {
			dir := fmt.Sprintf("%d", d)
			want, got := whereIs(t, kernel, dir), whereIs(t, fsys, dir)
			if !want.Inline { // when a block is full is the writer's choice
				want.Size, want.Blocks = got.Size, got.Blocks
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d names, by the kernel and by us:\n%s", len(names), diff)
			}
		}
		mounted = testimage.Mount(t, path+".ours", 0)
		got := testimage.Tree(t, mounted)
		testimage.Unmount(t, mounted)
		for name := range want {
			w, g := want[name], got[name]
			w.Mtime, g.Mtime = 0, 0
			if w.Type == "dir" {
				w.Size, g.Size = 0, 0
			}
			if diff := cmp.Diff(w, g); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d paths, want %d", len(got), len(want))
		}
		// What the kernel made we empty and remove, and the reverse.
		kernel = openImage(t, path)
		mustUpdate(t, kernel, func(tx *Tx) error {
			for d := range dirs {
				if err := tx.Rename(fmt.Sprintf("%d", d), fmt.Sprintf("lost+found/%d", d)); err != nil {
					return err
				}
				if d%2 == 0 {
					if err := tx.RemoveAll(fmt.Sprintf("lost+found/%d", d)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		testimage.Fsck(t, path, 0)
		mounted = testimage.MountRW(t, path+".ours", 0)
		for d := range dirs {
			if err := os.RemoveAll(filepath.Join(mounted, fmt.Sprintf("%d", d))); err != nil {
				t.Error(err)
			}
		}
		testimage.Unmount(t, mounted)
	})
}

// mke2fs puts targets of symlinks into inodes as well, which the kernel only reads.
func TestWhatMke2fsPutsIntoInodesIsReadAndReplaced(t *testing.T) {
	testimage.RequireRoot(t)
	tree := t.TempDir()
	for i, size := range []int{0, 1, 59, 60, 61, 90, 128, 129, 2000} {
		name := filepath.Join(tree, fmt.Sprintf("file-%d", size))
		if err := os.WriteFile(name, pattern(size, byte(i)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(name, "user.a", pattern(i*7, 1), 0); err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			continue
		}
		if err := os.Symlink(strings.Repeat("t", size), filepath.Join(tree, fmt.Sprintf("link-%d", size))); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(tree, fmt.Sprintf("dir/%d/%d", i, i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, inode := range []int{256, 1024} {
		path := mkfs(t, 40, "inline_data", 4096, inode, "-d", tree)
		testimage.Check(t, path, 0)
		fsys := openImage(t, path)
		mounted := testimage.Mount(t, path, 0)
		want := testimage.Tree(t, mounted)
		testimage.Unmount(t, mounted)
		for name, n := range want {
			if n.Type != "symlink" {
				if diff := cmp.Diff(n.Xattrs, ourXattrs(t, fsys, name)); diff != "" {
					t.Errorf("%s: attributes, by the kernel and by us:\n%s", name, diff)
				}
			}
			switch n.Type {
			case "symlink":
				if got, err := fsys.ReadLink(name); err != nil || got != n.Content {
					t.Errorf("%s: %q, %v, want %q", name, got, err, n.Content)
				}
			case "file":
				if b, err := fsys.ReadFile(name); err != nil || fileNode(b, 0, 0, 0).Content != n.Content {
					t.Errorf("%s: %d bytes, %v, not the kernel's", name, len(b), err)
				}
			}
		}
		mustUpdate(t, fsys, func(tx *Tx) error {
			for name, n := range want {
				var err error
				switch {
				case n.Type == "symlink":
					err = tx.Remove(name)
				case n.Type == "file":
					err = tx.WriteFile(name, bytes.NewReader(pattern(int(n.Size)*2/3, 9)), Attr{Mode: 0o600})
				case strings.Count(name, "/") == 1:
					err = tx.Rename(name, name+"-and-a-name-that-is-longer-than-the-one-before")
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}
