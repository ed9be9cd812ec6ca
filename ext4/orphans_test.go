package ext4

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// openAndGone removes files and directories that are still open, of every kind of block map that there is.
func openAndGone(t *testing.T, dir string) (end func()) {
	t.Helper()
	mustDo(t, os.MkdirAll(filepath.Join(dir, "sub/open dir"), 0o755))
	var held []*os.File
	hold := func(name string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o644)
		mustDo(t, err)
		held = append(held, f)
		return f
	}
	for i := range 12 {
		f := hold(fmt.Sprintf("sub/gone %d", i))
		_, err := f.Write(pattern(1+i*9000, byte(i)))
		mustDo(t, err)
	}
	holes := hold("sub/many extents")
	for i := range 400 {
		_, err := holes.WriteAt([]byte("x"), int64(i)*3*4096)
		mustDo(t, err)
	}
	mustDo(t, os.Link(filepath.Join(dir, "sub/gone 3"), filepath.Join(dir, "stays")))
	d, err := os.Open(filepath.Join(dir, "sub/open dir"))
	mustDo(t, err)
	held = append(held, d)
	mustDo(t, holes.Sync(), syncDir(dir))
	mustDo(t, os.Remove(filepath.Join(dir, "sub/open dir")))
	entries, err := os.ReadDir(filepath.Join(dir, "sub"))
	mustDo(t, err)
	for _, e := range entries {
		mustDo(t, os.Remove(filepath.Join(dir, "sub", e.Name())))
	}
	mustDo(t, syncDir(dir))
	return func() {
		for _, f := range held {
			f.Close()
		}
	}
}

func TestOrphansAreCleanedUpAsTheKernelDoes(t *testing.T) {
	for _, d := range []dirty{
		{"an orphan file with checksums", "nixos-4k", "", "data=ordered", nil, ""},
		{"an orphan file without", "no-checksums-1k", "orphan_file", "data=ordered", nil, ""},
		{"a list", "debian-1k", "", "data=ordered", nil, ""},
		{"a list without checksums", "no-checksums-2k", "", "data=ordered", nil, ""},
		{"indirect blocks", "no-checksums-1k", "^extent", "data=ordered", nil, ""},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			d.work = openAndGone
			path := d.image(t)
			if r := openImage(t, path).Recovery(); r == nil || r.Deleted < 13 {
				t.Fatalf("recovered %+v, want at least 13 deleted inodes", r)
			}
			mustRecoverAsTheKernel(t, path)
		})
	}
}

// halfTruncated makes orphans of an unmounted file system: files whose size was set, whose blocks are still there.
func halfTruncated(t *testing.T, profile string) string {
	t.Helper()
	path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(profile), StorePaths: -1, Size: 16 << 20, Inodes: 300, Fill: func(dir string) error {
		for i := range 6 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("cut%d", i)), pattern(100_000, byte(i)), 0o644); err != nil {
				return err
			}
		}
		return nil
	}})
	return path
}

func inodeNumber(t *testing.T, path, name string) int {
	t.Helper()
	info, err := openImage(t, path).Stat(name)
	mustDo(t, err)
	return int(info.Sys().(*Stat).Ino)
}

func TestATruncationThatBrokeOffIsFinished(t *testing.T) {
	for _, profile := range []string{"nixos-4k", "debian-1k", "no-checksums-2k"} {
		for _, where := range []string{"list", "orphan file"} {
			if where == "orphan file" && profile != "nixos-4k" {
				continue
			}
			t.Run(profile+" "+where, func(t *testing.T) {
				path := halfTruncated(t, profile)
				var inodes []int
				for i := range 6 {
					inodes = append(inodes, inodeNumber(t, path, fmt.Sprintf("cut%d", i)))
				}
				commands := []string{}
				for i, ino := range inodes[:5] {
					commands = append(commands, fmt.Sprintf("set_inode_field <%d> size %d", ino, []int{0, 1, 4096, 50_001, 100_000}[i]))
				}
				if where == "list" {
					for i, ino := range inodes[:4] {
						commands = append(commands, fmt.Sprintf("set_inode_field <%d> dtime %d", ino, inodes[i+1]))
					}
					commands = append(commands, fmt.Sprintf("set_super_value last_orphan %d", inodes[0]))
				}
				testimage.DebugfsWrite(t, path, 0, commands...)
				if where == "orphan file" {
					putIntoOrphanFile(t, path, inodes[:5])
				}
				byKernel := snapshot(t, path)
				recoverers["kernel"](t, byKernel)
				want := withoutTimes(kernelTree(t, byKernel)) // the kernel says that it was changed now

				fsys := openImage(t, path)
				if r := fsys.Recovery(); r == nil || r.Truncated != 5 || r.Deleted != 0 {
					t.Fatalf("recovered %+v, want 5 truncated inodes", r)
				}
				if diff := cmp.Diff(want, withoutTimes(ourTree(t, fsys))); diff != "" {
					t.Errorf("read without writing: the kernel's tree (-) and ours (+):\n%s", diff)
				}
				mustDo(t, fsys.Recover())
				testimage.Fsck(t, path, 0)
				if diff := cmp.Diff(want, withoutTimes(kernelTree(t, path))); diff != "" {
					t.Errorf("written: the kernel's tree (-) and ours (+):\n%s", diff)
				}
				if free, want := freeBlocksOf(t, path), freeBlocksOf(t, byKernel); free != want {
					t.Errorf("%d free blocks, with the kernel %d", free, want)
				}
			})
		}
	}
}

func withoutTimes(tree map[string]testimage.Node) map[string]testimage.Node {
	for name, n := range tree {
		n.Mtime = 0
		tree[name] = n
	}
	return tree
}

func freeBlocksOf(t *testing.T, path string) uint64 {
	t.Helper()
	return openImage(t, path).Info().FreeBlocks
}

func putIntoOrphanFile(t *testing.T, path string, inodes []int) {
	t.Helper()
	b, err := os.ReadFile(path)
	mustDo(t, err)
	fsys := openImage(t, path)
	v := fsys.view
	bs := v.blockSize
	first := true
	mustDo(t, v.orphanBlocks(func(n node, at FSBlock, _ format.OrphanBlock) error {
		if !first {
			return nil
		}
		first = false
		block := b[int(at)*bs:][:bs]
		for i, ino := range inodes {
			binary.LittleEndian.PutUint32(block[12*i:], uint32(ino)) // with free places between them
		}
		format.OrphanBlock(block).SetChecksum(v.seedOf(n), at)
		return nil
	}))
	sb := format.Superblock(b[1024:2048])
	format.SFeatureROCompat.Set(sb, format.SFeatureROCompat.Get(sb)|format.ROCompatOrphanPresent)
	sb.SetChecksum()
	writeImage(t, path, b)
}

func TestDamagedOrphansAreAnError(t *testing.T) {
	path := halfTruncated(t, "debian-1k")
	ino := inodeNumber(t, path, "cut1")
	for _, c := range []struct {
		name     string
		commands []string
		want     string
	}{
		{"a reserved inode", []string{"set_super_value last_orphan 2"}, "inode 2: an orphan, but reserved"},
		{"an inode beyond the last", []string{"set_super_value last_orphan 70000"}, "inode 70000: an orphan, but reserved or beyond"},
		{"a free inode", []string{"set_super_value last_orphan 200"}, "inode 200: an orphan, but the bitmap calls it free"},
		{"a ring", []string{fmt.Sprintf("set_inode_field <%d> dtime %d", ino, ino), fmt.Sprintf("set_super_value last_orphan %d", ino)}, "twice on the list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spoilt := snapshot(t, path)
			testimage.DebugfsWrite(t, spoilt, 0, c.commands...)
			if _, err := Open(openDevice(t, spoilt)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open: %v, want %q", err, c.want)
			}
		})
	}
}
