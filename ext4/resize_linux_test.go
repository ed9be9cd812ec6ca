package ext4_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// File systems that the kernel has resized while they were mounted, and those
// that we have written to before.

// growMounted mounts an image, writes to it, and has resize2fs grow it to a
// size in MiB, in steps.
func growMounted(t *testing.T, path string, sizes ...int) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if last := int64(sizes[len(sizes)-1]) << 20; info.Size() < last {
		if err := os.Truncate(path, last); err != nil {
			t.Fatal(err)
		}
	}
	dir := testimage.MountRW(t, path, 0)
	defer testimage.Unmount(t, dir)
	device, err := exec.Command("findmnt", "-n", "-o", "SOURCE", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		out, err := testimage.Command(t, "resize2fs", strings.TrimSpace(string(device)), fmt.Sprintf("%dM", size)).CombinedOutput()
		if err != nil && strings.Contains(string(out), "Permission denied to resize filesystem") {
			t.Skip("needs CAP_SYS_RESOURCE: the kernel grows a file system for those only who may pass quotas")
		}
		if err != nil {
			t.Fatalf("resize2fs to %d MiB: %v\n%s", size, err, out)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("at-%d", size)), bytes.Repeat([]byte("x"), 3<<20), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileSystemsThatTheKernelHasGrown(t *testing.T) {
	for _, test := range []struct {
		name  string
		o     testimage.Options
		sizes []int
	}{
		{"into reserved blocks", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024}), []int{60, 100}},
		{"until there are no more, then by meta groups", of("nixos-1k", testimage.Options{BlocksPerGroup: 1024, Extended: "resize=60000"}), []int{56, 200}},
		{"by meta groups, as there are no reserved blocks", of("debian-1k", testimage.Options{BlocksPerGroup: 512}, "^resize_inode"), []int{150}},
		{"with meta groups from the start", of("nixos-1k", testimage.Options{BlocksPerGroup: 512}, "^resize_inode", "meta_bg"), []int{64, 150}},
		{"without flex groups", of("gdt-checksums-1k", testimage.Options{BlocksPerGroup: 1024}, "^flex_bg"), []int{100}},
		{"without checksums", of("no-checksums-4k", testimage.Options{BlocksPerGroup: 1024}), []int{100, 160}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.o.Fill = oldDirectory
			test.o.Stale = false
			path := testimage.Ext4(t, test.o)
			testimage.Check(t, path, 0)
			first := []op{mkdir("early", 0o755)}
			first = append(first, entries("early", 0, 300, 60)...)
			mustUpdate(t, path, first, ext4.WithoutJournal())
			growMounted(t, path, test.sizes...)
			testimage.Fsck(t, path, 0)
			testLayout(t, path, test.o.Profile)
			// And the kernel goes on.
			growMounted(t, path, test.sizes[len(test.sizes)-1]+50)
			testimage.Fsck(t, path, 0)
			// Blocks and inodes of the new groups are used, too: nearly all of them.
			err := update(path, updateTime, func(tx *ext4.Tx) error {
				return errors.Join(tx.WriteFile("large", bytes.NewReader(noise(30<<20)), ext4.Attr{Mode: 0o600}), tx.RemoveAll("early"), tx.RemoveAll("new"))
			}, ext4.WithoutJournal())
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
