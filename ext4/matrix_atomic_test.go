package ext4_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"boringboot/ext4"
	"boringboot/internal/testimage"
)

// All of an update or nothing of it, and always the same.

func TestAnUpdateThatFailsChangesNoByte(t *testing.T) {
	boom := errors.New("boom")
	everything := func(tx *ext4.Tx) error { return run(tx, bootstrap(4096)) }
	tests := []struct {
		name string
		fn   func(tx *ext4.Tx) error
		want error
	}{
		{"at once", func(tx *ext4.Tx) error { return boom }, boom},
		{"after everything", func(tx *ext4.Tx) error { return errors.Join(everything(tx), boom) }, boom},
		{"content that cannot be read", func(tx *ext4.Tx) error {
			return errors.Join(everything(tx), tx.WriteFile("var/late", unreadable{}, ext4.Attr{Mode: 0o600}))
		}, errUnreadable},
		{"content that ends early", func(tx *ext4.Tx) error {
			return errors.Join(everything(tx), tx.WriteFile("var/late", short{}, ext4.Attr{Mode: 0o600}))
		}, nil},
	}
	path := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	testimage.Check(t, path, 0)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.want == nil {
				mustRefuse(t, path, test.fn)
			} else {
				mustRefuse(t, path, test.fn, test.want)
			}
		})
	}
}

var errUnreadable = errors.New("cannot be read")

// unreadable is content that fails in its middle.
type unreadable struct{}

func (unreadable) Size() int64 { return 100_000 }

func (unreadable) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > 50_000 {
		return 0, errUnreadable
	}
	return len(b), nil
}

// short is content that is not as long as it says.
type short struct{}

func (short) Size() int64 { return 100_000 }

func (short) ReadAt(b []byte, off int64) (int, error) {
	if n := 50_000 - off; n < int64(len(b)) {
		return int(max(n, 0)), io.EOF
	}
	return len(b), nil
}

func TestAPanicInsideAnUpdateChangesNoByte(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 20})
	testimage.Check(t, path, 0)
	before := testimage.Snapshot(t, path)
	fsys := openFS(t, path)
	func() {
		defer func() {
			if r := recover(); r != "out of cheese" {
				t.Errorf("the panic became %v", r)
			}
		}()
		err := fsys.Update(func(tx *ext4.Tx) error {
			if err := run(tx, bootstrap(4096)); err != nil {
				t.Error(err)
			}
			panic("out of cheese")
		})
		t.Errorf("Update returned %v", err)
	}()
	if testimage.Snapshot(t, path) != before {
		t.Error("the image was changed")
	}
	// And the file system is no worse for it.
	if err := fsys.Update(func(tx *ext4.Tx) error { return run(tx, bootstrap(4096)) }); err != nil {
		t.Errorf("the update after it: %v", err)
	}
}

func TestAnUpdateOfNothingChangesNoByte(t *testing.T) {
	for _, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: 8})
			before := testimage.Snapshot(t, path)
			for _, fn := range []func(tx *ext4.Tx) error{
				func(tx *ext4.Tx) error { return nil },
				func(tx *ext4.Tx) error { return tx.MkdirAll("nix/store", ext4.Attr{Mode: 0o700}) },
				func(tx *ext4.Tx) error { _, err := tx.Stat("boot"); return err },
			} {
				if err := update(path, updateTime, fn); err != nil {
					t.Error(err)
				}
				if testimage.Snapshot(t, path) != before {
					t.Error("the image was changed")
				}
			}
		})
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	for _, p := range testimage.Profiles {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			o := testimage.Options{Profile: p, StorePaths: 8, Inodes: 3000}
			ops := append(bootstrap(p.BlockSize), append([]op{mkdir("d", 0o755)}, entries("d", 0, 700, 90)...)...)
			var sums [2]string
			for i := range sums {
				path := testimage.Ext4(t, o)
				if err := update(path, updateTime, func(tx *ext4.Tx) error { return run(tx, ops) }); err != nil {
					t.Fatal(err)
				}
				sums[i] = testimage.Snapshot(t, path)
			}
			if sums[0] != sums[1] {
				t.Error("two runs differ")
			}
		})
	}
}

// Without WithTime the file system's own last write is the time, so that two
// runs agree whenever they are.
func TestTheTimeIsTheImagesOwn(t *testing.T) {
	var sums [2]string
	for i := range sums {
		path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
		testimage.Check(t, path, 0)
		if err := openFS(t, path).Update(func(tx *ext4.Tx) error { return run(tx, bootstrap(4096)) }); err != nil {
			t.Fatal(err)
		}
		sums[i] = testimage.Snapshot(t, path)
		info, err := openFS(t, path).Stat("var/lib/bootstrap")
		if err != nil {
			t.Fatal(err)
		}
		// testimage gives the e2fsprogs tools this clock.
		if want := time.Unix(1_700_000_000, 0); !info.ModTime().Equal(want) {
			t.Errorf("mtime %v, want s_wtime, %v", info.ModTime(), want)
		}
		time.Sleep(1100 * time.Millisecond)
	}
	if sums[0] != sums[1] {
		t.Error("two runs differ")
	}
}

func TestOperationsThatCannotBeAreErrors(t *testing.T) {
	attr := ext4.Attr{Mode: 0o644}
	long := strings.Repeat("n", 256)
	tests := []struct {
		name string
		fn   func(tx *ext4.Tx) error
		want error
	}{
		{"a directory that is there", func(tx *ext4.Tx) error { return tx.Mkdir("boot", attr) }, fs.ErrExist},
		{"a directory where a file is", func(tx *ext4.Tx) error { return tx.Mkdir("nix-path-registration", attr) }, fs.ErrExist},
		{"a directory below a file", func(tx *ext4.Tx) error { return tx.Mkdir("nix-path-registration/d", attr) }, ext4.ErrNotDir},
		{"directories below a file", func(tx *ext4.Tx) error { return tx.MkdirAll("nix-path-registration/d/e", attr) }, ext4.ErrNotDir},
		{"directories down to a file", func(tx *ext4.Tx) error { return tx.MkdirAll("nix-path-registration", attr) }, ext4.ErrNotDir},
		{"a directory without its parent", func(tx *ext4.Tx) error { return tx.Mkdir("var/lib", attr) }, fs.ErrNotExist},
		{"a file without its parent", func(tx *ext4.Tx) error { return tx.WriteFile("var/f", content(nil), attr) }, fs.ErrNotExist},
		{"a file below a file", func(tx *ext4.Tx) error { return tx.WriteFile("nix-path-registration/f", content(nil), attr) }, ext4.ErrNotDir},
		{"a file over a directory", func(tx *ext4.Tx) error { return tx.WriteFile("boot", content(nil), attr) }, ext4.ErrIsDir},
		{"a file over the root", func(tx *ext4.Tx) error { return tx.WriteFile(".", content(nil), attr) }, nil},
		{"a symlink over a file", func(tx *ext4.Tx) error { return tx.Symlink("t", "nix-path-registration", attr) }, fs.ErrExist},
		{"an empty symlink", func(tx *ext4.Tx) error { return tx.Symlink("", "boot/l", attr) }, nil},
		{"a symlink with a NUL", func(tx *ext4.Tx) error { return tx.Symlink("a\x00b", "boot/l", attr) }, nil},
		{"a symlink of a whole block", func(tx *ext4.Tx) error { return tx.Symlink(strings.Repeat("t", 4096), "boot/l", attr) }, ext4.ErrNameTooLong},
		{"a name of 256 bytes", func(tx *ext4.Tx) error { return tx.WriteFile("boot/"+long, content(nil), attr) }, ext4.ErrNameTooLong},
		{"a directory's name of 256 bytes", func(tx *ext4.Tx) error { return tx.MkdirAll(long+"/d", attr) }, ext4.ErrNameTooLong},
		{"a name with a NUL", func(tx *ext4.Tx) error { return tx.WriteFile("boot/a\x00b", content(nil), attr) }, nil},
		{"an absolute name", func(tx *ext4.Tx) error { return tx.WriteFile("/boot/f", content(nil), attr) }, fs.ErrInvalid},
		{"a name that climbs", func(tx *ext4.Tx) error { return tx.WriteFile("boot/../f", content(nil), attr) }, fs.ErrInvalid},
		{"a name that is not UTF-8", func(tx *ext4.Tx) error { return tx.WriteFile("boot/\xff", content(nil), attr) }, fs.ErrInvalid},
		{"an empty name", func(tx *ext4.Tx) error { return tx.Mkdir("", attr) }, fs.ErrInvalid},
		{"the mode of nothing", func(tx *ext4.Tx) error { return tx.Chmod("var", 0o600) }, fs.ErrNotExist},
		{"the owner of nothing", func(tx *ext4.Tx) error { return tx.Chown("var", 1, 1) }, fs.ErrNotExist},
		{"the times of nothing", func(tx *ext4.Tx) error { return tx.Chtimes("var", updateTime, updateTime) }, fs.ErrNotExist},
		{"a loop of symlinks", func(tx *ext4.Tx) error {
			return errors.Join(tx.Symlink("b", "a", attr), tx.Symlink("/a", "b", attr), tx.WriteFile("a/f", content(nil), attr))
		}, ext4.ErrLoop},
	}
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	testimage.Check(t, path, 0)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.want == nil {
				mustRefuse(t, path, test.fn)
				return
			}
			err := mustRefuse(t, path, test.fn, test.want)
			var pathError *fs.PathError
			if !errors.As(err, &pathError) {
				t.Errorf("%v holds no *fs.PathError", err)
			}
		})
	}
}

// An error that the caller chooses to live with leaves nothing half done behind.
func TestAnOperationThatFailsLeavesNothingHalfDone(t *testing.T) {
	testimage.RequireRoot(t)
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8, Inodes: 700, Free: 1 << 20})
	testimage.Check(t, path, 0)
	before := kernelTree(t, path)
	ops := []op{mkdir("d", 0o755), file("d/f", []byte("f"), 0o644)}
	err := update(path, updateTime, func(tx *ext4.Tx) error {
		if err := run(tx, ops); err != nil {
			return err
		}
		for _, o := range []op{mkdir("d", 0o755), mkdir("x/y", 0o755), file("d/large", noise(40<<20), 0o644),
			file("d/f", noise(40<<20), 0o644), file("d", nil, 0o644), symlink(strings.Repeat("t", 5000), "d/l")} {
			if err := run(tx, []op{o}); err == nil {
				t.Errorf("%s %s: no error", o.do, o.name)
			}
		}
		return nil
	})
	if err != nil {
		// To refuse such an update as a whole is the other right answer.
		compareTrees(t, before, kernelTree(t, path))
		return
	}
	compareTrees(t, predict(before, ops, updateTime), kernelTree(t, path))
}

// Symlinks on the way are followed inside the image, wherever they point.
func TestSymlinksOnTheWayStayInsideTheImage(t *testing.T) {
	testimage.RequireRoot(t)
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	testimage.Check(t, path, 0)
	before := kernelTree(t, path)
	links := []op{mkdir("real", 0o755), symlink("/real", "absolute"), symlink("../../../../real", "climbing"),
		symlink("absolute", "twice"), symlink("real", "relative")}
	var files []op
	for _, o := range links[1:] {
		files = append(files, file(o.name+"/via-"+o.name, []byte(o.name), 0o600))
	}
	if err := update(path, updateTime, func(tx *ext4.Tx) error { return run(tx, append(links, files...)) }); err != nil {
		t.Fatal(err)
	}
	want := links
	for _, o := range files {
		_, name, _ := strings.Cut(o.name, "/")
		want = append(want, file("real/"+name, o.content, 0o600))
	}
	compareTrees(t, predict(before, want, updateTime), kernelTree(t, path))
	readBack(t, path, files)
}

// A transaction reads what it has written itself, and ends with its function.
func TestATransactionReadsItsOwnWritesAndEnds(t *testing.T) {
	path := testimage.Ext4(t, testimage.Options{StorePaths: 8})
	testimage.Check(t, path, 0)
	fsys := openFS(t, path)
	var kept *ext4.Tx
	err := fsys.Update(func(tx *ext4.Tx) error {
		kept = tx
		for range 2 {
			if err := run(tx, []op{file("boot/f", noise(10_000), 0o640)}); err != nil {
				return err
			}
			got, err := tx.ReadFile("boot/f")
			if err != nil || sum(got) != sum(noise(10_000)) {
				t.Errorf("ReadFile inside: %d bytes, %v", len(got), err)
			}
			entries, err := tx.ReadDir("boot")
			if err != nil || len(entries) != 3 {
				t.Errorf("ReadDir inside: %v, %v", entries, err)
			}
			if info, err := tx.Stat("boot/f"); err != nil || info.Size() != 10_000 || info.Mode() != 0o640 {
				t.Errorf("Stat inside: %v, %v", info, err)
			}
			if _, err := fsys.Stat("boot/f"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("outside the file can be seen: %v", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fsys.Stat("boot/f"); err != nil {
		t.Errorf("after the update: %v", err)
	}
	sum := testimage.Snapshot(t, path)
	if err := kept.Mkdir("late", ext4.Attr{Mode: 0o755}); err == nil {
		t.Error("a transaction that has ended takes operations")
	}
	if testimage.Snapshot(t, path) != sum {
		t.Error("and writes")
	}
}
