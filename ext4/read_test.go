package ext4

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// fileDevice is an image file as a Device.
type fileDevice struct{ *os.File }

func (d fileDevice) Size() int64 {
	info, err := d.Stat()
	if err != nil {
		return -1
	}
	return info.Size()
}

func openDevice(tb testing.TB, path string) fileDevice {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return fileDevice{f}
}

func openImage(tb testing.TB, path string) *FS {
	tb.Helper()
	fsys, err := Open(openDevice(tb, path))
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	return fsys
}

// ourTree is what testimage.Tree is, read by this package; what it cannot know of (xattrs) is left out.
func ourTree(tb testing.TB, fsys fs.FS) map[string]testimage.Node {
	tb.Helper()
	tree := map[string]testimage.Node{}
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*Stat)
		n := testimage.Node{Mode: uint32(st.Mode & 0o7777), UID: st.UID, GID: st.GID, Size: st.Size, Links: uint64(st.Links), Mtime: st.Mtime.UnixNano()}
		switch info.Mode().Type() {
		case 0:
			n.Type = "file"
			b, err := fs.ReadFile(fsys, path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(b)
			n.Content = hex.EncodeToString(sum[:])
		case fs.ModeDir:
			n.Type = "dir"
		case fs.ModeSymlink:
			n.Type = "symlink"
			if n.Content, err = fs.ReadLink(fsys, path); err != nil {
				return err
			}
		case fs.ModeNamedPipe:
			n.Type = "fifo"
		case fs.ModeSocket:
			n.Type = "socket"
		case fs.ModeDevice:
			n.Type, n.Device = "block", st.Rdev
		case fs.ModeDevice | fs.ModeCharDevice:
			n.Type, n.Device = "char", st.Rdev
		}
		tree[path] = n
		return nil
	})
	if err != nil {
		tb.Fatalf("walk: %v", err)
	}
	return tree
}

// kernelTree is what the kernel reads, without xattrs.
func kernelTree(tb testing.TB, path string) map[string]testimage.Node {
	tb.Helper()
	dir := testimage.Mount(tb, path, 0)
	defer testimage.Unmount(tb, dir)
	tree := testimage.Tree(tb, dir)
	for name, n := range tree {
		n.Xattrs = nil
		tree[name] = n
	}
	return tree
}

func TestEveryProfileReadsAsTheKernelReadsIt(t *testing.T) {
	for i, p := range testimage.Profiles {
		if i%5 > 1 && testing.Short() { // the matrix reads them all, too
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 40})
			got := ourTree(t, openImage(t, path))
			if diff := cmp.Diff(kernelTree(t, path), got); diff != "" {
				t.Errorf("the kernel's tree (-) and ours (+) differ:\n%s", diff)
			}
		})
	}
}

func TestAnOldFileSystemWithIndirectBlocksIsReadAsTheKernelReadsIt(t *testing.T) {
	p := testimage.Profile{Name: "ext3", Features: "has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file", BlockSize: 1024}
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 20, Fill: func(dir string) error {
		b := make([]byte, 400_000) // into the double indirect block
		for i := range b {
			b[i] = byte(i * 7 / 3)
		}
		return os.WriteFile(filepath.Join(dir, "big"), b, 0o644)
	}})
	fsys := openImage(t, path)
	if diff := cmp.Diff(kernelTree(t, path), ourTree(t, fsys)); diff != "" {
		t.Errorf("the kernel's tree (-) and ours (+) differ:\n%s", diff)
	}
}

func TestTheReadViewIsAGoodFS(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 8 << 20, Fill: func(dir string) error {
		return errors.Join(
			os.MkdirAll(filepath.Join(dir, "a/b"), 0o755),
			os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("content"), 0o644),
			os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600),
			os.Symlink("/a/b/file", filepath.Join(dir, "link")),
			os.Symlink("b", filepath.Join(dir, "a/"+strings.Repeat("long", 20))),
		)
	}})
	if err := fstest.TestFS(openImage(t, path), "a/b/file", "empty", "link"); err != nil {
		t.Error(err)
	}
}

func linkImage(tb testing.TB) *FS {
	tb.Helper()
	return openImage(tb, testimage.Ext4(tb, testimage.Options{StorePaths: -1, Size: 8 << 20, Fill: func(dir string) error {
		var errs []error
		do := func(err error) { errs = append(errs, err) }
		link := func(target, name string) { do(os.Symlink(target, filepath.Join(dir, name))) }
		do(os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
		do(os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("content"), 0o644))
		link("/a/b", "absolute")
		link("a/b", "relative")
		link("../../../../a", "a/b/up") // never out of the image
		link("loop2", "loop1")
		link("loop1", "loop2")
		link("/var/lib", "dangling")
		link("absolute/"+strings.Repeat("./", 40)+"file", "slow")
		link("self/../a", "self")
		return errors.Join(errs...)
	}}))
}

func TestSymlinksAreFollowedInsideTheImage(t *testing.T) {
	fsys := linkImage(t)
	for _, name := range []string{"absolute/file", "relative/file", "a/b/up/b/file", "slow", "relative/up/b/up/b/file"} {
		if b, err := fsys.ReadFile(name); string(b) != "content" {
			t.Errorf("ReadFile(%q): %q, %v", name, b, err)
		}
	}
	for name, want := range map[string]error{
		"loop1":                  ErrLoop,
		"self":                   ErrLoop,
		"dangling":               fs.ErrNotExist,
		"a/b/file/x":             ErrNotDir,
		"absolute":               ErrIsDir,
		"missing":                fs.ErrNotExist,
		"/a":                     fs.ErrInvalid,
		"a/../a":                 fs.ErrInvalid,
		"a\x00b":                 fs.ErrInvalid,
		strings.Repeat("n", 256): ErrNameTooLong,
	} {
		_, err := fsys.ReadFile(name)
		var pathErr *fs.PathError
		if !errors.Is(err, want) || !errors.As(err, &pathErr) {
			t.Errorf("ReadFile(%q): got %v, want a *fs.PathError with %v", name, err, want)
		}
	}
}

func TestWherePathsLeadAndWhatIsMissing(t *testing.T) {
	fsys := linkImage(t)
	for _, c := range []struct {
		name, path string
		missing    []string
		err        error
	}{
		{"a/b/file", "a/b/file", nil, nil},
		{".", ".", nil, nil},
		{"absolute/file", "a/b/file", nil, nil},
		{"absolute/new/deep", "a/b", []string{"new", "deep"}, nil},
		{"dangling/x", ".", []string{"var", "lib", "x"}, nil},
		{"new", ".", []string{"new"}, nil},
		{"a/b/file/x", "", nil, ErrNotDir},
		{"loop1/x", "", nil, ErrLoop},
		{"new/" + strings.Repeat("n", 256), ".", []string{"new", strings.Repeat("n", 256)}, nil},
		{strings.Repeat("n", 256), "", nil, ErrNameTooLong},
	} {
		loc, err := fsys.view.locate(c.name, true)
		if loc.path != c.path || !slices.Equal(loc.missing, c.missing) || !errors.Is(err, c.err) {
			t.Errorf("%q leads to %q, without %q, %v; want %q, %q, %v", c.name, loc.path, loc.missing, err, c.path, c.missing, c.err)
		}
	}
}

func countInFile(tb testing.TB, path, what string) int {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Count(string(b), what)
}
