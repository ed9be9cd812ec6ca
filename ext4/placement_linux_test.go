package ext4_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// Placement: where files and directories are put, beside where the kernel puts them.

// debugfsInode is an inode's number, and the first block of its data with the number of its extents.
func debugfsInode(t *testing.T, path, name string) (ino, block, extents int) {
	t.Helper()
	out := testimage.Debugfs(t, path, 0, "stat \"/"+name+"\"")
	m := regexp.MustCompile(`Inode: (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("debugfs shows no inode of %s:\n%s", name, out)
	}
	ino, _ = strconv.Atoi(m[1])
	_, list, _ := strings.Cut(out, "EXTENTS:\n")
	for _, m := range regexp.MustCompile(`\((\d+)(?:-\d+)?\):(\d+)`).FindAllStringSubmatch(list, -1) {
		if extents++; extents == 1 {
			block, _ = strconv.Atoi(m[2])
		}
	}
	return ino, block, extents
}

const (
	topDirs      = 8
	filesOfADir  = 12
	placedLarge  = 900_000
	placedGroups = 64
)

// placed is what one writer made of the same tree.
type placed struct {
	flexes  map[int]bool // of the top-level directories
	strange []string     // files that are not where their directory is
	pieces  int          // extents of files beyond one each
}

// placement looks at the tree: 64 groups of 1024 blocks, 16 to a flex group.
func placement(t *testing.T, path string) placed {
	t.Helper()
	perGroup := superblock(t, path, "Inodes per group")
	p := placed{flexes: map[int]bool{}}
	flexOfInode := func(ino int) int { return (ino - 1) / perGroup / 16 }
	for d := range topDirs {
		dir := fmt.Sprintf("top%d", d)
		ino, block, _ := debugfsInode(t, path, dir)
		home := flexOfInode(ino)
		p.flexes[home] = true
		if block/1024/16 != home {
			p.strange = append(p.strange, dir)
		}
		for _, sub := range []string{"", "/sub"} {
			for f := range filesOfADir {
				name := fmt.Sprintf("%s%s/f%d", dir, sub, f)
				ino, block, extents := debugfsInode(t, path, name)
				if flexOfInode(ino) != home || block/1024/16 != home {
					p.strange = append(p.strange, fmt.Sprintf("%s: inode %d, block %d", name, ino, block))
				}
				p.pieces += extents - 1
			}
		}
	}
	return p
}

func TestDirectoriesAreSpreadAndFilesAreNearThem(t *testing.T) {
	testimage.RequireRoot(t)
	o := of("nixos-4k", testimage.Options{BlocksPerGroup: 1024, Size: placedGroups * 1024 * 4096, Inodes: 8192})
	ours, kernels := testimage.Ext4(t, o), testimage.Ext4(t, o)
	testimage.Check(t, ours, 0)
	content := noise(placedLarge)
	each := func(dir func(string) error, file func(string) error) error {
		for d := range topDirs {
			for _, sub := range []string{"", "/sub"} {
				if err := dir(fmt.Sprintf("top%d%s", d, sub)); err != nil {
					return err
				}
				for f := range filesOfADir {
					if err := file(fmt.Sprintf("top%d%s/f%d", d, sub, f)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	err := update(ours, updateTime, func(tx *ext4.Tx) error {
		return each(func(name string) error { return tx.Mkdir(name, ext4.Attr{Mode: 0o755}) },
			func(name string) error { return tx.WriteFile(name, bytes.NewReader(content), ext4.Attr{Mode: 0o644}) })
	})
	if err != nil {
		t.Fatal(err)
	}
	root := testimage.MountRW(t, kernels, 0)
	err = each(func(name string) error { return os.Mkdir(filepath.Join(root, name), 0o755) },
		func(name string) error { return os.WriteFile(filepath.Join(root, name), content, 0o644) })
	if err != nil {
		t.Fatal(err)
	}
	testimage.Unmount(t, root)
	got, model := placement(t, ours), placement(t, kernels)
	t.Logf("the kernel spreads over %d flex groups, %d files are not with their directory, %d pieces; we over %d, %d, %d",
		len(model.flexes), len(model.strange), model.pieces, len(got.flexes), len(got.strange), got.pieces)
	if len(got.flexes) < len(model.flexes) {
		t.Errorf("top-level directories are in %d flex groups, the kernel's in %d", len(got.flexes), len(model.flexes))
	}
	// What the kernel does depends on its preallocation and on what else runs: a quarter of all is as good as it usually is.
	if most := max(len(model.strange), topDirs*(1+2*filesOfADir)/4); len(got.strange) > most {
		t.Errorf("%d files and directories are not in their directory's flex group, of the kernel's %d:\n%s",
			len(got.strange), len(model.strange), strings.Join(got.strange[:min(10, len(got.strange))], "\n"))
	}
	if got.pieces > 0 {
		t.Errorf("the files have %d extents more than one each", got.pieces)
	}
}

// A file that would have to be split near its directory goes, in one piece, to where there is room.
func TestAFileIsInOnePieceWhereOneIsLeft(t *testing.T) {
	testimage.RequireRoot(t)
	path := testimage.Ext4(t, of("nixos-1k", testimage.Options{BlocksPerGroup: 2048, Size: 48 << 20}))
	testimage.Check(t, path, 0)
	dir := testimage.MountRW(t, path, 0)
	// Everything in use but every second block, and what the kernel keeps for itself.
	fragment(t, dir, 1024)
	testimage.Unmount(t, dir)
	pieces := 0
	for i := 0; pieces < 25; i++ {
		name := fmt.Sprintf("split%d", i)
		err := update(path, updateTime, func(tx *ext4.Tx) error {
			return tx.WriteFile(name, bytes.NewReader(noise(50<<10)), ext4.Attr{Mode: 0o600})
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _, pieces = debugfsInode(t, path, name)
	}
	dir = testimage.MountRW(t, path, 0)
	info, err := os.Stat(filepath.Join(dir, "boot/ballast"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "boot/ballast"), info.Size()-3<<20); err != nil {
		t.Fatal(err)
	}
	testimage.Unmount(t, dir)
	err = update(path, updateTime, func(tx *ext4.Tx) error {
		return tx.WriteFile("whole", bytes.NewReader(noise(1500<<10)), ext4.Attr{Mode: 0o600})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, extents := debugfsInode(t, path, "whole"); extents != 1 {
		t.Errorf("%d extents, where there is room for one", extents)
	}
}
