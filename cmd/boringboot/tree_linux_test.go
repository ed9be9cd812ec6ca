package main_test

// This file is about what becomes of a tree's hard links, and of what in a tree cannot be put into an image.

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"boringboot/internal/testimage"
)

// TestHardLinksOfATreeStayHardLinks puts one file with three names into an image, again, changed, and over files of their own.
func TestHardLinksOfATreeStayHardLinks(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w := newWorkplace(t)
	names := []string{"srv/a/first", "srv/a/second", "srv/b/third"}
	w.write("root/"+names[0], []byte("one file"))
	w.write("root/srv/b/alone", []byte("one file"))
	w.write("root/outside", []byte("its other name is not below root/"))
	for _, name := range names[1:] {
		if err := os.Link(w.path("root/"+names[0]), w.path("root/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(w.path("root/outside"), w.path("elsewhere")); err != nil {
		t.Fatal(err)
	}
	inject := func(want string, more ...string) {
		t.Helper()
		w.must(0, "boringboot", append([]string{"inject", "work.img", "--tree", "root", "--json"}, more...)...)
		testimage.Fsck(t, w.path("work.img"), 0)
		mounted := testimage.Mount(t, w.path("work.img"), 0)
		inodes := map[uint64]int{}
		for _, name := range names {
			if got := mustRead(t, filepath.Join(mounted, name)); got != want {
				t.Errorf("%s holds %q, want %q", name, got, want)
			}
			inodes[inode(t, filepath.Join(mounted, name))]++
		}
		tree := testimage.Tree(t, mounted)
		if len(inodes) != 1 || tree[names[0]].Links != 3 || tree["srv/b/alone"].Links != 1 || tree["outside"].Links != 1 {
			t.Errorf("inodes %v, links %d, alone %d, outside %d", inodes, tree[names[0]].Links, tree["srv/b/alone"].Links, tree["outside"].Links)
		}
		testimage.Unmount(t, mounted)
	}
	w.sh("cp", "--sparse=always", image, "work.img")
	inject("one file")
	before := testimage.Snapshot(t, w.path("work.img"))
	inject("one file")
	if testimage.Snapshot(t, w.path("work.img")) != before {
		t.Error("the second time something was changed")
	}
	w.write("root/"+names[0], []byte("another text"))
	f := w.must(2, "boringboot", "inject", "work.img", "--tree", "root")
	if !strings.Contains(f.stderr, "/srv/a/first") || !strings.Contains(f.stderr, "--overwrite") {
		t.Error(f.stderr)
	}
	inject("another text", "--overwrite")

	// Files of their own, as an earlier version of us made them.
	w.sh("cp", "--sparse=always", image, "work.img")
	for _, name := range names {
		w.must(0, "boringboot", "inject", "work.img", "--file", "root/"+names[0]+":/"+name)
	}
	inject("another text")
	// What is there with other content is not replaced by a link.
	w.sh("cp", "--sparse=always", image, "work.img")
	w.must(0, "boringboot", "inject", "work.img", "--file", "key.pub:/"+names[2])
	f = w.must(2, "boringboot", "inject", "work.img", "--tree", "root")
	if !strings.Contains(f.stderr, "/"+names[2]+": a file with other content") {
		t.Error(f.stderr)
	}
	inject("another text", "--overwrite")
}

func TestWhatATreeHoldsAndAnImageCannotIsNamed(t *testing.T) {
	testimage.RequireRoot(t)
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5})
	before := testimage.Snapshot(t, image)
	for name, tt := range map[string]struct {
		make func(path string) error
		says string
	}{
		"pipe":   {func(path string) error { return syscall.Mkfifo(path, 0o644) }, "a named pipe"},
		"device": {func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) }, "a character device"},
		"disk":   {func(path string) error { return unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))) }, "a block device"},
		"socket": {func(path string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
			if err == nil {
				l.SetUnlinkOnClose(false)
				err = l.Close()
			}
			return err
		}, "a socket"},
	} {
		w := newWorkplace(t)
		w.write("r/x", []byte("x"))
		if err := tt.make(w.path("r/" + name)); err != nil {
			t.Fatal(err)
		}
		checkFailure(t, w, failure{want: []string{"r/" + name, tt.says, "cannot be put into an image"}}, "inject", image, "--tree", "r")
	}
	if testimage.Snapshot(t, image) != before {
		t.Error("the image was changed")
	}
}
