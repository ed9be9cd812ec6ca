package ext4_test

import (
	"os"
	"path/filepath"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// compareDump is for images that the kernel cannot mount: it has debugfs write our tree into a directory: types, bytes, modes and owners are compared there. Of devices, attributes,
// links and targets our own reading has to do.
func (d *difference) compareDump(t *testing.T, kernels map[string]state) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dump")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	testimage.Debugfs(t, d.work, 0, "rdump / "+dir)
	dumped, ours := testimage.Tree(t, dir), readerTree(t, openFS(t, d.work))
	want, got, wantOurs := map[string]testimage.Node{}, map[string]testimage.Node{}, map[string]testimage.Node{}
	for name, s := range kernels {
		n := s.Node
		n.Xattrs, n.Device = nil, 0
		if o := ours[name]; n.Type != "file" && n.Type != "dir" && n.Type != "symlink" {
			n.Type = o.Type
		}
		wantOurs[name] = n
		n.Mode &= 0o777 // as debugfs has it
		if n.Links = 0; name != "." && (s.Type == "file" || s.Type == "dir") {
			want[name] = n
		}
	}
	for name, n := range dumped {
		n.Mode, n.Links, n.Mtime, n.Xattrs = n.Mode&0o777, 0, 0, nil
		if n.Type == "dir" {
			n.Size = 0
		}
		if name != "." && n.Type != "symlink" {
			got[name] = n
		}
	}
	for name, n := range ours {
		n.Mtime = 0
		if n.Type == "dir" {
			n.Size = 0
		}
		ours[name] = n
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return "the kernel's tree (-) and what debugfs reads of ours (+) differ:\n" + diff
	}
	if diff := cmp.Diff(wantOurs, ours); diff != "" {
		return "the kernel's tree (-) and our reading of ours (+) differ:\n" + diff
	}
	return ""
}
