// Many files in one directory: what verifying them reads grows with their number, not with its square.

package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

// many makes an image with n files in one directory.
func many(t *testing.T, n int) (*counting, int64, []manifest.Entry) {
	t.Helper()
	var want []manifest.Entry
	for i := range n {
		content := fmt.Sprintf("content of file %d", i)
		want = append(want, manifest.Entry{Path: fmt.Sprintf("/srv/many/file-%05d", i), Kind: manifest.File, Mode: 0o644, Content: strings.NewReader(content)})
	}
	path := testimage.Ext4(t, testimage.Options{StorePaths: -1, Size: 64 << 20, Inodes: 2*n + 100, Fill: func(dir string) error {
		dir = filepath.Join(dir, "srv", "many")
		err := os.MkdirAll(dir, 0o755)
		for _, e := range want {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, filepath.Base(e.Path)), contentOf(t, e), 0o644))
		}
		return err
	}})
	f, size := openImage(t, path)
	return &counting{r: f}, size, want
}

func TestManyFilesOfADirectoryAreReadInLinearTime(t *testing.T) {
	saved := maxReread
	maxReread = 8 << 20
	t.Cleanup(func() { maxReread = saved })
	bytes := map[int]int64{}
	for _, n := range []int{800, 1600} {
		c, size, want := many(t, n)
		r, err := Contents(context.Background(), c, size, want)
		if err != nil || !r.OK() {
			t.Fatal(err, r.Summary())
		}
		bytes[n] = c.bytes
		all, spared := 0, 0
		for _, f := range r.Files {
			if f.Above {
				continue
			}
			if slices.Contains(f.ConfirmedBy, "go-diskfs") {
				all++
			} else if slices.ContainsFunc(f.NotReadBy, func(r Reader) bool { return r.Name == "go-diskfs" && strings.Contains(r.Reason, errSpared.Error()) }) {
				spared++
			}
		}
		if all+spared != n || all == 0 || spared == 0 {
			t.Errorf("%d files: go-diskfs confirms %d and was spared %d", n, all, spared)
		}
	}
	t.Log(bytes)
	if bytes[1600] > 2*bytes[800] {
		t.Errorf("800 files take %d bytes, twice as many take %d", bytes[800], bytes[1600])
	}
}

func TestWhereThereIsNoOtherReaderItReadsThemAll(t *testing.T) {
	for _, o := range openers {
		if o.rereads {
			withReaders(t, o)
		}
	}
	saved := maxReread
	maxReread = 8 << 20
	t.Cleanup(func() { maxReread = saved })
	c, size, want := many(t, 800)
	r, err := Contents(context.Background(), c, size, want)
	if err != nil || !r.OK() {
		t.Fatal(err, r.Summary())
	}
	for _, f := range r.Files {
		if len(f.ConfirmedBy) != 1 {
			t.Errorf("%s is confirmed by %q", f.Path, f.ConfirmedBy)
		}
	}
}
