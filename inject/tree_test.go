package inject

// This file tests which directories are trees.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestALinkToATreeIsTheTree(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "tree/var/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tree/var/lib/a"), []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("tree", filepath.Join(dir, "result")); err != nil {
		t.Skip(err) // Windows without the right to make links
	}
	for _, name := range []string{"tree", "tree/", "result", "result/", "result/."} {
		entries, err := Tree(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Path)
		}
		if diff := cmp.Diff([]string{"/var", "/var/lib", "/var/lib/a"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestATreeWithNothingInItIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := Tree(dir); err == nil || !strings.Contains(err.Error(), "nothing in it") {
		t.Error(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err == nil {
		if _, err := Tree(filepath.Join(dir, "link")); err == nil {
			t.Error("a link to nowhere is taken for a tree")
		}
	}
}
