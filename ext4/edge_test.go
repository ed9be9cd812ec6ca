package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// emptyImage makes a file system of that many MiB.
func emptyImage(tb testing.TB, profile string, size int64, inodes int) string {
	tb.Helper()
	return testimage.Ext4(tb, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: -1, Size: size << 20, Inodes: inodes})
}

func TestAFileInManyPiecesHasATreeOfExtents(t *testing.T) {
	for _, profile := range []string{"nixos-1k", "no-checksums-1k"} {
		t.Run(profile, func(t *testing.T) {
			path := emptyImage(t, profile, 24, 20000)
			testimage.Check(t, path, 0)
			fsys := openImage(t, path)
			// Fill the disk with files of one block, and free every second: what is left is holes of one block.
			var n int
			mustUpdate(t, fsys, func(tx *Tx) error {
				for n = 0; ; n++ {
					err := tx.WriteFile(fmt.Sprintf("f%05d", n), bytes.NewReader(pattern(1000, 1)), Attr{Mode: 0o644})
					if errors.Is(err, ErrNoSpace) {
						return nil
					}
					if err != nil {
						return err
					}
				}
			}, WithoutJournal())
			dir := testimage.MountRW(t, path, 0)
			for i := 0; i < n; i += 2 {
				if err := os.Remove(filepath.Join(dir, fmt.Sprintf("f%05d", i))); err != nil {
					t.Fatal(err)
				}
			}
			testimage.Unmount(t, dir)
			fsys = openImage(t, path)
			size := int(fsys.Info().FreeBlocks-200) * 1024
			big := pattern(size, 9)
			mustUpdate(t, fsys, func(tx *Tx) error {
				if err := tx.WriteFile("big", bytes.NewReader(big), Attr{Mode: 0o600}); err != nil {
					return err
				}
				loc, err := tx.locate("big", true)
				if err != nil {
					return err
				}
				if depth := format.ExtentNode(loc.node.IBlock()).Depth(); depth < 2 {
					t.Errorf("the extent tree of %d bytes in pieces of one block has depth %d, want 2 at least", size, depth)
				}
				return nil
			})
			if diff := cmp.Diff(fileNode(big, 0o600, 0, 0), kernelTree(t, path)["big"]); diff != "" {
				t.Error(diff)
			}
			testimage.Fsck(t, path, 0)
			mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.WriteFile("big", bytes.NewReader(nil), Attr{Mode: 0o600}) }, WithoutJournal())
			if got := openImage(t, path).Info().FreeBlocks; got < uint64(size/1024) {
				t.Errorf("%d free blocks after a file of %d was emptied", got, size/1024)
			}
		})
	}
}

func TestNoSpaceSaysWhatIsNeededAndWritesNothing(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 8, 32)
	testimage.Check(t, path, 0)
	before := testimage.Snapshot(t, path)
	fsys := openImage(t, path)
	info := fsys.Info()
	for _, c := range []struct {
		name string
		fn   func(tx *Tx) error
		want NoSpaceError
	}{
		{"blocks", func(tx *Tx) error { return tx.WriteFile("f", bytes.NewReader(make([]byte, 9<<20)), Attr{}) },
			NoSpaceError{"blocks", 9 << 20 / 4096, info.FreeBlocks}},
		{"inodes", func(tx *Tx) error {
			for i := range 100 {
				if err := tx.WriteFile(fmt.Sprint(i), bytes.NewReader(nil), Attr{}); err != nil {
					return err
				}
			}
			return nil
		}, NoSpaceError{"inodes", 1, 0}},
	} {
		err := fsys.Update(c.fn)
		var got *NoSpaceError
		if !errors.Is(err, ErrNoSpace) || !errors.As(err, &got) || *got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, &c.want)
		}
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
}

func TestAnUpdateThatChangesNothingWritesNothing(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	r := newRecorder(t, path)
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, fn := range map[string]func(tx *Tx) error{
		"nothing":              func(tx *Tx) error { return nil },
		"a directory is there": func(tx *Tx) error { return tx.MkdirAll("nix/store", Attr{Mode: 0o700}) },
		"the same mode": func(tx *Tx) error {
			info, err := tx.Stat("boot")
			return errors.Join(err, tx.Chmod("boot", info.Mode()))
		},
		"an error that fn ignores": func(tx *Tx) error { tx.Mkdir("nix", Attr{}); return nil },
	} {
		if err := fsys.Update(fn, WithTime(writeTime)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(r.log) != 0 || len(r.syncs) != 0 {
			t.Errorf("%s: %d writes, %d syncs", name, len(r.log), len(r.syncs))
		}
	}
	failure := errors.New("failure")
	err = fsys.Update(func(tx *Tx) error { tx.Mkdir("new", Attr{}); return failure })
	if !errors.Is(err, failure) || len(r.log) != 0 {
		t.Errorf("fn fails: %v, %d writes", err, len(r.log))
	}
	if _, err := fsys.Stat("new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("fn fails: its directory: %v", err)
	}
}

func TestAnOperationThatFailedHalfwayCannotBeCommitted(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 8, 32)
	before := testimage.Snapshot(t, path)
	fsys := openImage(t, path)
	err := fsys.Update(func(tx *Tx) error {
		size := int64(tx.freeBlocks()) * 4096
		// All blocks but none for the directory: the directory's inode is taken before it is seen that there is no block.
		if err := tx.WriteFile("all", zeros(size), Attr{}); err != nil {
			return err
		}
		if err := tx.Mkdir("dir", Attr{}); !errors.Is(err, ErrNoSpace) {
			return fmt.Errorf("mkdir without a block: %v", err)
		}
		return nil // as if nothing had happened
	})
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("Update: %v", err)
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
	testimage.Fsck(t, path, 0)
}

type zeros int64

func (z zeros) Size() int64 { return int64(z) }
func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	return len(p), nil
}

func TestATransactionEndsWithItsFunction(t *testing.T) {
	fsys := openImage(t, emptyImage(t, "nixos-4k", 8, 32))
	var kept *Tx
	mustUpdate(t, fsys, func(tx *Tx) error { kept = tx; return nil })
	if err := kept.Mkdir("late", Attr{}); !errors.Is(err, ErrTxDone) {
		t.Errorf("Mkdir after Update: %v", err)
	}
}

func TestUninitialisedGroupsAreInitialisedWhenTheyAreUsed(t *testing.T) {
	for _, profile := range []string{"nixos-1k", "gdt-checksums-1k"} {
		for _, flex := range []bool{true, false} {
			t.Run(fmt.Sprint(profile, " flex=", flex), func(t *testing.T) {
				p := testimage.ProfileNamed(profile)
				if !flex {
					p.Features = strings.ReplaceAll(p.Features, ",flex_bg", "")
				}
				// 64 groups of 1 MiB; lazily initialised tables hold what the device had before.
				path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 64 << 20, BlocksPerGroup: 1024, Inodes: 16384, Stale: true})
				testimage.Check(t, path, 0)
				want := kernelTree(t, path)
				fsys := openImage(t, path)
				mustUpdate(t, fsys, func(tx *Tx) error {
					for i := range 4000 {
						if err := tx.WriteFile(fmt.Sprintf("file-%d", i), bytes.NewReader(pattern(9000, byte(i))), Attr{Mode: 0o644}); err != nil {
							return err
						}
					}
					return nil
				}, WithoutJournal())
				testimage.Fsck(t, path, 0)
				checkTables(t, fsys)
				got := kernelTree(t, path)
				for i := range 4000 {
					want[fmt.Sprintf("file-%d", i)] = fileNode(pattern(9000, byte(i)), 0o644, 0, 0)
				}
				root := want["."]
				root.Mtime, root.Size = writeTime.UnixNano(), got["."].Size
				want["."] = root
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("what was written (-) and what the kernel reads (+) differ:\n%.3000s", diff)
				}
				// The kernel goes on where we stopped, initialising tables and all.
				dir := testimage.MountRW(t, path, 0)
				for i := range 3000 {
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("by-the-kernel-%d", i)), []byte("x"), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				testimage.Unmount(t, dir)
			})
		}
	}
}

// checkTables: of an inode table nothing is left as the device had it, up to the end of the last block that is in use.
func checkTables(t *testing.T, fsys *FS) {
	t.Helper()
	v := fsys.view
	for g := range v.groups {
		d, err := v.desc(g)
		if err != nil {
			t.Fatal(err)
		}
		used := v.initialised(d)
		perBlock := uint32(v.blockSize / v.inodeSize)
		if used%perBlock == 0 {
			continue
		}
		block, err := v.src.Block(d.InodeTable() + FSBlock(used/perBlock))
		if err != nil {
			t.Fatal(err)
		}
		if rest := block[used%perBlock*uint32(v.inodeSize):]; !bytes.Equal(rest, make([]byte, len(rest))) {
			t.Errorf("group %d: behind inode %d of %d the table has what the device had before", g, used, v.inodesPerGroup)
		}
	}
}

func TestReplacingAFile(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 8, 64)
	testimage.Check(t, path, 0)
	dir := testimage.MountRW(t, path, 0)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(at("a"), []byte("two names"), 0o644), os.Link(at("a"), at("b")),
		os.WriteFile(at("x1"), []byte("xattrs"), 0o644), os.WriteFile(at("x2"), []byte("the same xattrs"), 0o644),
		os.WriteFile(at("fixed"), []byte("immutable"), 0o644), os.WriteFile(at("log"), []byte("append-only"), 0o644),
		os.Mkdir(at("fixeddir"), 0o755),
		os.Symlink("target", at("link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	testimage.Require(t, "debugfs")
	long := strings.Repeat("v", 300) // too long for the inode: a block, which both share
	testimage.Unmount(t, dir)
	valuePath := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(valuePath, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	testimage.DebugfsWrite(t, path, 0, "ea_set -f "+valuePath+" /x1 user.long", "ea_set -f "+valuePath+" /x2 user.long",
		"ea_set /x1 user.short value", "sif /fixed flags 0x80010", "sif /log flags 0x80020", "sif /fixeddir flags 0x80010")
	testimage.Fsck(t, path, 0)

	fsys := openImage(t, path)
	content := []byte("new")
	mustUpdate(t, fsys, func(tx *Tx) error {
		for _, name := range []string{"a", "x1", "link"} {
			if err := tx.WriteFile(name, bytes.NewReader(content), Attr{Mode: 0o600, UID: 5, GID: 6}); err != nil {
				return err
			}
		}
		for _, name := range []string{"fixed", "log", "fixeddir/new"} {
			if err := tx.WriteFile(name, bytes.NewReader(content), Attr{}); !errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("%s: %v, want fs.ErrPermission", name, err)
			}
		}
		return nil
	})
	mounted := testimage.Mount(t, path, 0)
	tree := testimage.Tree(t, mounted)
	for _, name := range []string{"a", "x1", "target"} {
		if diff := cmp.Diff(fileNode(content, 0o600, 5, 6), tree[name]); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if b := tree["b"]; b.Links != 1 || b.Size != int64(len("two names")) {
		t.Errorf("the other name of a replaced file: %+v", b)
	}
	if x := tree["x2"]; x.Xattrs["user.long"] != long {
		t.Errorf("the file that shared xattrs with a replaced one: %+v", x)
	}
}

func TestTheModeOfAFileWithAnACLChangesItsMask(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 8, 64)
	testimage.Check(t, path, 0)
	acl := filepath.Join(t.TempDir(), "acl")
	// Version 2: user::rw-, user:1000:rw-, group::r--, mask::rw-, other::r--.
	raw := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x06\x00\xe8\x03\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
		"\x10\x00\x06\x00\xff\xff\xff\xff" + "\x20\x00\x04\x00\xff\xff\xff\xff"
	if err := os.WriteFile(acl, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.WriteFile("f", bytes.NewReader(nil), Attr{Mode: 0o664}) })
	testimage.DebugfsWrite(t, path, 0, "ea_set -f "+acl+" /f system.posix_acl_access")
	fsys := openImage(t, path)
	mustUpdate(t, fsys, func(tx *Tx) error { return tx.Chmod("f", 0o601) })
	want := strings.Replace(raw, "\x10\x00\x06", "\x10\x00\x00", 1)
	want = want[:len(want)-6] + "\x01" + want[len(want)-5:]
	got, err := fsys.Xattr("f", "system.posix_acl_access")
	if err != nil || string(got) != want {
		t.Errorf("the list: %q, %v, want %q", got, err, want)
	}
	if info, err := fsys.Stat("f"); err != nil || info.Mode() != 0o601 {
		t.Errorf("the mode: %v, %v", info, err)
	}
}

func TestAFileBeyond2GiBSetsLargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	testimage.Require(t, "mke2fs")
	out, err := testimage.Command(t, "mke2fs", "-q", "-t", "ext4", "-O", "^large_file,^metadata_csum,^resize_inode", path, "3G").CombinedOutput()
	if err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	testimage.Check(t, path, 0)
	d := noData{openDevice(t, path)}
	fsys, err := Open(d)
	if err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, fsys, func(tx *Tx) error { return tx.WriteFile("big", zeros(1<<31), Attr{Mode: 0o600}) })
	info, err := openImage(t, path).Stat("big")
	if err != nil || info.Size() != 1<<31 {
		t.Errorf("big: %v, %v", info, err)
	}
	if !strings.Contains(strings.Join(fsys.Info().Features, " "), "large_file") {
		t.Errorf("features: %v", fsys.Info().Features)
	}
}

// noData is a device on which writes of zeros leave holes.
type noData struct{ fileDevice }

func (d noData) WriteAt(p []byte, off int64) (int, error) {
	if len(p) >= 1<<20 {
		return len(p), nil
	}
	return d.fileDevice.WriteAt(p, off)
}

func TestATableThatItsBitmapCallsFreeIsNotWrittenOver(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k"), StorePaths: -1, Size: 8 << 20, BlocksPerGroup: 2048, Inodes: 512})
	r := newRecorder(t, path)
	fsys, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	// Group 1's inode table is in group 0, as flex_bg puts it. Group 0 calls it free, and counts it.
	own, err := fsys.view.desc(0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := fsys.view.desc(1)
	if err != nil {
		t.Fatal(err)
	}
	g, first := fsys.view.groupOf(other.InodeTable())
	if g != 0 {
		t.Fatalf("group 1's inode table is in group %d", g)
	}
	n := fsys.view.inodeTableBlocks()
	bitmap(r.now[own.BlockBitmap()*1024:][:1024]).clear(first, n)
	at, off := fsys.view.descAt(0)
	d := format.GroupDesc(r.now[int(at)*1024+off:][:fsys.view.descSize])
	d.SetFreeBlocks(d.FreeBlocks() + n)
	sb := format.Superblock(r.now[format.SuperblockOffset:][:format.SuperblockSize])
	sb.SetFreeBlocks(sb.FreeBlocks() + uint64(n))
	if fsys, err = Open(r); err != nil {
		t.Fatal(err)
	}
	err = fsys.Update(func(tx *Tx) error { return tx.WriteFile("f", zeros(6<<20), Attr{}) }) // it needs every group
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "metadata") {
		t.Errorf("Update: %v", err)
	}
	if len(r.log) != 0 {
		t.Errorf("%d writes", len(r.log))
	}
}
