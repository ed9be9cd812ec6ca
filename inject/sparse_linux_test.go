package inject_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/ext4"
	"boringboot/inject"
	"boringboot/internal/diskimage"
	"boringboot/internal/testimage"
)

// A file of 1 GiB with a few bytes here and there goes into an image that has 16 MiB free, and keeps its holes.
func TestHolesOfSourcesStayHoles(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	testimage.Check(t, image, 0)
	dir := t.TempDir()
	src := filepath.Join(dir, "var/disk.img")
	if err := os.MkdirAll(filepath.Dir(src), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(src)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{0, 77 << 20, 1<<30 - 5} {
		if _, err := f.WriteAt([]byte("bytes"), at); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := inject.Tree(dir)
	if err != nil {
		t.Fatal(err)
	}
	img, err := diskimage.OpenInPlace(image)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	fsys, err := ext4.Open(img.Section(0, img.Size()))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := inject.NewPlan(fsys, entries, inject.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	info, err := fs.Stat(fsys, "var/disk.img")
	if err != nil {
		t.Fatal(err)
	}
	if blocks := info.Sys().(*ext4.Stat).Blocks; blocks > 100*8 {
		t.Errorf("the file takes %d sectors", blocks)
	}
	mounted := testimage.Mount(t, image, 0)
	want, got := testimage.Tree(t, dir)["var/disk.img"], testimage.Tree(t, mounted)["var/disk.img"]
	if diff := cmp.Diff([]any{want.Size, want.Content}, []any{got.Size, got.Content}); diff != "" {
		t.Errorf("size and content (-source +image):\n%s", diff)
	}
	testimage.Unmount(t, mounted)
}
