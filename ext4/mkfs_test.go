package ext4

// This file makes small file systems for tests that want no tree in them.

import (
	"fmt"
	"path/filepath"
	"testing"

	"boringboot/internal/testimage"
)

// mkfs makes an empty file system with mke2fs' features of today and others.
func mkfs(t *testing.T, mib int, features string, block, inode int, more ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	args := []string{"-q", "-t", "ext4", "-b", fmt.Sprint(block), "-I", fmt.Sprint(inode), "-E", "nodiscard", "-J", "size=8"}
	if features != "" {
		args = append(args, "-O", features)
	}
	args = append(args, more...)
	out, err := testimage.Command(t, "mke2fs", append(args, path, fmt.Sprintf("%dM", mib))...).CombinedOutput()
	if err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	return path
}
