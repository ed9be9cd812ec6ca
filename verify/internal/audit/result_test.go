package audit_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

// TestResultSaysWhatDumpe2fsSays compares what is told of the file system besides the findings.
func TestResultSaysWhatDumpe2fsSays(t *testing.T) {
	bigalloc := testimage.ProfileNamed("nixos-1k")
	bigalloc.Features += ",bigalloc"
	bigalloc.Args = []string{"-C", "4096"}
	for _, o := range []testimage.Options{
		{Profile: testimage.ProfileNamed("nixos-4k"), StorePaths: 30},
		{Profile: testimage.ProfileNamed("gdt-checksums-1k"), StorePaths: 30, BlocksPerGroup: 2048},
		{Profile: testimage.ProfileNamed("no-checksums-2k"), StorePaths: 30},
		{Profile: bigalloc, StorePaths: 30, Size: 32 << 20},
	} {
		t.Run(o.Profile.Name, func(t *testing.T) {
			path := testimage.Ext4(t, o)
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			r, err := audit.Run(context.Background(), f, info.Size(), audit.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Findings) != 0 || !r.Clean() || r.Dropped != [2]int{} {
				t.Errorf("findings: %v", r.Findings)
			}
			told := map[string]string{}
			for line := range strings.Lines(testimage.Dumpe2fs(t, path)) {
				if name, value, ok := strings.Cut(line, ":"); ok && told[name] == "" {
					told[name] = strings.TrimSpace(value)
				}
			}
			features := strings.Fields(told["Filesystem features"])
			slices.Sort(features)
			ours := slices.Sorted(slices.Values(r.Features))
			if !slices.Equal(ours, features) {
				t.Errorf("features are %v, want %v", ours, features)
			}
			for name, got := range map[string]any{
				"Filesystem volume name": r.Label, "Filesystem UUID": r.UUID, "Filesystem state": r.State, "Block count": r.Blocks,
				"Free blocks": r.FreeBlocks, "Inode count": r.Inodes, "Free inodes": r.FreeInodes, "Block size": r.BlockSize,
				"Blocks per group": r.BlocksPerGroup, "Inodes per group": r.InodesPerGroup, "Inode size": r.InodeSize,
			} {
				if fmt.Sprint(got) != told[name] {
					t.Errorf("%s is %v, want %s", name, got, told[name])
				}
			}
			var sum, free, journal, files uint64
			for g, u := range r.Groups {
				if all := u.Superblock + u.Bitmaps + u.InodeTables + u.Journal + u.Directories + u.Files + u.Free; all != u.Blocks {
					t.Errorf("group %d has %d blocks, and %d uses of them: %+v", g, u.Blocks, all, u)
				}
				sum, free, journal, files = sum+uint64(u.Blocks), free+uint64(u.Free), journal+uint64(u.Journal), files+uint64(u.Files)
			}
			if first := uint64(1024 / r.BlockSize % 2); r.ClusterBlocks == 1 && sum != r.Blocks-first || free != r.FreeBlocks {
				t.Errorf("groups have %d blocks, %d of them free", sum, free)
			}
			if journal == 0 || files == 0 {
				t.Errorf("%d blocks of the journal, %d of files", journal, files)
			}
		})
	}
}
