package ext4ro

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// image is a small file system in memory with a hashed directory /hashed and a file /holed with a hole in it.
func image(tb testing.TB, p testimage.Profile) ([]byte, string) {
	tb.Helper()
	path := testimage.Ext4(tb, testimage.Options{Profile: p, StorePaths: -1, Size: 4 << 20, Inodes: 600, Fill: func(dir string) error {
		if err := os.Mkdir(dir+"/hashed", 0o755); err != nil {
			return err
		}
		for i := range 450 {
			if err := os.WriteFile(fmt.Sprintf("%s/hashed/a-name-%03d", dir, i), nil, 0o644); err != nil {
				return err
			}
		}
		holed := make([]byte, 200<<10)
		holed[0], holed[len(holed)-1] = 1, 1
		if err := os.WriteFile(dir+"/holed", holed, 0o644); err != nil {
			return err
		}
		return os.WriteFile(dir+"/full", bytes.Repeat([]byte("x"), 300<<10), 0o644)
	}})
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data, path
}

var profiles = []testimage.Profile{
	testimage.ProfileNamed("nixos-4k"), testimage.ProfileNamed("pi-gen-1k"), testimage.ProfileNamed("no-checksums-2k"),
	{Name: "ext3", Features: "has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file", BlockSize: 1024, InodeSize: 128},
	{Name: "meta_bg", Features: "ext_attr,dir_index,filetype,extent,meta_bg,sparse_super,large_file,extra_isize,metadata_csum,64bit", BlockSize: 1024, Args: []string{"-g", "256"}},
}

func TestWhatIsDecodedIsWhatDebugfsSays(t *testing.T) {
	for _, p := range profiles {
		t.Run(p.Name, func(t *testing.T) {
			data, path := image(t, p)
			fs, err := Open(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{"/", "/lost+found", "/hashed", "/holed", "/full"} {
				stat := testimage.Debugfs(t, path, 0, "stat "+file)
				ino := number(t, stat, "Inode: ")
				in, err := fs.Inode(uint32(ino))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(number(t, stat, "Size: "), in.Size); diff != "" {
					t.Errorf("%s: size (-want +got):\n%s", file, diff)
				}
				m, err := fs.Map(in)
				if err != nil {
					t.Fatal(err)
				}
				var want, got []string
				for _, b := range strings.Fields(afterFirstLine(testimage.Debugfs(t, path, 0, "blocks "+file))) {
					want = append(want, b)
				}
				for _, r := range m.runs {
					for i := range r.blocks {
						got = append(got, fmt.Sprint(r.disk+i))
					}
				}
				// debugfs lists the blocks of the map itself as well; the data must be among them and in their order.
				if !subsequence(got, want) || len(got) == 0 {
					t.Errorf("%s: blocks %v, debugfs has %v", file, got, want)
				}
				if holed := file == "/holed"; m.Holes != holed || m.Plain() == holed {
					t.Errorf("%s: holes: %v", file, m.Holes)
				}
				if file != "/holed" && m.Mapped != m.Blocks {
					t.Errorf("%s: %d of %d blocks are mapped", file, m.Mapped, m.Blocks)
				}
				if err := fs.CheckDirectory(uint32(ino)); (err == nil) != strings.Contains(stat, "Type: directory") {
					t.Errorf("%s: CheckDirectory: %v", file, err)
				}
			}
		})
	}
}

func number(t *testing.T, text, label string) uint64 {
	t.Helper()
	_, after, ok := strings.Cut(text, label)
	if !ok {
		t.Fatalf("no %q in\n%s", label, text)
	}
	n, err := strconv.ParseUint(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func afterFirstLine(s string) string {
	if _, after, ok := strings.Cut(s, "\n"); ok && strings.HasPrefix(s, "debugfs") {
		return after
	}
	return s
}

func subsequence(some, all []string) bool {
	for _, s := range all {
		if len(some) > 0 && some[0] == s {
			some = some[1:]
		}
	}
	return len(some) == 0
}

func TestEveryNameIsWhereItsHashIsLookedFor(t *testing.T) {
	for _, alg := range []string{"legacy", "half_md4", "tea"} {
		for _, unsigned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, unsigned %v", alg, unsigned), func(t *testing.T) {
				path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), StorePaths: -1, Size: 4 << 20, Inodes: 900,
					HashAlg: alg, UnsignedHash: unsigned, Fill: func(dir string) error {
						if err := os.Mkdir(dir+"/hashed", 0o755); err != nil {
							return err
						}
						for i := range 600 {
							name := fmt.Sprintf("%03d-%s", i, strings.Repeat("n\xc3\xa4\xff", i%60)) // of 4 to 244 bytes, not all of them ASCII
							if err := os.WriteFile(dir+"/hashed/"+name, nil, 0o644); err != nil {
								return err
							}
						}
						return nil
					}})
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				audit := func() []Damage {
					fs, err := Open(bytes.NewReader(data), int64(len(data)))
					if err != nil {
						t.Fatal(err)
					}
					a := NewAudit(fs)
					if err := a.Whole(); err != nil {
						t.Fatal(err)
					}
					if _, err := a.Child(RootIno, "hashed", nil); err != nil {
						t.Fatal(err)
					}
					return a.Take()
				}
				if found := audit(); len(found) > 0 {
					t.Fatalf("%d findings, first %v", len(found), found[0])
				}
				data[1024+0xEC] ^= 1 // s_hash_seed
				if found := audit(); len(found) < 10 && alg != "legacy" {
					t.Errorf("with another seed: %v", found)
				}
			})
		}
	}
}

// FuzzDecode changes one byte run of an image: whatever comes of it, decoding ends without a panic.
func FuzzDecode(f *testing.F) {
	var images [][]byte
	for _, p := range profiles {
		data, _ := image(f, p)
		images = append(images, data)
	}
	for i := range profiles {
		f.Add(i, uint32(1024), []byte{0xff})
		f.Add(i, uint32(1024+0x18), []byte{1, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which int, at uint32, patch []byte) {
		base := images[uint(which)%uint(len(images))]
		data := bytes.Clone(base)
		copy(data[int(at)%len(data):], patch)
		fs, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for ino := uint32(1); ino < 40 && ino <= fs.InodesCount; ino++ {
			_ = fs.CheckDirectory(ino)
			if in, err := fs.Inode(ino); err == nil {
				_, _ = fs.Map(in)
			}
		}
		a := NewAudit(fs)
		_ = a.Whole()
		for _, name := range []string{"lost+found", "hashed", "holed", "full"} {
			if in, err := a.Child(RootIno, name, nil); err == nil && in.Mode&ModeType == ModeDir {
				_, _ = a.Child(in.Ino, "a-name-123", nil)
			}
		}
		for _, d := range a.Take() {
			if d.Object == "" || d.Text == "" {
				t.Errorf("damage without a name: %q", d)
			}
		}
	})
}
