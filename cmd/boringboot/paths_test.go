package main_test

// This file shows what inject does with paths that do not fit: refused, untouched, and a reason.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

func TestPathsThatDoNotFit(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20, Fill: func(dir string) error {
		return firstError(
			os.MkdirAll(filepath.Join(dir, "var/lib"), 0o755),
			os.WriteFile(filepath.Join(dir, "var/file"), []byte("x"), 0o644),
			os.Symlink("/etc", filepath.Join(dir, "var/config")),
			os.Mkdir(filepath.Join(dir, "etc"), 0o755),
			os.Symlink("loop", filepath.Join(dir, "var/loop")),
			os.Symlink("/nowhere/at/all", filepath.Join(dir, "var/dangling")),
			os.Symlink("../../../../../../var/lib", filepath.Join(dir, "var/up")),
			os.Symlink("/var/lib", filepath.Join(dir, "var/abs")),
		)
	}})
	w := newWorkplace(t)
	w.write("src", []byte("hello"))
	before := testimage.Snapshot(t, image)
	long := strings.Repeat("n", 256)
	for _, tt := range []struct {
		name, dest string
		want       []string
	}{
		{"below /etc", "/etc/hostname", []string{"/etc", "NixOS", "--allow /etc"}},
		{"/etc itself", "/etc", []string{"/etc"}},
		{"below /nix/store", "/nix/store/x", []string{"/nix/store", "immutable"}},
		{"below /run", "/run/secrets/x", []string{"/run"}},
		{"below /tmp", "/tmp/x", []string{"/tmp"}},
		{"below /proc", "/proc/x", []string{"/proc"}},
		{"below /sys", "/sys/x", []string{"/sys"}},
		{"below /dev", "/dev/x", []string{"/dev"}},
		{"below /etc through a link", "/var/config/x", []string{"/var/config/x", "/etc/x"}},
		{"relative", "var/lib/x", []string{"var/lib/x", "absolute"}},
		{"with ..", "/var/lib/../x", []string{".."}},
		{"a parent that is a file", "/var/file/x", []string{"/var/file", "directory"}},
		{"a parent below a file", "/var/file/x/y", []string{"/var/file", "directory"}},
		{"a name over 255 bytes", "/var/lib/" + long, []string{"255"}},
		{"a directory name over 255 bytes", "/var/" + long + "/x", []string{"255"}},
		{"a directory is there", "/var/lib", []string{"/var/lib", "directory"}},
		{"a symbolic link is there", "/var/abs", []string{"/var/abs", "symbolic link"}},
		{"a loop", "/var/loop/x", []string{"/var/loop", "symbolic links"}},
		{"a link to nowhere", "/var/dangling/x", []string{"/var/dangling", "/nowhere"}},
		{"an empty path", "", []string{"missing"}},
		{"the root", "/", []string{"/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkFailure(t, w, failure{want: tt.want}, "inject", image, "--file", "src:"+tt.dest)
			if testimage.Snapshot(t, image) != before {
				t.Error("the image was changed")
			}
		})
	}
	t.Run("links on the way are followed inside the image", func(t *testing.T) {
		for i, via := range []string{"/var/up", "/var/abs"} {
			out := w.path(fmt.Sprintf("out%d.img", i))
			w.must(0, "boringboot", "inject", image, "-o", out, "--file", "src:"+via+"/new/file:0640:7:8")
			testimage.Fsck(t, out, 0)
			if got := testimage.Debugfs(t, out, 0, "cat /var/lib/new/file"); !strings.Contains(got, "hello") {
				t.Errorf("through %s: %q", via, got)
			}
		}
	})
	t.Run("--allow lifts the refusal", func(t *testing.T) {
		w.must(0, "boringboot", "inject", image, "-o", w.path("allowed.img"), "--file", "src:/etc/hostname", "--allow", "/etc")
		w.must(2, "boringboot", "inject", image, "-o", w.path("no.img"), "--file", "src:/etc/hostname", "--allow", "/etc/host")
		w.must(0, "boringboot", "inject", image, "-o", w.path("link.img"), "--file", "src:/var/config/x", "--allow", "/etc/x")
	})
	t.Run("two paths that are one", func(t *testing.T) {
		checkFailure(t, w, failure{want: []string{"same path"}}, "inject", image, "--file", "src:/var/abs/x", "--file", "src:/var/lib/x")
	})
	t.Run("a path below another file of the same run", func(t *testing.T) {
		checkFailure(t, w, failure{want: []string{"/var/lib/x"}}, "inject", image, "--file", "src:/var/lib/x/y", "--file", "src:/var/lib/x")
	})
	if testimage.Snapshot(t, image) != before {
		t.Error("the image was changed")
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestNotEnoughSpace(t *testing.T) {
	w := newWorkplace(t)
	w.write("big", make([]byte, 3<<20))
	t.Run("blocks", func(t *testing.T) {
		image := testimage.Ext4(t, testimage.Options{StorePaths: 20, Free: 1 << 20})
		before := testimage.Snapshot(t, image)
		checkFailure(t, w, failure{want: []string{"769 blocks needed", "free"}}, "inject", image, "--file", "big:/var/big")
		checkFailure(t, w, failure{want: []string{"769 blocks needed", "free"}}, "inject", image, "--file", "big:/var/big", "--dry-run")
		if testimage.Snapshot(t, image) != before {
			t.Error("the image was changed")
		}
	})
	t.Run("inodes", func(t *testing.T) {
		image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
		args := []string{"inject", image}
		for i := range 600 {
			args = append(args, "--file", fmt.Sprintf("age.key:/var/many/%d", i))
		}
		before := testimage.Snapshot(t, image)
		checkFailure(t, w, failure{want: []string{"inodes", "602", "free"}}, args...)
		if testimage.Snapshot(t, image) != before {
			t.Error("the image was changed")
		}
	})
}

func TestWhatIsThereAlready(t *testing.T) {
	w := newWorkplace(t)
	image := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	w.write("src", []byte("one"))
	inject := func(code int, more ...string) finished {
		t.Helper()
		f := w.must(code, "boringboot", append([]string{"inject", image, "--file", "src:/var/lib/x:0600"}, more...)...)
		testimage.Fsck(t, image, 0)
		return f
	}
	inject(0)
	w.write("src", []byte("two"))
	before := testimage.Snapshot(t, image)
	if f := inject(2); !strings.Contains(f.stderr, "/var/lib/x") || !strings.Contains(f.stderr, "--overwrite") {
		t.Error(f.stderr)
	}
	if testimage.Snapshot(t, image) != before {
		t.Error("the image was changed")
	}
	inject(0, "--overwrite")
	if got := testimage.Debugfs(t, image, 0, "cat /var/lib/x"); !strings.Contains(got, "two") {
		t.Errorf("%q", got)
	}
	before = testimage.Snapshot(t, image)
	inject(0)
	if testimage.Snapshot(t, image) != before {
		t.Error("the same content changed the image")
	}
	w.must(0, "boringboot", "inject", image, "--file", "src:/var/lib/x:0644:3:4")
	testimage.Fsck(t, image, 0)
	if got := testimage.Debugfs(t, image, 0, "stat /var/lib/x"); !strings.Contains(got, "Mode:  0644") || !strings.Contains(got, "User:     3   Group:     4") {
		t.Errorf("the same content with another mode and owner: %s", got)
	}
}

// TestDirectoriesAbove is about who may write to a directory above what is injected.
func TestDirectoriesAbove(t *testing.T) {
	image := testimage.Ext4(t, testimage.Options{StorePaths: 5, Fill: func(dir string) error {
		return firstError(
			os.MkdirAll(filepath.Join(dir, "home/pi"), 0o755), os.Chown(filepath.Join(dir, "home/pi"), 1000, 1000),
			os.Mkdir(filepath.Join(dir, "open"), 0o755), os.Chmod(filepath.Join(dir, "open"), 0o777|os.ModeSticky),
			os.Symlink("open", filepath.Join(dir, "link")), os.Lchown(filepath.Join(dir, "link"), 1000, 100),
		)
	}})
	testimage.RequireRoot(t) // for the owners
	w := newWorkplace(t)
	w.write("src", []byte("x"))
	w.write("tree/.keep", nil)
	if err := os.Symlink("open", w.path("tree/link")); err != nil {
		t.Fatal(err)
	}
	before := testimage.Snapshot(t, image)
	for _, tt := range []struct {
		name string
		args []string
		want []string // empty: it is done
	}{
		{"what is private, below a directory that everybody may write to", []string{"--file", "src:/open/x:0600"}, []string{"/open/x", "/open", "1777", "--allow /open"}},
		{"what is private to root, in a user's directory", []string{"--file", "src:/home/pi/x:0600"}, []string{"/home/pi", "1000"}},
		{"what is private to a user, in the user's directory", []string{"--file", "src:/home/pi/x:0600:1000:1000"}, nil},
		{"what is public, in either", []string{"--file", "src:/home/pi/x:0644", "--file", "src:/open/x:0644"}, nil},
		{"what is private, and the directory is allowed", []string{"--file", "src:/open/x:0600", "--allow", "/open"}, nil},
		{"a tree with a link that is there under another owner", []string{"--tree", "tree"}, nil},
		{"below a directory that is named exactly, and whose parent is not there", []string{"--file", "src:/etc/ssh/key:0600", "--allow", "/etc/ssh"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"inject", image}, tt.args...)
			if tt.want != nil {
				checkFailure(t, w, failure{want: tt.want}, args...)
			} else {
				w.must(0, "boringboot", append(args, "-o", "out.img", "--force")...)
				testimage.Fsck(t, w.path("out.img"), 0)
			}
			if testimage.Snapshot(t, image) != before {
				t.Error("the image was changed")
			}
		})
	}
}
