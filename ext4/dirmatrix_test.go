package ext4

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// This file tests directories of every kind that there is: whoever made them, whatever hash they have, in blocks of every size.

// dirKind is how a file system and the directory "old" in it come to be.
type dirKind struct {
	name    string
	o       testimage.Options
	maker   string // of old: "kernel", "mke2fs" (linear) or "e2fsck" (indexed by e2fsck -fyD)
	without string // a feature that the profile's set is to lack
	then    string // tune2fs -E hash_alg, once old is there
}

var dirKinds = []dirKind{
	{name: "made by the kernel", o: testimage.Options{Profile: testimage.ProfileNamed("nixos-4k")}, maker: "kernel"},
	{name: "linear, by mke2fs", o: testimage.Options{Profile: testimage.ProfileNamed("nixos-1k")}, maker: "mke2fs"},
	{name: "indexed by e2fsck", o: testimage.Options{Profile: testimage.ProfileNamed("nixos-1k")}, maker: "e2fsck"},
	{name: "by the kernel, without checksums", o: testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k")}, maker: "kernel"},
	{name: "by e2fsck, without checksums", o: testimage.Options{Profile: testimage.ProfileNamed("no-checksums-2k")}, maker: "e2fsck"},
	{name: "by the kernel, without filetype", o: testimage.Options{Profile: testimage.ProfileNamed("nixos-2k")}, maker: "kernel", without: "filetype"},
	{name: "by mke2fs, without filetype and checksums", o: testimage.Options{Profile: testimage.ProfileNamed("no-checksums-1k")}, maker: "mke2fs", without: "filetype"},
	{name: "by the kernel, without dir_index", o: testimage.Options{Profile: testimage.ProfileNamed("linear-1k")}, maker: "kernel"},
	{name: "by the kernel, without extents", o: testimage.Options{Profile: testimage.ProfileNamed("gdt-checksums-1k")}, maker: "kernel", without: "extent"},
	{name: "legacy, then tea", o: testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), HashAlg: "legacy"}, maker: "e2fsck", then: "tea"},
	{name: "tea, then half_md4", o: testimage.Options{Profile: testimage.ProfileNamed("debian-1k"), HashAlg: "tea"}, maker: "kernel", then: "half_md4"},
	{name: "half_md4, then legacy, unsigned", o: testimage.Options{Profile: testimage.ProfileNamed("pi-gen-1k"), UnsignedHash: true}, maker: "kernel", then: "legacy"},
	{name: "legacy, unsigned", o: testimage.Options{Profile: testimage.ProfileNamed("gdt-checksums-1k"), HashAlg: "legacy", UnsignedHash: true}, maker: "kernel"},
	{name: "tea, unsigned", o: testimage.Options{Profile: testimage.ProfileNamed("nixos-4k"), HashAlg: "tea", UnsignedHash: true}, maker: "e2fsck"},
	{name: "large_dir", o: testimage.Options{Profile: withLargeDir("nixos-1k")}, maker: "kernel"},
	{name: "inline data, by the kernel", o: withFeature("nixos-4k", "inline_data"), maker: "kernel"},
	{name: "inline data, by mke2fs", o: withFeature("no-checksums-1k", "inline_data"), maker: "mke2fs"},
	{name: "clusters, by the kernel", o: withFeature("nixos-1k", "bigalloc", "-C", "16384"), maker: "kernel"},
	{name: "clusters, by e2fsck", o: withFeature("nixos-4k", "bigalloc", "-C", "65536"), maker: "e2fsck"},
	{name: "blocks of 16 KiB", o: inBlocks(16<<10, "nixos-4k"), maker: "e2fsck"},
	{name: "blocks of 64 KiB", o: inBlocks(64<<10, "nixos-4k"), maker: "e2fsck"},
	{name: "blocks of 64 KiB, linear", o: inBlocks(64<<10, "nixos-4k"), maker: "mke2fs"},
	{name: "blocks of 64 KiB, no checksums", o: inBlocks(64<<10, "no-checksums-4k"), maker: "e2fsck"},
	{name: "blocks of 64 KiB, no checksums, linear", o: inBlocks(64<<10, "no-checksums-4k"), maker: "mke2fs"},
	{name: "blocks of 64 KiB, no dir_index", o: inBlocks(64<<10, "linear-4k"), maker: "mke2fs"},
}

func withFeature(profile, feature string, args ...string) testimage.Options {
	p := testimage.ProfileNamed(profile)
	p.Name, p.Features, p.Args = p.Name+" with "+feature, p.Features+","+feature, args
	return testimage.Options{Profile: p}
}

func inBlocks(size int, profile string) testimage.Options {
	p := testimage.ProfileNamed(profile)
	p.Name, p.BlockSize = fmt.Sprintf("%s with blocks of %d", p.Name, size), size
	return testimage.Options{Profile: p, Size: int64(size) * 4096}
}

// image has the file "f", and the directory "old" of 400 names.
func (k dirKind) image(t *testing.T, old *names) string {
	t.Helper()
	o := k.o
	if o.Size == 0 {
		o.Size = 40 << 20
	}
	o.StorePaths, o.Inodes, o.Linear = -1, 1200, k.maker == "mke2fs"
	if k.without != "" {
		o.Profile.Name += " without " + k.without
		o.Profile.Features = strings.ReplaceAll(o.Profile.Features, ","+k.without, "")
	}
	fill := func(dir string) error {
		err := errors.Join(os.WriteFile(filepath.Join(dir, "f"), nil, 0o644), os.Mkdir(filepath.Join(dir, "old"), 0o755))
		for range 400 {
			name := old.fresh()
			old.have[name] = true
			err = errors.Join(err, os.Link(filepath.Join(dir, "f"), filepath.Join(dir, "old", name)))
		}
		return err
	}
	if k.maker != "kernel" {
		o.Fill = fill
	}
	image := testimage.Ext4(t, o)
	if k.maker == "kernel" {
		dir := testimage.MountRW(t, image, 0)
		if err := fill(dir); err != nil {
			t.Fatal(err)
		}
		testimage.Unmount(t, dir)
	}
	if k.then != "" {
		if out, err := testimage.Command(t, "tune2fs", "-E", "hash_alg="+k.then, image).CombinedOutput(); err != nil {
			t.Fatalf("tune2fs: %v\n%s", err, out)
		}
	}
	testimage.Fsck(t, image, 0)
	return image
}

func TestDirectoriesOfEveryKind(t *testing.T) {
	for _, k := range dirKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			old, fresh := newNames("old", 1), newNames("new", 2)
			image := k.image(t, old)
			deep := deepPath()
			update := func(steps ...func(tx *Tx) error) {
				t.Helper()
				mustUpdate(t, openImage(t, image), func(tx *Tx) error {
					for _, step := range steps {
						if err := step(tx); err != nil {
							return err
						}
					}
					return nil
				}, WithoutJournal())
				if k.o.Profile.BlockSize <= os.Getpagesize() {
					old.check(t, image)
					fresh.check(t, image)
				} else { // the kernel does not mount it
					old.checkDebugfs(t, image)
					fresh.checkDebugfs(t, image)
				}
				old.checkOurs(t, image)
				fresh.checkOurs(t, image)
			}
			times := func(n int, fn func(tx *Tx) error) func(tx *Tx) error {
				return func(tx *Tx) error {
					for range n {
						if err := fn(tx); err != nil {
							return err
						}
					}
					return nil
				}
			}
			update(times(500, old.add), func(tx *Tx) error { return tx.Mkdir("new", Attr{Mode: 0o755}) }, times(3000, fresh.add),
				func(tx *Tx) error { return tx.MkdirAll(deep, Attr{Mode: 0o755}) }, func(tx *Tx) error { return linkTo(tx, deep, "f") })
			update(times(450, old.remove), times(1500, fresh.remove))
			update(times(200, old.add), times(500, fresh.add), func(tx *Tx) error { return unlinkOf(tx, deep, "f") })
			if k.o.Profile.BlockSize > os.Getpagesize() {
				return
			}
			dir := testimage.MountRW(t, image, 0)
			for range 300 {
				for _, n := range []*names{old, fresh} {
					if err := errors.Join(n.kernelAdds(dir), n.kernelAdds(dir), n.kernelRemoves(dir)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := os.RemoveAll(filepath.Join(dir, strings.Split(deep, "/")[0])); err != nil {
				t.Error(err)
			}
			testimage.Unmount(t, dir)
			update(times(600, old.remove), times(600, fresh.remove), times(300, old.add), times(300, fresh.add))
			update(times(len(old.have), old.remove), times(len(fresh.have), fresh.remove))
		})
	}
}

// deepPath has thirty levels of names, some as long as names can be.
func deepPath() string {
	var parts []string
	for i := range 30 {
		parts = append(parts, fmt.Sprintf("%02d-%s", i, []string{"x", strings.Repeat("名", 84), strings.Repeat("é", 60)}[i%3]))
	}
	return path.Join(parts...)
}

func (n *names) kernelAdds(mounted string) error {
	name := n.fresh()
	n.have[name] = true
	return os.Link(filepath.Join(mounted, "f"), filepath.Join(mounted, n.dir, name))
}

func (n *names) kernelRemoves(mounted string) error {
	name := n.any()
	delete(n.have, name)
	n.gone = append(n.gone, name)
	return os.Remove(filepath.Join(mounted, n.dir, name))
}

// checkDebugfs: e2fsck finds nothing, and debugfs lists what should be there.
func (n *names) checkDebugfs(t *testing.T, image string) {
	t.Helper()
	testimage.Fsck(t, image, 0)
	got := map[string]bool{}
	for line := range strings.Lines(testimage.Debugfs(t, image, 0, "ls -p /"+n.dir)) {
		// /inode/mode/uid/gid/name/size/
		if f := strings.Split(line, "/"); len(f) > 5 && f[5] != "." && f[5] != ".." && f[1] != "0" {
			got[f[5]] = true
		}
	}
	for name := range n.have {
		if !got[name] {
			t.Errorf("debugfs does not list %q", name)
		}
	}
	if len(got) != len(n.have) {
		t.Errorf("debugfs lists %d names, want %d", len(got), len(n.have))
	}
}

// checkOurs: the file system finds what should be there.
func (n *names) checkOurs(t *testing.T, image string) {
	t.Helper()
	v := openImage(t, image).view
	loc, err := v.locate(n.dir, true)
	if err != nil {
		t.Fatal(err)
	}
	for name := range n.have {
		if _, ok, err := v.find(loc.node, name); !ok || err != nil {
			t.Errorf("we look up %q: %v, %v", name, ok, err)
		}
	}
	for _, name := range n.gone {
		if _, ok, err := v.find(loc.node, name); ok || err != nil {
			t.Errorf("we look up %q, which is gone: %v, %v", name, ok, err)
		}
	}
}
