package ext4

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestDevicesPipesAndSockets(t *testing.T) {
	type special struct {
		name, typ    string
		mode         fs.FileMode
		major, minor uint32
	}
	table := []special{
		{"a pipe", "fifo", fs.ModeNamedPipe, 0, 0},
		{"a socket", "socket", fs.ModeSocket, 0, 0},
	}
	for _, n := range [][2]uint32{{0, 0}, {1, 3}, {8, 0}, {255, 255}, {255, 256}, {256, 0}, {0, 256}, {0, 1<<20 - 1}, {4095, 1<<20 - 1}, {4095, 0}} {
		table = append(table,
			special{fmt.Sprintf("character device %d:%d", n[0], n[1]), "char", fs.ModeDevice | fs.ModeCharDevice, n[0], n[1]},
			special{fmt.Sprintf("block device %d:%d", n[0], n[1]), "block", fs.ModeDevice, n[0], n[1]})
	}
	for _, profile := range []string{"nixos-4k", "no-checksums-1k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			path := emptyImage(t, profile, 16, 64)
			testimage.Check(t, path, 0)
			fsys := openImage(t, path)
			want := kernelTree(t, path)
			mustUpdate(t, fsys, func(tx *Tx) error {
				for _, s := range table {
					err := tx.Mknod(s.name, s.mode, unix.Mkdev(s.major, s.minor), Attr{Mode: 0o640 | fs.ModeSticky, UID: 70000, GID: 7})
					if err != nil {
						return err
					}
				}
				return nil
			})
			for _, s := range table {
				want[s.name] = testimage.Node{Type: s.typ, Mode: 0o1640, UID: 70000, GID: 7, Links: 1, Mtime: writeTime.UnixNano(), Device: unix.Mkdev(s.major, s.minor)}
			}
			root := want["."]
			root.Mtime = writeTime.UnixNano()
			want["."] = root
			if diff := cmp.Diff(want, kernelTree(t, path)); diff != "" {
				t.Errorf("the kernel reads something else (-want +got):\n%s", diff)
			}
			for _, s := range table {
				info, err := fsys.Lstat(s.name)
				if err != nil || info.Mode() != s.mode|0o640|fs.ModeSticky || info.Sys().(*Stat).Rdev != unix.Mkdev(s.major, s.minor) {
					t.Errorf("%s: %v, %v", s.name, info, err)
				}
				wantStat := fmt.Sprintf("%d:%d", s.major, s.minor)
				out := testimage.Debugfs(t, path, 0, `stat "/`+s.name+`"`)
				if s.mode&fs.ModeDevice != 0 && !strings.Contains(out, wantStat) {
					t.Errorf("debugfs knows %s as\n%s", s.name, out)
				}
			}
			list, err := fsys.ReadDir(".")
			if err != nil {
				t.Fatal(err)
			}
			types := map[string]fs.FileMode{}
			for _, e := range list {
				types[e.Name()] = e.Type()
			}
			for _, s := range table {
				if types[s.name] != s.mode {
					t.Errorf("ReadDir: %s has type %v, want %v", s.name, types[s.name], s.mode)
				}
			}
		})
	}
}

func TestWhatMknodDoesNotMake(t *testing.T) {
	path := emptyImage(t, "nixos-4k", 16, 64)
	testimage.Check(t, path, 0)
	before := testimage.Snapshot(t, path)
	for _, c := range []struct {
		name string
		mode fs.FileMode
		dev  uint64
		want error
	}{
		{"regular", 0, 0, fs.ErrInvalid},
		{"directory", fs.ModeDir, 0, fs.ErrInvalid},
		{"with-permissions", fs.ModeNamedPipe | 0o600, 0, fs.ErrInvalid},
		{"major-too-large", fs.ModeDevice, unix.Mkdev(4096, 0), fs.ErrInvalid},
		{"minor-too-large", fs.ModeDevice, unix.Mkdev(0, 1<<20), fs.ErrInvalid},
		{"lost+found", fs.ModeNamedPipe, 0, fs.ErrExist},
		{"missing/pipe", fs.ModeNamedPipe, 0, fs.ErrNotExist},
		{".", fs.ModeNamedPipe, 0, fs.ErrExist},
	} {
		err := openImage(t, path).Update(func(tx *Tx) error {
			err := tx.Mknod(c.name, c.mode, c.dev, Attr{Mode: 0o600})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			return err
		})
		if err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
}
