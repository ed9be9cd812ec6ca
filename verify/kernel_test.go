// Files that the Linux kernel wrote: its own ways to lay out files and directories, read back by the libraries.

package verify

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

func TestWhatTheKernelWroteIsConfirmed(t *testing.T) {
	testimage.RequireRoot(t)
	for _, name := range []string{"nixos-4k", "pi-gen-4k", "gdt-checksums-4k", "debian-2k", "no-checksums-1k", "nixos-1k"} {
		t.Run(name, func(t *testing.T) {
			p := testimage.ProfileNamed(name)
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 20, Inodes: 1500})
			want := standard(t)
			dir := testimage.MountRW(t, path, 0)
			for _, d := range directories {
				if err := os.Mkdir(filepath.Join(dir, d.path), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, e := range want {
				kernelPut(t, dir, e)
			}
			// Enough names that the kernel hashes the directory.
			crowd := filepath.Join(dir, "crowd")
			if err := os.Mkdir(crowd, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range 500 {
				if err := os.WriteFile(filepath.Join(crowd, fmt.Sprintf("name-%03d", i)), []byte(fmt.Sprint(i)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			testimage.Unmount(t, dir)
			testimage.Fsck(t, path, 0)
			want = append(want, file("/crowd/name-321", []byte("321")))
			readers, inCrowd := all3, "go-diskfs go-ext4-filesystem"
			if name == "gdt-checksums-4k" || name == "no-checksums-1k" {
				readers, inCrowd = unchecked, last
			}
			except := map[string]string{"/crowd/name-321": inCrowd}
			expectConfirmed(t, "Contents", contents(t, path, want), readers, except)
			expectConfirmed(t, "Bootstrap", bootstrap(t, path, want), readers, except)
		})
	}
}

func kernelPut(t *testing.T, dir string, e manifest.Entry) {
	t.Helper()
	path := filepath.Join(dir, e.Path)
	var err error
	switch e.Kind {
	case manifest.File:
		err = os.WriteFile(path, contentOf(t, e), 0o600)
	case manifest.Directory:
		err = os.Mkdir(path, 0o700)
	case manifest.Symlink:
		err = os.Symlink(e.Target, path)
	}
	if err == nil {
		err = os.Lchown(path, int(e.UID), int(e.GID))
	}
	if err == nil && e.Kind != manifest.Symlink {
		err = os.Chmod(path, e.Mode&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
	}
	if err != nil {
		t.Fatal(err)
	}
}
