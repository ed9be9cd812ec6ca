package ext4_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// The matrix: what injection does, on every kind of file system that is in the
// world.

// bootstrap is what boringboot injects, and more: sizes at the boundaries of
// blocks, inline symlinks, long names, all modes, owners of 32 bits.
func bootstrap(blockSize int) []op {
	ops := []op{
		mkdir("var", 0o755),
		mkdir("var/lib", 0o755),
		mkdir("var/lib/bootstrap", 0o700),
		file("var/lib/bootstrap/ssh_host_ed25519_key", noise(411), 0o600),
		file("var/lib/bootstrap/ssh_host_ed25519_key.pub", noise(95), 0o644),
		mkdir("var/sizes", 0o755),
		mkdir("var/links", 0o755),
		mkdir("var/names", fs.ModeSticky|0o777),
		mkdir("var/modes", fs.ModeSetgid|0o750).owned(1000, 100),
		file("file-in-the-root", noise(10), 0o640),
	}
	for _, n := range []int{0, 1, 59, 60, 61, 159, 160, 161, blockSize - 1, blockSize, blockSize + 1,
		4 * blockSize, 12*blockSize + 1, 3<<20 + 7} {
		ops = append(ops, file(fmt.Sprintf("var/sizes/%d", n), noise(n), 0o644))
	}
	for _, n := range []int{1, 58, 59, 60, 61, 255, 1000, blockSize - 1} {
		ops = append(ops, symlink(strings.Repeat("t", n), fmt.Sprintf("var/links/%d", n)))
	}
	ops = append(ops, symlink("/nix/store", "var/links/absolute"), symlink("../sizes/61", "var/links/relative"))
	for _, name := range []string{"a", strings.Repeat("n", 254), strings.Repeat("n", 255), strings.Repeat("ü", 127),
		"名前", "with space", "new\nline", ".hidden", "...", "-rf", "back\\slash", "*"} {
		ops = append(ops, file("var/names/"+name, []byte(name), 0o644))
	}
	for _, mode := range []fs.FileMode{0, 0o400, 0o600, 0o644, 0o777, fs.ModeSetuid | 0o755, fs.ModeSetgid | 0o755,
		fs.ModeSticky | 0o644, fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky | 0o777} {
		ops = append(ops, file(fmt.Sprintf("var/modes/%o", unixMode(mode)), []byte("m"), mode))
	}
	for _, id := range []uint32{1, 65535, 65536, 65537, 1 << 20, 1<<32 - 2} {
		ops = append(ops, file(fmt.Sprintf("var/modes/owner-%d", id), []byte("o"), 0o600).owned(id, id-1),
			symlink("x", fmt.Sprintf("var/modes/link-of-%d", id)).owned(id-1, id),
			mkdir(fmt.Sprintf("var/modes/dir-of-%d", id), 0o700).owned(id, id))
	}
	return append(ops, levels("var", 30)...)
}

// levels is a directory in a directory, n deep, with a file at the bottom.
func levels(below string, n int) []op {
	var ops []op
	for i := range n {
		below += fmt.Sprintf("/level-%d", i)
		ops = append(ops, mkdir(below, 0o755))
	}
	return append(ops, file(below+"/bottom", []byte("bottom"), 0o644))
}

func TestInjectionOnEveryProfile(t *testing.T) {
	for _, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 60})
			testimage.Check(t, path, 0)
			mustUpdate(t, path, bootstrap(p.BlockSize))
			debugfsAgrees(t, path)
		})
		t.Run(p.Name+" as mke2fs leaves it, without the journal", func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 60, Linear: true})
			testimage.Check(t, path, 0)
			mustUpdate(t, path, bootstrap(p.BlockSize), ext4.WithoutJournal())
			debugfsAgrees(t, path)
		})
	}
}

func debugfsAgrees(t *testing.T, path string) {
	t.Helper()
	for name, want := range map[string]map[string]int64{
		"var/lib/bootstrap":                      {"Mode": 0o700, "User": 0, "Group": 0, "Links": 2},
		"var/lib/bootstrap/ssh_host_ed25519_key": {"Mode": 0o600, "User": 0, "Group": 0, "Links": 1, "Size": 411},
		"var/modes/owner-65537":                  {"Mode": 0o600, "User": 65537, "Group": 65536, "Links": 1, "Size": 1},
		"var/modes/4755":                         {"Mode": 0o4755, "User": 0, "Group": 0, "Links": 1, "Size": 1},
		"var/sizes/3145735":                      {"Mode": 0o644, "User": 0, "Group": 0, "Links": 1, "Size": 3<<20 + 7},
		"var/links/60":                           {"Mode": 0o777, "User": 0, "Group": 0, "Links": 1, "Size": 60},
	} {
		got := debugfsStat(t, path, name)
		if _, ok := want["Size"]; !ok {
			delete(got, "Size")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("debugfs stat /%s (-want +got):\n%s", name, diff)
		}
	}
}

// What the feature table allows and no profile of ours has.
func TestFeaturesThatNoProfileHas(t *testing.T) {
	plain := testimage.ProfileNamed("debian-4k")
	tests := []struct {
		name string
		p    testimage.Profile
	}{
		{"no sparse_super: a backup in every group", testimage.Profile{
			Features: strings.NewReplacer("sparse_super,", "", "resize_inode,", "").Replace(plain.Features), BlockSize: 1024}},
		{"no flex_bg: each group with its tables", testimage.Profile{
			Features: strings.Replace(plain.Features, "flex_bg,", "", 1), BlockSize: 1024}},
		{"no journal", testimage.Profile{
			Features: strings.Replace(plain.Features, "has_journal,", "", 1), BlockSize: 4096}},
		{"no filetype: entries without a type", testimage.Profile{
			Features: strings.Replace(plain.Features, "filetype,", "", 1), BlockSize: 1024}},
		{"inodes of 512 bytes", testimage.Profile{Features: plain.Features, BlockSize: 4096, InodeSize: 512}},
		{"inodes of 1024 bytes", testimage.Profile{Features: plain.Features, BlockSize: 1024, InodeSize: 1024}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: test.p, StorePaths: 20, Size: 48 << 20, Inodes: 4000, Stale: true})
			testimage.Check(t, path, 0)
			ops := append(bootstrap(test.p.BlockSize), mkdir("d", 0o755), file("d/large", noise(24<<20), 0o644))
			mustUpdate(t, path, append(ops, entries("d", 0, 2000, 40)...))
		})
	}
}

// Inodes of 128 bytes have no nanoseconds and no year after 2038.
func TestInodesOf128Bytes(t *testing.T) {
	testimage.RequireRoot(t)
	for _, name := range []string{"debian-4k", "gdt-checksums-1k"} {
		t.Run(name, func(t *testing.T) {
			p := testimage.ProfileNamed(name)
			p.InodeSize = 128
			p.Features = strings.Replace(p.Features, ",extra_isize", "", 1)
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 20})
			testimage.Check(t, path, 0)
			before, at := kernelTree(t, path), time.Unix(1_700_000_000, 0)
			ops := bootstrap(p.BlockSize)
			err := update(path, at, func(tx *ext4.Tx) error { return run(tx, ops) })
			if errors.Is(err, ext4.ErrUnsupported) {
				compareTrees(t, before, kernelTree(t, path))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			compareTrees(t, predict(before, ops, at), kernelTree(t, path))
		})
	}
}

// Our reader and the kernel's see the same tree on every profile.
func TestTheReaderSeesWhatTheKernelSees(t *testing.T) {
	for _, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 60})
			before := testimage.Snapshot(t, path)
			want := kernelTree(t, path)
			for name, node := range want {
				node.Xattrs = nil
				want[name] = node
			}
			compareTrees(t, want, readerTree(t, openFS(t, path)))
			if testimage.Snapshot(t, path) != before {
				t.Error("reading changed the image")
			}
		})
	}
}

// readerTree is testimage.Tree by way of ext4.FS.
func readerTree(t *testing.T, fsys *ext4.FS) map[string]testimage.Node {
	t.Helper()
	tree := map[string]testimage.Node{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := fsys.Lstat(name)
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*ext4.Stat)
		if !ok {
			return fmt.Errorf("%s: Sys() is a %T", name, info.Sys())
		}
		node := testimage.Node{
			Mode: uint32(st.Mode) & 0o7777, UID: st.UID, GID: st.GID, Size: info.Size(),
			Links: uint64(st.Links), Mtime: st.Mtime.UnixNano(),
		}
		if !info.ModTime().Equal(st.Mtime) || unixMode(info.Mode()) != node.Mode || info.Mode().Type() != d.Type() {
			return fmt.Errorf("%s: FileInfo %v and Stat %+v differ", name, info, st)
		}
		switch d.Type() {
		case 0:
			content, err := fsys.ReadFile(name)
			if err != nil {
				return err
			}
			node.Type, node.Content = "file", sum(content)
		case fs.ModeDir:
			node.Type = "dir"
		case fs.ModeSymlink:
			node.Type = "symlink"
			if node.Content, err = fsys.ReadLink(name); err != nil {
				return err
			}
		default:
			node.Type = d.Type().String()
		}
		tree[name] = node
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestFSKeepsTheContractOfIOFS(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	if err := fstest.TestFS(openFS(t, path), "boot/nixos/kernel", "nix-path-registration"); err != nil {
		t.Error(err)
	}
}

func TestTimesAreWhatTheCallerSays(t *testing.T) {
	// e2fsck takes times from 2310 on for damaged ones, and a last write in the
	// future for a wrong clock: so the last of these lies in the past.
	times := []time.Time{
		time.Unix(0, 0), time.Unix(1, 1), time.Unix(-1, 500), time.Unix(-1<<31, 0), time.Unix(1<<31-1, 999_999_999),
		time.Unix(1<<31, 0), time.Unix(1<<32, 7), time.Unix(1<<33, 999_999_999), time.Unix(1, 2),
	}
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	testimage.Check(t, path, 0)
	testimage.RequireRoot(t)
	other := func(i int) time.Time { return times[len(times)-1-i] }
	for i, at := range times {
		dir := fmt.Sprintf("t%d", i)
		err := update(path, at, func(tx *ext4.Tx) error {
			return errors.Join(tx.Mkdir(dir, ext4.Attr{Mode: 0o755}), run(tx, []op{
				file(dir+"/own", nil, 0o644), file(dir+"/update's", nil, 0o644), symlink("x", dir+"/link")}),
				tx.Chtimes(dir+"/own", at, other(i)))
		})
		if err != nil {
			t.Fatalf("%v: %v", at, err)
		}
	}
	tree := kernelTree(t, path)
	for i, at := range times {
		dir := fmt.Sprintf("t%d", i)
		for name, want := range map[string]time.Time{"/own": other(i), "/update's": at, "/link": at, "": at} {
			if got := tree[dir+name].Mtime; got != want.UnixNano() {
				t.Errorf("%s%s: mtime %d ns, want %d ns", dir, name, got, want.UnixNano())
			}
		}
	}
}
