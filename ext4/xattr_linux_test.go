package ext4

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// The kernel lets files with the same extended attributes share a block, which the last of them frees.
func TestASharedBlockOfXattrsIsFreedWithItsLastFile(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 8, 64)
	testimage.Check(t, path, 0)
	dir := testimage.MountRW(t, path, 0)
	value := []byte(strings.Repeat("SHARED-VALUE", 50))
	names := []string{"x1", "x2", "x3"}
	for _, name := range names {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Setxattr(file, "user.long", value, 0); err != nil {
			t.Fatal(err)
		}
	}
	testimage.Unmount(t, dir)
	fsys := openImage(t, path)
	loc, err := fsys.view.locate("x1", true)
	if err != nil {
		t.Fatal(err)
	}
	block, err := fsys.cache.Block(loc.node.FileACL())
	if err != nil || block[4] != 3 {
		t.Fatalf("the files do not share their block: %v, %x", err, block[:32])
	}
	free := fsys.Info().FreeBlocks
	for i, name := range names {
		mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.WriteFile(name, bytes.NewReader([]byte("n")), Attr{Mode: 0o600}) })
		testimage.Fsck(t, path, 0)
		mounted := testimage.Mount(t, path, 0)
		tree := testimage.Tree(t, mounted)
		testimage.Unmount(t, mounted)
		for j, other := range names {
			want := map[string]string{"user.long": string(value)}
			if j <= i {
				want = nil
			}
			if diff := cmp.Diff(want, tree[other].Xattrs); diff != "" {
				t.Errorf("%s replaced: xattrs of %s:\n%s", name, other, diff)
			}
		}
	}
	if got := openImage(t, path).Info().FreeBlocks; got != free+1 {
		t.Errorf("%d free blocks, want %d", got, free+1)
	}
	// The journal still has the block as the kernel wrote it; where it was, there are zeros.
	if b := imageOf(t, path)[int(loc.node.FileACL())*4096:][:4096]; bytes.Contains(b, []byte("SHARED")) {
		t.Error("the value is still in the freed block")
	}
}

// The kernel finds a block that has what it is about to store by its hash, and lets a further file share it: one of ours, too.
func TestABlockOfXattrsThatWeWroteIsSharedByTheKernel(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 8, 64)
	testimage.Check(t, path, 0)
	values := map[string]string{"user.long": strings.Repeat("SHARED-VALUE", 50), "trusted.another": strings.Repeat("x", 90), "user.é": "y"}
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		for _, name := range []string{"ours", "other"} {
			if err := tx.WriteFile(name, bytes.NewReader(nil), Attr{Mode: 0o644}); err != nil {
				return err
			}
		}
		for attr, value := range values {
			if err := tx.SetXattr("ours", attr, []byte(value)); err != nil {
				return err
			}
		}
		return nil
	})
	dir := testimage.MountRW(t, path, 0)
	if _, err := syscall.Getxattr(filepath.Join(dir, "ours"), "user.long", make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	for attr, value := range values {
		if err := syscall.Setxattr(filepath.Join(dir, "other"), attr, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	testimage.Unmount(t, dir)
	fsys := openImage(t, path)
	var at []FSBlock
	for _, name := range []string{"ours", "other"} {
		loc, err := fsys.view.locate(name, true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(values, ourXattrs(t, fsys, name)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		at = append(at, loc.node.FileACL())
	}
	if at[0] == 0 || at[0] != at[1] {
		t.Errorf("the files have their attributes in blocks %v", at)
	}
}
