// Images as zstd, xz, gzip and bzip2 make them are read and copied byte for byte, and their holes stay holes.

package diskimage

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEverySourceReadsAndCopiesByteForByte(t *testing.T) {
	want := holeyImage()
	for _, tt := range sources {
		t.Run(tt.name, func(t *testing.T) {
			src := store(t, want, tt.command, tt.tools)
			srcInfo, err := os.Stat(src)
			if err != nil {
				t.Fatal(err)
			}

			var seen recorder
			img, err := Open(context.Background(), src, &seen)
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			if img.Format() != tt.format || img.Size() != int64(len(want)) {
				t.Errorf("format %s, size %d; want %s, %d", img.Format(), img.Size(), tt.format, len(want))
			}
			sameBytes(t, "the opened image", readAll(t, img), want)
			readRandomly(t, img, want)
			if _, err := img.Section(0, 4096).WriteAt([]byte("x"), 0); err == nil {
				t.Error("an image that was opened to read was written")
			}

			dir := t.TempDir()
			dest := filepath.Join(dir, "out.img")
			makeImage(t, src, dest, &seen)
			got, err := os.ReadFile(dest)
			if err != nil {
				t.Fatal(err)
			}
			sameBytes(t, "the copy", got, want)
			if n := allocated(t, dest); n > 3*mib {
				t.Errorf("the copy takes %d bytes on the disk, want the holes left out", n)
			}
			if diff := cmp.Diff([]string{"out.img"}, names(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}

			wantSteps := []step{{"copying image.dat", int64(len(want)), int64(len(want)), true}}
			if tt.format != Raw {
				n := srcInfo.Size()
				wantSteps = []step{{"unpacking image.dat", n, n, true}, {"unpacking image.dat", n, n, true}}
			}
			if diff := cmp.Diff(wantSteps, seen.steps); diff != "" {
				t.Errorf("progress (-want +got):\n%s", diff)
			}
		})
	}
}

// readRandomly reads pieces of any length at any place, as a file system does.
func readRandomly(t *testing.T, img *Image, want []byte) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		off := rnd.Int64N(int64(len(want)))
		n := rnd.Int64N(9000)
		end := min(off+n, int64(len(want)))
		b := make([]byte, n)
		got, err := img.ReadAt(b, off)
		if int64(got) != end-off || !bytes.Equal(b[:got], want[off:end]) {
			t.Fatalf("ReadAt(%d bytes, %d) = %d, %v: wrong bytes", n, off, got, err)
		}
		if wantEOF := off+n > int64(len(want)); (err == io.EOF) != wantEOF || err != nil && err != io.EOF {
			t.Fatalf("ReadAt(%d bytes, %d): error %v", n, off, err)
		}
	}
}
