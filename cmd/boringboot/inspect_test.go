package main_test

// This file is what inspect shows, compared with what sfdisk, dumpe2fs and the kernel say of the same image.

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/internal/testimage"
)

func TestInspect(t *testing.T) {
	testimage.Require(t, "sfdisk", "dumpe2fs")
	o := testimage.Options{StorePaths: 20, Fill: func(dir string) error {
		return firstError(
			os.Mkdir(filepath.Join(dir, "srv"), 0o750),
			os.WriteFile(filepath.Join(dir, "srv/open"), []byte("for all\n"), 0o644),
			os.WriteFile(filepath.Join(dir, "srv/secret"), []byte("for one\n"), 0o600),
			os.Symlink("open", filepath.Join(dir, "srv/link")),
			os.WriteFile(filepath.Join(dir, "srv/\x1b[31mred"), nil, 0o644),
		)
	}}
	disk := testimage.NixOSDisk(t, o)
	w := newWorkplace(t)

	t.Run("the overview is that of sfdisk and dumpe2fs", func(t *testing.T) {
		var got struct {
			Table      string
			Partitions []struct {
				Number      int
				Start, Size int64
				FileSystem  string `json:"file_system"`
				Label       string
				Ext4        *struct {
					Blocks     uint64
					FreeBlocks uint64 `json:"free_blocks"`
					Inodes     uint64
					FreeInodes uint64 `json:"free_inodes"`
					Features   []string
				}
			}
		}
		for _, image := range []string{disk, testimage.Compress(t, disk, "zst")} {
			if err := json.Unmarshal([]byte(w.must(0, "boringboot", "inspect", image, "--json").stdout), &got); err != nil {
				t.Fatal(err)
			}
			var want struct {
				PartitionTable struct {
					Label      string
					Partitions []struct{ Start, Size int64 }
				}
			}
			if err := json.Unmarshal([]byte(w.sh("sfdisk", "--json", disk)), &want); err != nil {
				t.Fatal(err)
			}
			if len(got.Partitions) != len(want.PartitionTable.Partitions) || got.Table != "mbr" {
				t.Fatalf("%+v, want %+v", got, want)
			}
			for i, p := range want.PartitionTable.Partitions {
				if g := got.Partitions[i]; g.Number != i+1 || g.Start != p.Start*512 || g.Size != p.Size*512 {
					t.Errorf("partition %+v, want %+v", g, p)
				}
			}
			root := got.Partitions[1]
			if root.Ext4 == nil || root.Label != "NIXOS_SD" || root.FileSystem != "ext4" {
				t.Fatalf("root %+v", root)
			}
			said := w.sh("dumpe2fs", "-h", testimage.Ext4(t, o))
			for field, got := range map[string]uint64{"Block count": root.Ext4.Blocks, "Free blocks": root.Ext4.FreeBlocks,
				"Inode count": root.Ext4.Inodes, "Free inodes": root.Ext4.FreeInodes} {
				if !strings.Contains(strings.Join(strings.Fields(said), " "), field+": "+strconv.FormatUint(got, 10)+" ") {
					t.Errorf("%s: %d, dumpe2fs says\n%s", field, got, said)
				}
			}
			if text := w.must(0, "boringboot", "inspect", image, "-v").stdout; !strings.Contains(text, "metadata_csum_seed") || !strings.Contains(text, "NIXOS_SD") {
				t.Error(text)
			}
		}
	})
	t.Run("a bare file system has no partition", func(t *testing.T) {
		text := w.must(0, "boringboot", "inspect", testimage.Ext4(t, testimage.Options{StorePaths: 5})).stdout
		if strings.Contains(text, "partition 0") || !strings.Contains(text, "whole image") {
			t.Error(text)
		}
	})
	t.Run("a file system that cannot be worked on is named with the reason", func(t *testing.T) {
		image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
		testimage.DebugfsWrite(t, image, 0, "set_super_value state 3")
		if text := w.must(0, "boringboot", "inspect", image).stdout; !strings.Contains(text, "cannot be worked on") || !strings.Contains(text, "errors flag") {
			t.Error(text)
		}
		w.must(2, "boringboot", "inspect", image, "/")
	})
	t.Run("a directory is listed as it is", func(t *testing.T) {
		type file struct {
			Path, Kind, Mode, Target string
			Size                     int64
		}
		var dir struct{ Entries []file }
		if err := json.Unmarshal([]byte(w.must(0, "boringboot", "inspect", disk, "/srv", "--json").stdout), &dir); err != nil {
			t.Fatal(err)
		}
		want := []file{{"\x1b[31mred", "file", "0644", "", 0}, {"link", "symlink", "0777", "open", 4}, {"open", "file", "0644", "", 8}, {"secret", "file", "0600", "", 8}}
		if diff := cmp.Diff(want, dir.Entries); diff != "" {
			t.Error(diff)
		}
		text := w.must(0, "boringboot", "inspect", disk, "/srv/").stdout
		if !strings.Contains(text, "link -> open") || strings.Contains(text, "\x1b") {
			t.Errorf("%q", text)
		}
	})
	t.Run("a damaged directory is listed as far as it goes", func(t *testing.T) {
		image := testimage.Ext4(t, testimage.Options{Profile: testimage.ProfileNamed("no-checksums-4k"), StorePaths: 5, Fill: o.Fill})
		testimage.DebugfsWrite(t, image, 0, "sif /srv/open links_count 0")
		f := w.must(2, "boringboot", "inspect", image, "/srv")
		if !strings.Contains(f.stdout, "link -> open") || !strings.Contains(f.stderr, "link count is 0") {
			t.Errorf("%s%s", f.stdout, f.stderr)
		}
	})
	t.Run("content comes out byte for byte", func(t *testing.T) {
		for path, want := range map[string]string{"/srv/open": "for all\n", "/srv/link": "for all\n", "/srv/secret": "for one\n"} {
			if got := w.must(0, "boringboot", "inspect", disk, path, "--content").stdout; got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
		w.must(2, "boringboot", "inspect", disk, "/srv", "--content")
		w.must(2, "boringboot", "inspect", disk, "--content")
	})
	t.Run("what only its owner may read does not go to a terminal", func(t *testing.T) {
		testimage.Require(t, "script")
		line := filepath.Join(programs, "boringboot") + " inspect " + disk + " /srv/secret --content"
		out, err := exec.Command("script", "-qec", line, "/dev/null").CombinedOutput()
		if err == nil || strings.Contains(string(out), "for one") || !strings.Contains(string(out), "terminal") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("what is not there", func(t *testing.T) {
		f := w.must(2, "boringboot", "inspect", disk, "/srv/nope")
		if !strings.Contains(f.stderr, "/srv/nope") || !strings.Contains(f.stderr, filepath.Base(disk)) {
			t.Error(f.stderr)
		}
		w.must(2, "boringboot", "inspect", disk, "relative")
		w.must(2, "boringboot", "inspect", "nowhere.img")
	})
	t.Run("a result that cannot be printed is a failure", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip("no /dev/full on this system")
		}
		defer full.Close()
		for _, args := range [][]string{{"boringboot", "inspect", disk}, {"verify-image", disk}} {
			cmd := w.command(args[0], args[1:]...)
			cmd.Stdout = full
			if err := cmd.Run(); err == nil {
				t.Errorf("%v: exit code 0", args)
			}
		}
	})
}
