// The wall around a library, with libraries that lie, panic, loop, and go on for ever.

package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/ext4ro"

	"github.com/google/go-cmp/cmp"
)

// fake is a library that is right but for what is replaced.
type fake struct {
	library
	mapChild   func(name string, a attr, err error) (attr, error)
	mapContent func(r io.Reader) io.Reader
}

func (f *fake) child(dir string, ino uint32, name string) (attr, error) {
	a, err := f.library.child(dir, ino, name)
	if f.mapChild != nil && name != absentName {
		return f.mapChild(name, a, err)
	}
	return a, err
}

func (f *fake) content(w *way, a attr) (io.Reader, error) {
	r, err := f.library.content(w, a)
	if err == nil && f.mapContent != nil {
		r = f.mapContent(r)
	}
	return r, err
}

// withReader has tests run with these readers only.
func withReaders(t *testing.T, all ...opener) {
	t.Helper()
	saved := openers
	openers = all
	t.Cleanup(func() { openers = saved })
}

// faking is an opener of a fake.
func faking(change func(*fake, *budget)) opener {
	return opener{name: "fake", zeros: true, open: func(b *budget, ro *ext4ro.FS) (library, error) {
		real, err := openMasahiro(b, ro)
		if err != nil {
			return nil, err
		}
		f := &fake{library: real}
		change(f, b)
		return f, nil
	}}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReadersThatDisagreeAreAFinding(t *testing.T) {
	want := standard(t)
	path := image(t, small(testimage.NixOS()), want)
	good := openers[0]
	tests := []struct {
		name      string
		fake      func(*fake, *budget)
		contents  []string
		bootstrap []string
	}{
		{"on a mode", func(f *fake, _ *budget) {
			f.mapChild = func(name string, a attr, err error) (attr, error) {
				if name == "big" {
					a.mode ^= 1
				}
				return a, err
			}
		}, []string{"wrong-mode " + bigPath, "readers-disagree " + bigPath}, nil},
		{"on whether a file is there", func(f *fake, _ *budget) {
			f.mapChild = func(name string, a attr, err error) (attr, error) {
				if name == "big" {
					return attr{}, fs.ErrNotExist
				}
				return a, err
			}
		}, []string{"missing " + bigPath, "readers-disagree " + bigPath}, nil},
		{"on the owner of a directory above", func(f *fake, _ *budget) {
			f.mapChild = func(name string, a attr, err error) (attr, error) {
				if name == "srv" {
					a.gid = 5
				}
				return a, err
			}
		}, []string{"readers-disagree /srv"}, nil},
		{"on a byte", func(f *fake, _ *budget) {
			f.mapContent = func(r io.Reader) io.Reader {
				return readerFunc(func(p []byte) (int, error) {
					n, err := r.Read(p)
					if n > 0 {
						p[n-1] ^= 1
					}
					return n, err
				})
			}
		}, []string{
			"wrong-content " + keyPath, "readers-disagree " + keyPath, "wrong-content " + pubPath, "readers-disagree " + pubPath,
			"wrong-content " + envPath, "readers-disagree " + envPath, "wrong-content " + bigPath, "readers-disagree " + bigPath,
		}, []string{
			"private-key " + keyPath, "readers-disagree " + keyPath, "public-key " + pubPath, "key-mismatch " + pubPath, "readers-disagree " + pubPath,
			"environment " + envPath, "psk " + envPath, "ssid " + envPath, "readers-disagree " + envPath, "readers-disagree " + bigPath,
		}},
		{"on where a file ends, early", func(f *fake, _ *budget) {
			f.mapContent = func(r io.Reader) io.Reader { return io.LimitReader(r, 30) }
		}, []string{
			"wrong-content " + keyPath, "readers-disagree " + keyPath, "wrong-content " + pubPath, "readers-disagree " + pubPath,
			"wrong-content " + envPath, "readers-disagree " + envPath, "wrong-content " + bigPath, "readers-disagree " + bigPath,
		}, []string{}},
		{"on where a file ends, late", func(f *fake, _ *budget) {
			f.mapContent = func(r io.Reader) io.Reader { return io.MultiReader(r, strings.NewReader("x")) }
		}, []string{
			"wrong-content " + keyPath, "readers-disagree " + keyPath, "wrong-content " + pubPath, "readers-disagree " + pubPath,
			"wrong-content " + envPath, "readers-disagree " + envPath, "wrong-content " + bigPath, "readers-disagree " + bigPath,
		}, []string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			withReaders(t, good, faking(test.fake))
			r := contents(t, path, want)
			if diff := cmp.Diff(test.contents, r.codes()); diff != "" || r.OK() {
				t.Errorf("Contents: OK: %v (-want +got):\n%s", r.OK(), diff)
			}
			if test.bootstrap == nil {
				test.bootstrap = test.contents
			}
			r = bootstrap(t, path, want)
			if len(test.bootstrap) == 0 {
				return
			}
			got := map[string]bool{}
			for _, code := range r.codes() {
				got[code] = true
			}
			for code := range got {
				if !contains(test.bootstrap, code) {
					t.Errorf("Bootstrap: also %q", code)
				}
			}
			if r.OK() {
				t.Error("Bootstrap: OK")
			}
		})
	}
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// shortTime makes budgets end soon.
func shortTime(t *testing.T) {
	t.Helper()
	saved := baseTime
	baseTime = 200 * time.Millisecond
	t.Cleanup(func() { baseTime = saved })
}

func TestALibraryThatMisbehavesIsNamedAndTheOthersDecide(t *testing.T) {
	want := standard(t)
	path := image(t, small(testimage.NixOS()), want)
	good := openers[0]
	var recurse func(b *budget, depth int) int
	recurse = func(b *budget, depth int) int {
		var pad [512]byte
		if _, err := b.ReadAt(pad[:1], 0); err != nil {
			panic(err)
		}
		return recurse(b, depth+1) + int(pad[0])
	}
	tests := []struct {
		name   string
		fake   func(*fake, *budget)
		reason string // that the readers, or the file, carry
	}{
		{"it panics", func(f *fake, _ *budget) {
			f.mapChild = func(string, attr, error) (attr, error) { panic("index out of range") }
		}, "it panicked: index out of range"},
		{"it panics with nil in its hands", func(f *fake, _ *budget) {
			f.mapContent = func(io.Reader) io.Reader { var none *strings.Builder; none.WriteByte(1); return nil }
		}, "it panicked: runtime error: invalid memory address or nil pointer dereference"},
		{"it reads for ever", func(f *fake, b *budget) {
			f.mapChild = func(string, attr, error) (attr, error) {
				for {
					if _, err := b.ReadAt(make([]byte, 4096), 0); err != nil {
						return attr{}, err
					}
				}
			}
		}, "gave up: it read more"},
		{"it reads for ever and does not listen", func(f *fake, b *budget) {
			f.mapChild = func(string, attr, error) (attr, error) {
				for stop := time.Now().Add(3 * time.Second); time.Now().Before(stop); {
					b.ReadAt(make([]byte, 4096), 0)
				}
				return attr{}, nil
			}
		}, "gave up"},
		{"it loops without reading", func(f *fake, b *budget) {
			f.mapChild = func(string, attr, error) (attr, error) {
				time.Sleep(3 * time.Second)
				return attr{}, nil
			}
		}, "gave up: it took longer"},
		{"it descends for ever", func(f *fake, b *budget) {
			f.mapChild = func(string, attr, error) (attr, error) { return attr{size: int64(recurse(b, 0))}, nil }
		}, "gave up"},
		{"it never says that a file ends", func(f *fake, _ *budget) {
			f.mapContent = func(io.Reader) io.Reader { return readerFunc(func([]byte) (int, error) { return 0, nil }) }
		}, io.ErrNoProgress.Error()},
		{"it says that it read more than it was asked for", func(f *fake, _ *budget) {
			f.mapContent = func(io.Reader) io.Reader { return readerFunc(func(p []byte) (int, error) { return len(p) + 1, nil }) }
		}, "bytes into a buffer of"},
		{"it fails in the middle of a file", func(f *fake, _ *budget) {
			f.mapContent = func(r io.Reader) io.Reader {
				return io.MultiReader(io.LimitReader(r, 50), readerFunc(func([]byte) (int, error) { return 0, errors.New("no such\nextent") }))
			}
		}, "no such extent"},
		{"it gives a file a negative size", func(f *fake, _ *budget) {
			f.mapChild = func(_ string, a attr, err error) (attr, error) { a.size = -1; return a, err }
		}, "a size of -1 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			shortTime(t)
			withReaders(t, good, faking(test.fake))
			start := time.Now()
			r := contents(t, path, want)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if !r.OK() || len(r.Findings) > 0 {
				t.Errorf("the other reader's word does not count: %v", r.Findings)
			}
			for _, f := range r.Files {
				if f.Path != keyPath {
					continue
				}
				if diff := cmp.Diff([]string{"go-ext4"}, f.ConfirmedBy); diff != "" {
					t.Errorf("confirmed by (-want +got):\n%s", diff)
				}
				if len(f.NotReadBy) != 1 || !strings.Contains(f.NotReadBy[0].Reason, test.reason) {
					t.Errorf("not read by %v, want a reason with %q", f.NotReadBy, test.reason)
				}
			}
			// Alone it confirms nothing.
			withReaders(t, faking(test.fake))
			r = contents(t, path, want)
			if r.OK() || !contains(r.codes(), "unconfirmed "+keyPath) {
				t.Errorf("alone: OK: %v, %v", r.OK(), r.codes())
			}
		})
	}
}

func TestNoReaderLeftIsNoPass(t *testing.T) {
	want := standard(t)
	path := image(t, small(testimage.NixOS()), want)
	withReaders(t, opener{name: "blind", open: func(*budget, *ext4ro.FS) (library, error) { return nil, errors.New("cannot see") }})
	f, size := openImage(t, path)
	for name, judge := range map[string]func() (*Report, error){
		"Contents":       func() (*Report, error) { return Contents(context.Background(), f, size, want) },
		"Bootstrap":      func() (*Report, error) { return Bootstrap(context.Background(), f, size, want) },
		"nothing wanted": func() (*Report, error) { return Contents(context.Background(), f, size, nil) },
	} {
		r, err := judge()
		if !errors.Is(err, ErrNoReader) || !strings.Contains(err.Error(), "blind: cannot see") {
			t.Errorf("%s: got %v", name, err)
		}
		if r.OK() || !contains(r.codes(), "no-reader") {
			t.Errorf("%s: OK: %v, %v", name, r.OK(), r.codes())
		}
	}
}

func TestALibraryIsNotAskedAboutDamagedDirectories(t *testing.T) {
	// An i_size of 1 TiB: go-diskfs would allocate by it.
	want := standard(t)
	path := image(t, small(testimage.ProfileNamed("no-checksums-4k")), want)
	testimage.DebugfsWrite(t, path, 0, "set_inode_field /srv size 0x10000000000")
	r := contents(t, path, want)
	if !contains(r.codes(), "unconfirmed "+bigPath) || r.OK() {
		t.Errorf("%v", r.codes())
	}
}

// brokenDisk fails from an offset on.
type brokenDisk struct {
	io.ReaderAt
	from int64
}

var errDisk = errors.New("input/output error")

func (d brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.from {
		return 0, errDisk
	}
	return d.ReaderAt.ReadAt(p, off)
}

func TestADiskThatFailsIsAnErrorAndNoFinding(t *testing.T) {
	want := standard(t)
	path := image(t, small(testimage.NixOS()), want)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for from := int64(0); from < int64(len(whole)); from += 4096 {
		_, err := Contents(context.Background(), brokenDisk{bytes.NewReader(whole), from}, int64(len(whole)), want)
		if err == nil {
			break // past everything that is read
		}
		failed++
		if !errors.Is(err, errDisk) {
			t.Fatalf("from byte %d: got %v", from, err)
		}
	}
	if failed < 10 {
		t.Errorf("only %d places that a failing disk spoils", failed)
	}
}

func TestWantedContentThatCannotBeReadIsAnError(t *testing.T) {
	want := standard(t)
	path := image(t, small(testimage.NixOS()), want)
	want[0].Content = brokenContent{want[0].Content.Size()}
	f, size := openImage(t, path)
	if _, err := Contents(context.Background(), f, size, want); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	want[0].Content = nil
	if _, err := Contents(context.Background(), f, size, want); err == nil {
		t.Error("no content to compare with is no error")
	}
}

type brokenContent struct{ size int64 }

func (c brokenContent) Size() int64                       { return c.size }
func (c brokenContent) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestCancelling(t *testing.T) {
	want := standard(t)
	f, size := openImage(t, image(t, small(testimage.NixOS()), want))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Contents(ctx, f, size, want); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A panic of our own is an error, and no verdict, in whichever goroutine it happens.
func TestAPanicOfOurOwnIsAnError(t *testing.T) {
	path := testimage.Ext4(t, small(testimage.NixOS()))
	f, size := openImage(t, path)
	for _, from := range []int64{0, 4096} { // the superblock is read before there are workers
		disk := panicsFrom{f, from}
		if s, err := AuditStructure(context.Background(), disk, size); err == nil || err.Error() != "structure: it panicked: a fault" {
			t.Errorf("from byte %d on: %v, error %v", from, s, err)
		}
	}
	if found, err := Changes(context.Background(), &Disk{}, &Disk{}, &Structure{}, &Structure{}, nil); err == nil || !strings.HasPrefix(err.Error(), "changes: it panicked: ") {
		t.Errorf("found %v, error %v", found, err)
	}
}

// panicsFrom is a disk that panics where it is read behind a place.
type panicsFrom struct {
	r    io.ReaderAt
	from int64
}

func (p panicsFrom) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.from {
		panic("a fault\nof ours")
	}
	return p.r.ReadAt(b, off)
}
