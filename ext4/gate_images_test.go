package ext4

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// This file walks the feature table with real images: for each feature one that e2fsprogs made or marked so, and what comes of an
// update of it.

// gateImage says how an image gets a feature.
type gateImage struct {
	without string // features of the base profile that mke2fs would not take beside it
	mke2fs  string // what mke2fs calls it; "" where only debugfs sets the bit
	extend  string // mke2fs -E
	debugfs string // what debugfs's "feature" calls it
	args    []string
	unread  bool // this kernel does not mount it
}

func made(name string) gateImage   { return gateImage{mke2fs: name} }
func marked(name string) gateImage { return gateImage{debugfs: name} }

// gateImages has every feature of the table.
var gateImages = map[string]gateImage{
	"dir_prealloc":       marked("dir_prealloc"),
	"imagic_inodes":      marked("imagic_inodes"),
	"has_journal":        made("has_journal"),
	"ext_attr":           made("ext_attr"),
	"resize_inode":       made("resize_inode"),
	"dir_index":          made("dir_index"),
	"lazy_bg":            marked("lazy_bg"),
	"exclude_inode":      marked("FEATURE_C7"),
	"exclude_bitmap":     marked("FEATURE_C8"),
	"sparse_super2":      {mke2fs: "sparse_super2", without: "resize_inode"},
	"fast_commit":        made("fast_commit"),
	"stable_inodes":      made("stable_inodes"),
	"orphan_file":        made("orphan_file"),
	"compression":        marked("compression"),
	"filetype":           made("filetype"),
	"needs_recovery":     marked("needs_recovery"),
	"journal_dev":        marked("journal_dev"),
	"meta_bg":            {mke2fs: "meta_bg", without: "resize_inode"},
	"extent":             made("extent"),
	"64bit":              made("64bit"),
	"mmp":                made("mmp"),
	"flex_bg":            made("flex_bg"),
	"ea_inode":           made("ea_inode"),
	"dirdata":            marked("dirdata"),
	"metadata_csum_seed": made("metadata_csum_seed"),
	"large_dir":          made("large_dir"),
	"inline_data":        made("inline_data"),
	"encrypt":            made("encrypt"),
	"casefold":           {mke2fs: "casefold", extend: "encoding=utf8", unread: true},
	"sparse_super":       made("sparse_super"),
	"large_file":         made("large_file"),
	"btree_dir":          marked("FEATURE_R2"),
	"huge_file":          made("huge_file"),
	"uninit_bg":          {mke2fs: "uninit_bg", without: "metadata_csum,metadata_csum_seed"},
	"dir_nlink":          made("dir_nlink"),
	"extra_isize":        made("extra_isize"),
	"snapshot":           marked("FEATURE_R7"),
	"quota":              made("quota"),
	"bigalloc":           {mke2fs: "bigalloc", args: []string{"-C", "16384"}},
	"metadata_csum":      made("metadata_csum"),
	"replica":            marked("FEATURE_R11"),
	"read-only":          marked("read-only"),
	"project":            made("project"),
	"shared_blocks":      marked("shared_blocks"),
	"verity":             made("verity"),
	"orphan_present":     marked("orphan_present"),
}

func (g gateImage) make(t *testing.T) string {
	t.Helper()
	p := testimage.ProfileNamed("nixos-4k")
	features := strings.Split(p.Features, ",")
	var rest []string
	for _, f := range features {
		if !strings.Contains(","+g.without+","+g.mke2fs+",", ","+f+",") {
			rest = append(rest, f)
		}
	}
	if g.mke2fs != "" {
		rest = append(rest, g.mke2fs)
	}
	p.Features, p.Args = strings.Join(rest, ","), g.args
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Linear: true, Size: 24 << 20, Inodes: 500, Extended: g.extend})
	if g.debugfs != "" {
		// The bit may be one that debugfs cannot open the image with afterwards.
		out, err := testimage.Command(t, "debugfs", "-w", "-R", "feature "+g.debugfs, path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return path
}

func TestEveryFeatureIsTreatedInAnImageAsTheTableSays(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range features {
		seen[f.name] = true
		g, ok := gateImages[f.name]
		if !ok {
			t.Errorf("no image has %s", f.name)
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			path := g.make(t)
			if b := imageOf(t, path); f.set.of(format.Superblock(b[1024:2048]))&f.bit == 0 {
				t.Fatal("the image does not have the feature")
			}
			before := testimage.Snapshot(t, path)
			err := updateFile(path)
			if f.how == refused {
				if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "feature "+f.name+" ("+f.reason) {
					t.Errorf("refused: %v", err)
				}
				if testimage.Snapshot(t, path) != before {
					t.Error("the image was changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			testimage.Fsck(t, path, 0)
			sb := format.Superblock(imageOf(t, path)[1024:2048])
			if kept := f.set.of(sb)&f.bit != 0; kept != (f.how != recovered) {
				t.Errorf("after the update the feature is set: %v", kept)
			}
			if out := testimage.Debugfs(t, path, 0, "cat /dir/file"); !strings.Contains(out, "content") {
				t.Errorf("debugfs reads %q", out)
			}
			if !g.unread {
				dir := testimage.Mount(t, path, 0)
				if b, err := os.ReadFile(filepath.Join(dir, "dir/file")); err != nil || string(b) != "content" {
					t.Errorf("the kernel reads %q, %v", b, err)
				}
				testimage.Unmount(t, dir)
			}
		})
	}
	for name := range gateImages {
		if !seen[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// updateFile makes /dir/file.
func updateFile(path string, opts ...UpdateOption) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fsys, err := Open(fileDevice{f})
	if err != nil {
		return err
	}
	return fsys.Update(func(tx *Tx) error {
		return errors.Join(tx.Mkdir("dir", Attr{Mode: 0o755}),
			tx.WriteFile("dir/file", bytes.NewReader([]byte("content")), Attr{Mode: 0o644}))
	}, append(opts, WithTime(writeTime))...)
}

// A journal on another device cannot be used without that device.
func TestAnExternalJournalIsRefused(t *testing.T) {
	testimage.RequireRoot(t)
	dir := t.TempDir()
	journal, path := filepath.Join(dir, "journal"), filepath.Join(dir, "image")
	for _, f := range []string{journal, path} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(f, 24<<20); err != nil {
			t.Fatal(err)
		}
	}
	do := func(tool string, args ...string) string {
		out, err := testimage.Command(t, tool, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	device := do("losetup", "--find", "--show", journal)
	defer do("losetup", "--detach", device)
	do("mke2fs", "-q", "-F", "-b", "4096", "-O", "journal_dev", device)
	do("mke2fs", "-q", "-F", "-b", "4096", "-t", "ext4", "-J", "device="+device, path)
	before := testimage.Snapshot(t, path)
	if err := updateFile(path); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "journal is on another device") {
		t.Errorf("%v", err)
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
	if err := updateFile(journal); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "journal_dev") {
		t.Errorf("the journal itself: %v", err)
	}
}
