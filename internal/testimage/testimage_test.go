package testimage

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryProfileMakesWhatItNames(t *testing.T) {
	for _, p := range Profiles {
		t.Run(p.Name, func(t *testing.T) {
			path := Ext4(t, Options{Profile: p, StorePaths: 60})
			Check(t, path, 0)
			out, err := run("", "dumpe2fs", []string{"-h", path})
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(out, "Filesystem features:")
			line, _, _ := strings.Cut(rest, "\n")
			got, want := map[string]bool{}, map[string]bool{}
			for _, f := range strings.Fields(line) {
				got[f] = true
			}
			for _, f := range strings.Split(p.Features, ",") {
				want[f] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("features (-want +got):\n%s", diff)
			}
			size, err := superblockNumber(path, "Block size")
			if err != nil || size != int64(p.BlockSize) {
				t.Errorf("block size %d, %v", size, err)
			}
			free, err := superblockNumber(path, "Free blocks")
			if err != nil || free*size < 14<<20 || free*size > 24<<20 {
				t.Errorf("%d bytes are free (%v), want some 16 MiB", free*size, err)
			}
			info, err := os.Stat(path)
			blocks, berr := superblockNumber(path, "Block count")
			if err != nil || berr != nil || info.Size() != blocks*size {
				t.Errorf("file of %d bytes, %d blocks (%v, %v)", info.Size(), blocks, err, berr)
			}
		})
	}
}

func TestTheTreeLooksLikeANixOSRoot(t *testing.T) {
	RequireRoot(t)
	path := Ext4(t, Options{})
	Check(t, path, 0)
	tree := Tree(t, Mount(t, path, 0))
	paths, types := 0, map[string]int{}
	for name, node := range tree {
		if strings.HasPrefix(name, "nix/store/") && strings.Count(name, "/") == 2 {
			paths++
		}
		types[node.Type]++
	}
	if paths != 300 || types["symlink"] < 1000 || types["file"] < 800 {
		t.Errorf("%d store paths, types %v", paths, types)
	}
	for name, attr := range map[string]int{"nix-path-registration": len("in-the-inode"), "boot": 440} {
		if got := len(tree[name].Xattrs["user.boringboot"]); got != attr {
			t.Errorf("%s: attribute of %d bytes, want %d", name, got, attr)
		}
	}
	if _, ok := tree["var"]; ok {
		t.Error("/var exists")
	}
	if out := Debugfs(t, path, 0, "htree_dump /nix/store"); !strings.Contains(out, "Number of entries") {
		t.Errorf("/nix/store has no index:\n%s", out)
	}
}

func TestTheSameOptionsGiveTheSameTree(t *testing.T) {
	RequireRoot(t)
	first := Tree(t, Mount(t, Ext4(t, Options{StorePaths: 40}), 0))
	originalsMu.Lock()
	clear(originals) // made anew, not copied
	originalsMu.Unlock()
	second := Tree(t, Mount(t, Ext4(t, Options{StorePaths: 40}), 0))
	ignoreMtimeOfRoot(first)
	ignoreMtimeOfRoot(second)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

// ignoreMtimeOfRoot takes out the times that are the clock's: of directories
// that the tree's writer does not own.
func ignoreMtimeOfRoot(tree map[string]Node) {
	for name, node := range tree {
		if node.Mtime != storeTime.UnixNano() {
			node.Mtime = 0
			tree[name] = node
		}
	}
}

func TestACopyDoesNotTouchTheOriginal(t *testing.T) {
	o := Options{StorePaths: 10}
	before := Snapshot(t, Ext4(t, o))
	spoilt := Ext4(t, o)
	FlipByte(t, spoilt, 1024+0x38)
	if Snapshot(t, spoilt) == before {
		t.Error("FlipByte changed nothing")
	}
	if after := Snapshot(t, Ext4(t, o)); after != before {
		t.Error("a third copy is not like the first")
	}
}

func TestDisksHaveTheRootWhereTheySay(t *testing.T) {
	for _, l := range []Layout{MBR, GPT, Logical} {
		t.Run("layout "+string(l), func(t *testing.T) {
			o := Options{StorePaths: 10, Layout: l}
			path := NixOSDisk(t, o)
			Check(t, path, o.RootOffset())
			out, err := run("", "sfdisk", []string{"-J", path})
			if err != nil {
				t.Fatal(err)
			}
			number := string(rune('0' + l.RootNumber()))
			if !strings.Contains(out, path+number) {
				t.Errorf("no partition %s:\n%s", number, out)
			}
			if got := Debugfs(t, path, o.RootOffset(), "ls /"); !strings.Contains(got, "nix-path-registration") {
				t.Errorf("the root holds %s", got)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var label [11]byte
			if _, err := f.ReadAt(label[:], gap+0x2b); err != nil || string(label[:8]) != "FIRMWARE" {
				t.Errorf("FAT label %q, %v", label, err)
			}
		})
	}
}

func TestCompressedImagesUnpackToTheSameBytes(t *testing.T) {
	path := Ext4(t, Options{StorePaths: 10})
	want := Snapshot(t, path)
	for format, unpack := range map[string]string{"zst": "zstd", "xz": "xz", "gz": "gzip", "bz2": "bzip2"} {
		t.Run(format, func(t *testing.T) {
			packed := Compress(t, path, format)
			cmd, err := command(unpack, "-d", "-c", packed)
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "out")
			if cmd.Stdout, err = os.Create(out); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			if got := Snapshot(t, out); got != want {
				t.Error("other bytes")
			}
		})
	}
}

// The oracle is put to the test: what it is there to find, it finds.
func TestFsckFindsWhatIsWrong(t *testing.T) {
	const root = 38 * mebibyte
	tests := map[string]func(t *testing.T, path string){
		"a superblock counter": func(t *testing.T, path string) {
			DebugfsWrite(t, path, root, "set_super_value free_blocks_count 7")
		},
		"an inode's checksum": func(t *testing.T, path string) {
			DebugfsWrite(t, path, root, "set_inode_field /boot checksum 0x1234")
		},
		"a link count": func(t *testing.T, path string) {
			DebugfsWrite(t, path, root, "set_inode_field /boot links_count 9")
		},
		"a block in use marked free": func(t *testing.T, path string) {
			DebugfsWrite(t, path, root, "freeb 100")
		},
		"a name without an inode": func(t *testing.T, path string) {
			DebugfsWrite(t, path, root, "clri /nix-path-registration")
		},
		"a flipped byte of the block bitmap": func(t *testing.T, path string) {
			block := descriptorBlock(t, path, root, 0)
			FlipByte(t, path, root+block*4096)
		},
		"a flipped byte of the inode bitmap": func(t *testing.T, path string) {
			block := descriptorBlock(t, path, root, 4)
			FlipByte(t, path, root+block*4096)
		},
		"a flipped byte of the inode table": func(t *testing.T, path string) {
			block := descriptorBlock(t, path, root, 8)
			FlipByte(t, path, root+block*4096+256+4)
		},
		"a flipped byte of the superblock": func(t *testing.T, path string) {
			FlipByte(t, path, root+1024+0x50)
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			path := NixOSDisk(t, Options{StorePaths: 10})
			if err := FsckErr(path, root); err != nil {
				t.Fatalf("before: %v", err)
			}
			spoil(t, path)
			if err := FsckErr(path, root); err == nil {
				t.Error("e2fsck finds nothing")
			}
		})
	}
}

// descriptorBlock reads a block number of group 0's descriptor; blocks are of
// 4096 bytes, so that it is in block 1.
func descriptorBlock(t *testing.T, path string, root, field int64) int64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [4]byte
	if _, err := f.ReadAt(b[:], root+4096+field); err != nil {
		t.Fatal(err)
	}
	return int64(binary.LittleEndian.Uint32(b[:]))
}

func TestTreeSeesEveryDifference(t *testing.T) {
	RequireRoot(t)
	changes := map[string]func(dir string) error{
		"content of the same size": func(dir string) error {
			return os.WriteFile(dir+"/boot/extlinux/extlinux.conf", bytes.Repeat([]byte("x"), 5), 0o644)
		},
		"mode":    func(dir string) error { return os.Chmod(dir+"/nix-path-registration", 0o600) },
		"owner":   func(dir string) error { return os.Chown(dir+"/nix-path-registration", 0, 70000) },
		"link":    func(dir string) error { return os.Link(dir+"/nix-path-registration", dir+"/other") },
		"symlink": func(dir string) error { return os.Symlink("a", dir+"/other") },
		"removal": func(dir string) error { return os.Remove(dir + "/nix-path-registration") },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			path := Ext4(t, Options{StorePaths: 10})
			Check(t, path, 0)
			dir := MountRW(t, path, 0)
			if err := os.WriteFile(dir+"/boot/extlinux/extlinux.conf", []byte("12345"), 0o644); err != nil {
				t.Fatal(err)
			}
			before := Tree(t, dir)
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			if after := Tree(t, dir); cmp.Equal(before, after) {
				t.Error("no difference")
			}
		})
	}
}

func TestDebugfsComplaintsAreErrors(t *testing.T) {
	path := Ext4(t, Options{StorePaths: 10})
	for _, c := range []string{"stat /missing", "no_such_command", "write /does/not/exist x"} {
		if _, err := debugfs(path, 0, true, c); err == nil {
			t.Errorf("debugfs %q: no error", c)
		}
	}
}

func TestLazilyInitialisedTablesHoldGarbage(t *testing.T) {
	path := Ext4(t, Options{StorePaths: 20, Size: 64 * mebibyte, BlocksPerGroup: 2048, Stale: true})
	Check(t, path, 0)
	out, err := run("", "dumpe2fs", []string{path})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "INODE_UNINIT") || !strings.Contains(out, "BLOCK_UNINIT") {
		t.Errorf("no group is uninitialised:\n%s", out)
	}
	if got := Debugfs(t, path, 0, "bd 8100"); strings.Contains(got, "0000 0000") {
		t.Errorf("a free block is empty:\n%s", got)
	}
}
