package inject

// This file is about plans: what they decide, that they only read, and that a rehearsal finds what does not fit.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"boringboot/ext4"
	"boringboot/internal/diskimage"
	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

// open opens a small file system whose tree fill has added to.
func open(t *testing.T, o testimage.Options) (*ext4.FS, string) {
	t.Helper()
	if o.StorePaths == 0 {
		o.StorePaths = 5
	}
	path := testimage.Ext4(t, o)
	img, err := diskimage.OpenInPlace(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	fsys, err := ext4.Open(img.Section(0, img.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return fsys, path
}

func file(path, content string, mode fs.FileMode) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.File, Mode: mode, Content: strings.NewReader(content)}
}

func TestAPlanSaysWhatItDoesToEachPath(t *testing.T) {
	fsys, path := open(t, testimage.Options{Fill: func(dir string) error {
		for name, content := range map[string]string{"same": "same", "other": "old", "mode": "same"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				return err
			}
		}
		return errors.Join(os.Chown(filepath.Join(dir, "mode"), 7, 7), os.Symlink("same", filepath.Join(dir, "link")),
			os.MkdirAll(filepath.Join(dir, "var/lib"), 0o755), os.Symlink("/var/lib", filepath.Join(dir, "lib")))
	}})
	before := testimage.Snapshot(t, path)
	entries := []manifest.Entry{
		file("/same", "same", 0o644), file("/other", "new", 0o644), file("/mode", "same", 0o600),
		{Path: "/link", Kind: manifest.Symlink, Mode: 0o777, Target: "same"},
		{Path: "/new", Kind: manifest.Symlink, Mode: 0o777, Target: "anything"},
		file("/lib/bootstrap/a/key", "k", 0o600),
		{Path: "/var", Kind: manifest.Directory, Mode: 0o700, KeepAttr: true},
	}
	p, err := NewPlan(fsys, entries, Options{Overwrite: true})
	if err != nil {
		t.Fatal(err)
	}
	type step struct {
		Path, Actual string
		Action       Action
		Mode         fs.FileMode
	}
	var got []step
	for _, s := range p.Steps {
		got = append(got, step{s.Path, s.Actual, s.Action, s.Mode})
	}
	want := []step{
		{"/var/lib/bootstrap", "/var/lib/bootstrap", Make, 0o700},
		{"/var/lib/bootstrap/a", "/var/lib/bootstrap/a", Make, 0o755},
		{"/lib/bootstrap/a/key", "/var/lib/bootstrap/a/key", Make, 0o600},
		{"/link", "/link", Keep, 0o777},
		{"/mode", "/mode", Attr, 0o600},
		{"/new", "/new", Make, 0o777},
		{"/other", "/other", Replace, 0o644},
		{"/same", "/same", Keep, 0o644},
		{"/var", "/var", Keep, 0o755},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/var has mode 0755 and owner 0:0, not 0700 and 0:0"}, p.Unlike()); diff != "" {
		t.Errorf("unlike (-want +got):\n%s", diff)
	}
	if err := p.Rehearse(); err != nil {
		t.Error(err)
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("planning or rehearsing wrote to the image")
	}
	if err := p.Apply(); err != nil {
		t.Fatal(err)
	}
	testimage.Fsck(t, path, 0)
	again, err := NewPlan(fsys, entries, Options{})
	if err != nil || again.Changes() {
		t.Errorf("once applied the plan is to change something: %v", err)
	}
}

func TestTheBootstrapDirectoryIsPrivateWhereverALinkHasIt(t *testing.T) {
	fsys, _ := open(t, testimage.Options{Fill: func(dir string) error {
		return errors.Join(os.MkdirAll(filepath.Join(dir, "data/lib"), 0o755), os.Mkdir(filepath.Join(dir, "var"), 0o755),
			os.Symlink("../data/lib", filepath.Join(dir, "var/lib")))
	}})
	entries := []manifest.Entry{file("/var/lib/bootstrap/sub/key", "k", 0o600), file("/data/lib/bootstrap/first", "f", 0o644)}
	want := map[string]fs.FileMode{"/data/lib/bootstrap": 0o700, "/data/lib/bootstrap/sub": 0o755, "/data/lib/bootstrap/sub/key": 0o600}
	for i := range entries { // with the second, another path comes first, by the other name
		p, err := NewPlan(fsys, entries[:i+1], Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]fs.FileMode{}
		for _, s := range p.Steps {
			got[s.Actual] = s.Mode
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("modes (-want +got):\n%s", diff)
		}
		want["/data/lib/bootstrap/first"] = 0o644
	}
}

// TestARehearsalFindsWhatCountingDoesNot fills the file system so that the files' own blocks fit, and a directory's growth does not.
func TestARehearsalFindsWhatCountingDoesNot(t *testing.T) {
	fsys, path := open(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Inodes: 4000, Size: 8 << 20})
	before := testimage.Snapshot(t, path)
	var entries []manifest.Entry
	long := strings.Repeat("n", 240)
	const small = 500 // of one block each
	info := fsys.Info()
	entries = append(entries, file("/big", strings.Repeat("x", int(info.FreeBlocks-small-1)*info.BlockSize), 0o644)) // 1: the directory's first block
	for free := range small {
		entries = append(entries, file("/many/"+long+string(rune('a'+free%26))+string(rune('a'+free/26%26))+string(rune('a'+free/676)), "x", 0o644))
	}
	p, err := NewPlan(fsys, entries, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{"rehearse": p.Rehearse, "apply": p.Apply} {
		if err := do(); !errors.Is(err, ext4.ErrNoSpace) {
			t.Errorf("%s: %v, want no space", name, err)
		}
	}
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
}

func TestAFileThatChangesBetweenPlanAndApplyChangesNothing(t *testing.T) {
	fsys, path := open(t, testimage.Options{})
	before := testimage.Snapshot(t, path)
	src := filepath.Join(t.TempDir(), "src")
	if err := os.WriteFile(src, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := FileSpec(src + ":/x")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(fsys, []manifest.Entry{file("/a", "first", 0o600), e}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(src, []byte("two, and longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("error %v", err)
	}
	testimage.Fsck(t, path, 0)
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
}
