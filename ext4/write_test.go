package ext4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

var writeTime = time.Unix(1_700_000_000, 123456789)

func mustUpdate(tb testing.TB, fsys *FS, fn func(tx *Tx) error, opts ...UpdateOption) {
	tb.Helper()
	if err := fsys.Update(fn, append([]UpdateOption{WithTime(writeTime), AcceptRisk()}, opts...)...); err != nil {
		tb.Fatalf("Update: %v", err)
	}
}

func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed) + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func fileNode(content []byte, mode, uid, gid uint32) testimage.Node {
	sum := sha256.Sum256(content)
	return testimage.Node{Type: "file", Mode: mode, UID: uid, GID: gid, Size: int64(len(content)), Links: 1,
		Mtime: writeTime.UnixNano(), Content: hex.EncodeToString(sum[:])}
}

func TestFilesDirectoriesAndSymlinks(t *testing.T) {
	profiles := []testimage.Profile{testimage.NixOS()}
	for _, name := range []string{"pi-gen-2k", "gdt-checksums-1k", "no-checksums-4k", "linear-1k"} {
		profiles = append(profiles, testimage.ProfileNamed(name))
	}
	for _, size := range []int{128, 512, 1024} {
		p := testimage.ProfileNamed("debian-2k")
		p.Name, p.InodeSize = fmt.Sprintf("%s with inodes of %d bytes", p.Name, size), size
		profiles = append(profiles, p)
	}
	noType := testimage.ProfileNamed("nixos-2k")
	noType.Name, noType.Features = noType.Name+" without file types", strings.ReplaceAll(noType.Features, ",filetype", "")
	for _, p := range append(profiles, noType) {
		t.Run(p.Name, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 40})
			testimage.Check(t, path, 0)
			want := kernelTree(t, path)
			fsys := openImage(t, path)
			sizes := []int{0, 1, 59, 60, 61, p.BlockSize - 1, p.BlockSize, p.BlockSize + 1, 1 << 20}
			mustUpdate(t, fsys, func(tx *Tx) error {
				if err := tx.MkdirAll("var/lib/bootstrap", Attr{Mode: 0o755}); err != nil {
					return err
				}
				if err := tx.Chmod("var/lib/bootstrap", 0o700); err != nil {
					return err
				}
				for _, n := range sizes {
					name := fmt.Sprintf("var/lib/bootstrap/file-%d", n)
					if err := tx.WriteFile(name, bytes.NewReader(pattern(n, 1)), Attr{Mode: 0o600, UID: 70000, GID: 3}); err != nil {
						return err
					}
					if b, err := tx.ReadFile(name); err != nil || !bytes.Equal(b, pattern(n, 1)) {
						return fmt.Errorf("%s is not what was just written (%v)", name, err)
					}
				}
				for _, n := range []int{1, 59, 60, 61, 500} {
					if err := tx.Symlink(strings.Repeat("t", n), fmt.Sprintf("var/lib/link-%d", n), Attr{}); err != nil {
						return err
					}
				}
				return nil
			})
			stamp := writeTime.UnixNano()
			if p.InodeSize == 128 {
				stamp -= int64(writeTime.Nanosecond())
			}
			dir := func(mode uint32, links uint64) testimage.Node {
				return testimage.Node{Type: "dir", Mode: mode, Size: int64(p.BlockSize), Links: links, Mtime: stamp}
			}
			want["var"], want["var/lib"], want["var/lib/bootstrap"] = dir(0o755, 3), dir(0o755, 3), dir(0o700, 2)
			root := want["."]
			root.Links, root.Mtime = root.Links+1, stamp
			want["."] = root
			for _, n := range sizes {
				node := fileNode(pattern(n, 1), 0o600, 70000, 3)
				node.Mtime = stamp
				want[fmt.Sprintf("var/lib/bootstrap/file-%d", n)] = node
			}
			for _, n := range []int{1, 59, 60, 61, 500} {
				want[fmt.Sprintf("var/lib/link-%d", n)] = testimage.Node{Type: "symlink", Mode: 0o777, Size: int64(n), Links: 1, Mtime: stamp, Content: strings.Repeat("t", n)}
			}
			if diff := cmp.Diff(want, kernelTree(t, path)); diff != "" {
				t.Errorf("what was written (-) and what the kernel reads (+) differ:\n%s", diff)
			}
			if diff := cmp.Diff(want, ourTree(t, fsys)); diff != "" {
				t.Errorf("what was written (-) and what we read (+) differ:\n%s", diff)
			}
		})
	}
}

func TestDirectoriesGrowFromLinearToTwoLevels(t *testing.T) {
	type variant struct {
		profile, alg string
		unsigned     bool
		count        int
	}
	var variants []variant
	for _, profile := range []string{"nixos-4k", "nixos-1k", "gdt-checksums-1k", "gdt-checksums-4k", "no-checksums-2k", "linear-1k"} {
		variants = append(variants, variant{profile, "half_md4", false, 3000})
	}
	for _, alg := range []string{"legacy", "tea", "half_md4"} {
		for _, unsigned := range []bool{false, true} {
			variants = append(variants, variant{"nixos-1k", alg, unsigned, 1500})
		}
	}
	for _, v := range variants {
		t.Run(fmt.Sprintf("%s %s unsigned=%v %d", v.profile, v.alg, v.unsigned, v.count), func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(v.profile), StorePaths: -1, Size: 32 << 20,
				Inodes: 8000, HashAlg: v.alg, UnsignedHash: v.unsigned})
			testimage.Check(t, path, 0)
			want := kernelTree(t, path)
			name := func(i int) string {
				return fmt.Sprintf("d/%s-%d-ä\u00ff", strings.Repeat("n", i*i%230), i)
			}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
					return err
				}
				for i := range v.count {
					if err := tx.WriteFile(name(i), bytes.NewReader([]byte(name(i))), Attr{Mode: 0o644}); err != nil {
						return err
					}
				}
				return nil
			})
			got := kernelTree(t, path)
			for i := range v.count {
				want[name(i)] = fileNode([]byte(name(i)), 0o644, 0, 0)
			}
			want["d"] = testimage.Node{Type: "dir", Mode: 0o755, Links: 2, Size: got["d"].Size, Mtime: writeTime.UnixNano()}
			root := want["."]
			root.Links, root.Mtime = root.Links+1, writeTime.UnixNano()
			want["."] = root
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what was written (-) and what the kernel reads (+) differ:\n%.2000s", diff)
			}
			if diff := cmp.Diff(got, ourTree(t, openImage(t, path))); diff != "" {
				t.Errorf("the kernel's tree (-) and ours (+) differ:\n%.2000s", diff)
			}
		})
	}
}

func TestReplacingAFileLeavesNoTraceOfTheOldOne(t *testing.T) {
	for _, p := range []string{"nixos-4k", "gdt-checksums-1k", "pi-gen-2k"} {
		t.Run(p, func(t *testing.T) {
			path := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed(p), StorePaths: 20})
			testimage.Check(t, path, 0)
			secret := bytes.Repeat([]byte("TOP-SECRET-OLD-KEY "), 2000)
			write := func(content []byte, mode fs.FileMode) {
				mustUpdate(t, openImage(t, path), func(tx *Tx) error {
					return tx.WriteFile("key", bytes.NewReader(content), Attr{Mode: mode, UID: 1, GID: 2})
				})
			}
			write(secret, 0o644)
			if n := countInFile(t, path, "TOP-SECRET-OLD-KEY"); n != 2000 {
				t.Fatalf("the image has the secret %d times, want 2000", n)
			}
			write([]byte("new"), 0o600)
			if n := countInFile(t, path, "TOP-SECRET-OLD-KEY"); n != 0 {
				t.Errorf("the image has the old secret %d times", n)
			}
			if diff := cmp.Diff(fileNode([]byte("new"), 0o600, 1, 2), kernelTree(t, path)["key"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}
