package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// This file cuts updates of file systems with features that bring metadata of their own: it too is there before the commit, or in the
// log.

// changed is a profile with features added and, with a leading "^", taken away.
func changed(profile, features string, args ...string) testimage.Profile {
	p := testimage.ProfileNamed(profile)
	set := p.Features + ","
	for _, f := range strings.Fields(features) {
		if off, ok := strings.CutPrefix(f, "^"); ok {
			set = strings.Replace(set, ","+off+",", ",", 1)
		} else {
			set += f + ","
		}
	}
	p.Features, p.Args = strings.TrimSuffix(set, ","), args
	return p
}

// featured is a file system in which there is something of all that an update may change or remove.
func featured(t *testing.T, o testimage.Options) string {
	t.Helper()
	o.StorePaths = -1
	if o.Size == 0 {
		o.Size = 16 << 20
	}
	if o.Inodes == 0 {
		o.Inodes = 800
	}
	path := testimage.Ext4(t, o)
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		big := pattern(o.Profile.BlockSize*2+900, 5)
		if !strings.Contains(o.Profile.Features, "ea_inode") {
			big = big[:300]
		}
		errs := []error{
			tx.MkdirAll("old/sub/deep", Attr{Mode: 0o755, UID: 1000}),
			tx.Mkdir("dir", Attr{Mode: 0o755}),
			tx.WriteFile("replaced", bytes.NewReader(pattern(9900, 1)), Attr{Mode: 0o644, UID: 1000}),
			tx.WriteFile("kept", bytes.NewReader(pattern(5000, 3)), Attr{Mode: 0o644}),
			tx.WriteFile("cut", bytes.NewReader(pattern(60_000, 4)), Attr{Mode: 0o644, UID: 1001}),
			tx.WriteFile("sparse", islandsAt(900_000, 10_000, 500_000), Attr{Mode: 0o644}),
			tx.WriteFile("small", bytes.NewReader(pattern(50, 6)), Attr{Mode: 0o644}),
			tx.Symlink(strings.Repeat("target/", 20), "link", Attr{}),
			tx.SetXattr("replaced", "user.big", big),
			tx.SetXattr("kept", "user.big", big),
			tx.SetXattr("old/sub", "user.big", big),
			tx.SetXattr("small", "user.small", []byte("within the inode")),
		}
		for i := range 40 {
			name := fmt.Sprintf("old/%s %d", strings.Repeat("n", 3*i), i)
			errs = append(errs, tx.WriteFile(name, bytes.NewReader(pattern(100*i, byte(i))), Attr{Mode: 0o600, UID: uint32(1000 + i)}))
			errs = append(errs, tx.Mkdir(fmt.Sprintf("dir/%d", i), Attr{Mode: 0o755}))
		}
		return errors.Join(errs...)
	}, WithoutJournal())
	testimage.Fsck(t, path, 0)
	return path
}

// islandsAt is a file with a block of data at each place.
func islandsAt(size int64, at ...int) Content {
	b := make([]byte, size)
	for _, p := range at {
		copy(b[p:], pattern(2000, 9))
	}
	return bytes.NewReader(b)
}

// featureUpdate makes, changes, renames and removes.
func featureUpdate(tx *Tx) error {
	errs := []error{
		tx.MkdirAll("var/lib/bootstrap", Attr{Mode: 0o755, UID: 7}),
		tx.WriteFile("var/lib/bootstrap/key", bytes.NewReader(pattern(3000, 1)), Attr{Mode: 0o600, UID: 1000}),
		tx.WriteFile("var/lib/bootstrap/small", bytes.NewReader(pattern(40, 1)), Attr{Mode: 0o600}),
		tx.WriteFile("var/lib/bootstrap/sparse", islandsAt(700_000, 0, 300_000), Attr{Mode: 0o600}),
		tx.WriteFile("replaced", bytes.NewReader(pattern(20_000, 2)), Attr{Mode: 0o600}),
		tx.SetXattr("kept", "user.big", pattern(250, 8)),
		tx.SetXattr("cut", "user.more", pattern(280, 8)),
		tx.RemoveXattr("small", "user.small"),
		tx.WriteFile("small", bytes.NewReader(pattern(7000, 7)), Attr{Mode: 0o644}),
		tx.Truncate("cut", 20_000),
		tx.Remove("sparse"),
		tx.Remove("link"),
		tx.Symlink(strings.Repeat("elsewhere/", 12), "link", Attr{}),
		tx.Rename("old/sub", "dir/moved"),
		tx.Rename("dir/moved/deep", "dir/3"),
		tx.RemoveAll("old"),
		tx.Link("kept", "dir/again"),
		tx.Chown("kept", 1003, 5),
	}
	for i := 5; i < 30; i++ {
		errs = append(errs, tx.Remove(fmt.Sprintf("dir/%d", i)), tx.Mkdir(fmt.Sprintf("dir/a new one of a longer name, in place of %d", i), Attr{Mode: 0o700}))
	}
	return errors.Join(errs...)
}

func TestATornCutLeavesAllOrNothingWithEveryFeature(t *testing.T) {
	every := []string{"kernel", "e2fsck -p", "we"}
	for _, c := range []struct {
		name string
		o    testimage.Options
		who  []string
	}{
		{"files and directories in inodes", testimage.Options{Profile: changed("nixos-4k", "inline_data")}, every},
		{"files and directories in inodes of 512 bytes, no checksums", testimage.Options{Profile: func() testimage.Profile {
			p := changed("no-checksums-1k", "inline_data")
			p.InodeSize = 512
			return p
		}()}, every},
		{"quotas", testimage.Options{Profile: changed("debian-1k", "quota project"), Extended: "quotatype=usrquota:grpquota:prjquota"},
			[]string{"kernel, reading only", "e2fsck -p", "we"}},
		{"clusters of 8 blocks", testimage.Options{Profile: changed("nixos-1k", "bigalloc", "-C", "8192"), Size: 32 << 20}, every},
		{"clusters of 4 blocks of 4 KiB, no checksums", testimage.Options{Profile: changed("no-checksums-4k", "bigalloc", "-C", "16384"), Size: 48 << 20}, every},
		{"clusters and attributes in inodes and quotas", testimage.Options{Profile: changed("debian-1k", "bigalloc ea_inode inline_data quota", "-C", "4096"), Size: 32 << 20},
			[]string{"kernel, reading only", "e2fsck -p", "we"}},
		{"attributes in inodes", testimage.Options{Profile: changed("nixos-1k", "ea_inode")}, every},
		{"meta_bg", testimage.Options{Profile: changed("nixos-1k", "meta_bg ^resize_inode"), BlocksPerGroup: 256}, every},
		{"many groups without flex_bg, checksums on descriptors", testimage.Options{Profile: changed("gdt-checksums-1k", "^flex_bg ^resize_inode"), BlocksPerGroup: 1024}, every},
		{"multiple mount protection", testimage.Options{Profile: changed("nixos-1k", "mmp")}, []string{"kernel, reading only"}},
		{"indirect blocks", testimage.Options{Profile: changed("no-checksums-1k", "^extent")}, every},
		{"indirect blocks, checksums", testimage.Options{Profile: changed("debian-4k", "^extent ^64bit")}, every},
		{"large directories", testimage.Options{Profile: changed("nixos-1k", "large_dir")}, every},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := featured(t, c.o)
			staleLog(t, path)
			old := treeForCuts(t, path)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			mustDo(t, err)
			mustUpdate(t, fsys, featureUpdate)
			writeImage(t, path, r.now)
			testimage.Fsck(t, path, 0)
			done := treeForCuts(t, path)
			cutSome(t, r, path, 8, map[string]map[string]testimage.Node{"nothing": old, "all": done}, "all", c.who...)
		})
	}
}
