// What verifying costs: three files, whatever the size of the image around them.

package verify

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"boringboot/internal/manifest"
	"boringboot/internal/testimage"
)

// counting counts what is read.
type counting struct {
	r     io.ReaderAt
	bytes int64
	reads int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += int64(len(p))
	c.reads++
	return c.r.ReadAt(p, off)
}

// sized makes an image of the default three files.
func sized(tb testing.TB, size int64) (*os.File, int64, []manifest.Entry) {
	want := standard(tb)[:3]
	f, n := openImage(tb, image(tb, testimage.Options{StorePaths: -1, Size: size, Inodes: int(size >> 14)}, want))
	return f, n, want
}

var sizes = []struct {
	name string
	size int64
}{{"32MiB", 32 << 20}, {"3GiB", 3 << 30}}

// orphanFile is the size of the file that the kernel reads when it mounts, and the audit with it, in bytes. mke2fs makes it larger on
// a larger disk, up to 512 blocks.
func orphanFile(tb testing.TB, path string) (size int64) {
	tb.Helper()
	out := testimage.Debugfs(tb, path, 0, "stat <12>")
	_, after, ok := strings.Cut(out, "Size: ")
	if _, err := fmt.Sscan(after, &size); err != nil || !ok || size > 512*4096 {
		tb.Fatalf("%v\n%s", err, out)
	}
	return size
}

// The bytes that are read grow by the group descriptors alone: 64 bytes for each 128 MiB, for the audit and for each reader that reads
// them all.
func TestWhatIsReadDoesNotDependOnTheImagesSize(t *testing.T) {
	for _, o := range openers {
		t.Run(o.name, func(t *testing.T) {
			withReaders(t, o)
			var read [2]int64
			for i, s := range sizes {
				f, n, want := sized(t, s.size)
				c := &counting{r: f}
				r, err := Contents(context.Background(), c, n, want)
				if err != nil || !r.OK() {
					t.Fatal(err, r)
				}
				read[i] = c.bytes - orphanFile(t, f.Name())
				t.Logf("%s: %d bytes in %d reads", s.name, c.bytes, c.reads)
			}
			if groups := sizes[1].size >> 27; read[1]-read[0] > 2*64*groups+4096 {
				t.Errorf("%d bytes of %s, %d bytes of %s", read[0], sizes[0].name, read[1], sizes[1].name)
			}
			if read[1] > 512<<10 {
				t.Errorf("%d bytes for three files", read[1])
			}
		})
	}
}

func BenchmarkContents(b *testing.B) {
	for _, s := range sizes {
		f, n, want := sized(b, s.size)
		all := openers
		for _, o := range append([]opener{{name: "all"}}, all...) {
			b.Run(s.name+"/"+o.name, func(b *testing.B) {
				if o.open != nil {
					openers = []opener{o}
					defer func() { openers = all }()
				}
				b.ReportAllocs()
				for b.Loop() {
					if r, err := Contents(context.Background(), f, n, want); err != nil || !r.OK() {
						b.Fatal(err, r)
					}
				}
			})
		}
	}
}

// A directory of many wanted files must not cost one library its budget: some read the whole way again for each of them.
func TestManyFilesInOneDirectoryAreConfirmedByAll(t *testing.T) {
	const n = 1500
	path := testimage.Ext4(t, hashed(testimage.ProfileNamed("linear-4k"), n))
	var want []manifest.Entry
	for i := range n {
		want = append(want, file(fmt.Sprintf("/hashed/name-%05d", i), []byte(fmt.Sprint("content ", i))))
	}
	start := time.Now()
	r := contents(t, path, want)
	t.Logf("%d files: %v", n, time.Since(start))
	expectConfirmed(t, "Contents", r, all3, nil)
}
