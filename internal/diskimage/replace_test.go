// An image that is changed through a copy is the old one or the new one, and never somebody else's.

package diskimage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// replacing opens the image in place and begins what will replace it.
func replacing(t *testing.T, path string) (*Image, *Output) {
	t.Helper()
	i, err := OpenInPlace(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	o, err := i.Replace(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Abort() })
	if _, err := o.Section(mib, 4096).WriteAt([]byte("here"), 7); err != nil {
		t.Fatal(err)
	}
	return i, o
}

func TestACopyTakesTheImagesPlaceOnCommitAlone(t *testing.T) {
	for _, commit := range []bool{true, false} {
		src, want := sourceFile(t)
		i, o := replacing(t, src)
		sameBytes(t, "before Commit", readFile(t, src), want)
		if _, err := OpenInPlace(src); !errors.Is(err, ErrInUse) {
			t.Errorf("a second run: %v, want ErrInUse", err)
		}
		end := o.Abort
		if commit {
			copy(want[mib+7:], "here")
			end = func() error { return o.Commit(context.Background(), nil) }
		}
		if err := errors.Join(end(), i.Close()); err != nil {
			t.Error(err)
		}
		sameBytes(t, "at the end", readFile(t, src), want)
		if diff := cmp.Diff([]string{filepath.Base(src)}, names(t, filepath.Dir(src))); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	}
}

func TestWhatSomebodyElsePutThereMeanwhileStays(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows replaces no file that is open")
	}
	tests := []struct {
		name   string
		meddle func(path string) error
		says   string
	}{
		{"another file has its name", func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte("other"), 0o600), os.Rename(path+"2", path))
		}, "another file"},
		{"it is gone", os.Remove, "another file"},
		{"it was written to", func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("x"), 3)
			return errors.Join(err, f.Close(), os.Chtimes(path, time.Time{}, time.Now().Add(time.Minute)))
		}, "was changed"},
		{"it is longer", func(path string) error { return os.Truncate(path, 20*mib) }, "was changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, _ := sourceFile(t)
			_, o := replacing(t, src)
			if err := tt.meddle(src); err != nil {
				t.Fatal(err)
			}
			was, wasErr := os.ReadFile(src)
			if err := o.Commit(context.Background(), nil); err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), src) {
				t.Errorf("Commit = %v, want %q", err, tt.says)
			}
			is, isErr := os.ReadFile(src)
			if string(is) != string(was) || (isErr == nil) != (wasErr == nil) {
				t.Error("it did not stay as it was")
			}
			for _, name := range names(t, filepath.Dir(src)) {
				if strings.HasSuffix(name, ".tmp") {
					t.Errorf("%s was left", name)
				}
			}
		})
	}
}

// A run that waited at the door while another put its copy into the image's place must not change the file that has no name any more.
func TestAnImageThatWasReplacedIsOpenedAnew(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows replaces no file that is open")
	}
	src, want := sourceFile(t)
	first, o := replacing(t, src)
	late, err := openToWrite(src, false) // a run that has opened the file, and not locked it yet
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Commit(context.Background(), nil), first.Close()); err != nil {
		t.Fatal(err)
	}
	i := &Image{path: src, file: late, format: Raw, writable: true}
	t.Cleanup(func() { i.Close() })
	if same, err := i.named(); err != nil || same {
		t.Errorf("the file that was replaced counts as the image: %v, %v", same, err)
	}
	again, err := OpenInPlace(src)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	copy(want[mib+7:], "here")
	sameBytes(t, "what is opened", readAll(t, again), want)
}
