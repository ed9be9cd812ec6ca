package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// This file tests the link count of a directory as its subdirectories come to be as many as there can be links, and more.

// nearlyTooMany is how many subdirectories "d" has; 64,998 make 65,000 links.
const nearlyTooMany = 64_990

// linkStep is one change of "d" and what its link count is then.
type linkStep struct {
	Step  string
	Links uint64
	Err   string
}

// linkSteps adds twenty subdirectories, removes thirty and adds five; the number of links crosses the limit twice.
func linkSteps(mkdir, rmdir func(name string) error, links func() uint64) []linkStep {
	var steps []linkStep
	do := func(what string, fn func(string) error, i int) {
		s := linkStep{Step: fmt.Sprint(what, " ", i)}
		if err := fn(fmt.Sprintf("d/%d", i)); errors.Is(err, ErrTooManyLinks) || errors.Is(err, syscall.EMLINK) {
			s.Err = "too many links"
		} else if err != nil && !errors.Is(err, os.ErrNotExist) {
			s.Err = err.Error()
		}
		s.Links = links()
		steps = append(steps, s)
	}
	for i := range 20 {
		do("mkdir", mkdir, nearlyTooMany+i)
	}
	for i := range 30 {
		do("rmdir", rmdir, nearlyTooMany-i)
	}
	for i := range 5 {
		do("mkdir", mkdir, nearlyTooMany+100+i)
	}
	return steps
}

func TestLinksOfADirectoryAreCountedAsTheKernelCountsThem(t *testing.T) {
	if testing.Short() {
		t.Skip("65,000 directories")
	}
	for _, without := range []string{"", "dir_nlink", "dir_index"} {
		name := "with dir_nlink"
		if without != "" {
			name = "without " + without
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed("gdt-checksums-1k")
			if without != "" {
				p.Name, p.Features = p.Name+" without "+without, strings.ReplaceAll(p.Features, ","+without, "")
			}
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 120 << 20, Inodes: 66000})
			fsys := openImage(t, path)
			mustUpdate(t, fsys, func(tx *Tx) error {
				if err := tx.Mkdir("d", Attr{Mode: 0o755}); err != nil {
					return err
				}
				for i := range nearlyTooMany {
					if err := tx.Mkdir(fmt.Sprintf("d/%d", i), Attr{Mode: 0o755}); err != nil {
						return err
					}
				}
				return nil
			}, WithoutJournal())
			testimage.Fsck(t, path, 0)

			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			kernels := filepath.Join(t.TempDir(), "kernel's")
			if err := os.WriteFile(kernels, bytes.Clone(before), 0o644); err != nil {
				t.Fatal(err)
			}
			dir := testimage.MountRW(t, kernels, 0)
			want := linkSteps(func(name string) error { return os.Mkdir(filepath.Join(dir, name), 0o755) },
				func(name string) error { return os.Remove(filepath.Join(dir, name)) },
				func() uint64 {
					var st syscall.Stat_t
					if err := syscall.Stat(filepath.Join(dir, "d"), &st); err != nil {
						t.Fatal(err)
					}
					return uint64(st.Nlink)
				})
			testimage.Unmount(t, dir)

			var got []linkStep
			mustUpdate(t, fsys, func(tx *Tx) error {
				got = linkSteps(func(name string) error { return tx.Mkdir(name, Attr{Mode: 0o755}) }, tx.Remove, func() uint64 {
					info, err := tx.Stat("d")
					if err != nil {
						t.Fatal(err)
					}
					return uint64(info.Sys().(*Stat).Links)
				})
				return nil
			}, WithoutJournal())
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the kernel's counts (-) and ours (+) differ:\n%s", diff)
			}
			testimage.Fsck(t, path, 0)

			// Of what the kernel has made, too many links among it, we take and add some more; and the kernel of what we made.
			mustUpdate(t, openImage(t, kernels), func(tx *Tx) error {
				return errors.Join(tx.Remove("d/7"), tx.Mkdir("d/new", Attr{Mode: 0o755}), tx.Remove("d/8"))
			}, WithoutJournal())
			testimage.Fsck(t, kernels, 0)
			dir = testimage.MountRW(t, path, 0)
			if err := errors.Join(os.Remove(filepath.Join(dir, "d/7")), os.Mkdir(filepath.Join(dir, "d/new"), 0o755)); err != nil {
				t.Error(err)
			}
			testimage.Unmount(t, dir)
			testimage.Fsck(t, path, 0)
		})
	}
}
