package diskimage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASecondRunIsKeptOut(t *testing.T) {
	src, _ := sourceFile(t)
	link := filepath.Join(t.TempDir(), "link.img")
	if err := os.Symlink(src, link); err != nil {
		t.Fatal(err)
	}
	fill := func() error {
		o, err := Create(filepath.Join(t.TempDir(), "out.img"), false)
		if err != nil {
			return err
		}
		defer o.Abort()
		return o.Fill(context.Background(), src, nil)
	}
	writer, err := OpenInPlace(src)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenInPlace(link); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), link) {
		t.Errorf("a second writer: %v, want ErrInUse", err)
	}
	if _, err := Open(context.Background(), src, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a reader beside a writer: %v, want ErrInUse", err)
	}
	if err := fill(); !errors.Is(err, ErrInUse) {
		t.Errorf("a copy beside a writer: %v, want ErrInUse", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}

	reader, err := Open(context.Background(), src, nil)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	defer reader.Close()
	second, err := Open(context.Background(), src, nil)
	if err != nil {
		t.Fatalf("a second reader: %v", err)
	}
	defer second.Close()
	if err := fill(); err != nil {
		t.Errorf("a copy beside a reader: %v", err)
	}
	if _, err := OpenInPlace(src); !errors.Is(err, ErrInUse) {
		t.Errorf("a writer beside a reader: %v, want ErrInUse", err)
	}
}

func TestWhatIsWrittenInPlaceIsInTheFile(t *testing.T) {
	src, want := sourceFile(t)
	link := filepath.Join(t.TempDir(), "link.img")
	if err := os.Symlink(src, link); err != nil {
		t.Fatal(err)
	}
	i, err := OpenInPlace(link)
	if err != nil {
		t.Fatal(err)
	}
	s := i.Section(mib, 4096)
	if _, err := s.WriteAt([]byte("here"), 4092); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	copy(want[mib+4092:], "here")
	sameBytes(t, "the file", readFile(t, src), want)
}

func TestWhatIsNoRawFileIsNotChangedInPlace(t *testing.T) {
	dir := t.TempDir()
	sh(t, dir, "mkfifo fifo; mkdir sub; printf '\\050\\265\\057\\375\\004\\000' >image.img")
	tests := []struct {
		name, path string
		is         error
		says       string
	}{
		{"a compressed image", filepath.Join(dir, "image.img"), ErrCompressed, "compressed with zstd"},
		{"a directory", filepath.Join(dir, "sub"), nil, "a directory"},
		{"a named pipe", filepath.Join(dir, "fifo"), nil, "a named pipe"},
		{"a device", "/dev/null", nil, "a character device"},
		{"nothing", filepath.Join(dir, "none"), fs.ErrNotExist, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := OpenInPlace(tt.path)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("OpenInPlace = %v, want %q", err, tt.says)
			}
			if tt.is == ErrCompressed {
				return
			}
			if _, err := Open(context.Background(), tt.path, nil); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Open = %v, want %q", err, tt.says)
			}
		})
	}
}

func TestASpoolHoldsNothingReadableAndHasNoName(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	marker := []byte("-----BEGIN OPENSSH PRIVATE KEY-----")
	b := holeyImage()
	copy(b[5*mib+1234:], marker)
	copy(b[len(b)-len(marker):], marker)
	img, err := Open(context.Background(), store(t, b, `gzip -1 -c "$1" >"$2"`, []string{"gzip"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if left := names(t, tmp); len(left) != 0 {
		t.Errorf("the spool has a name: %q", left)
	}
	stored := make([]byte, img.Size())
	if _, err := img.spool.file.ReadAt(stored, 0); err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{marker, []byte("OPENSSH"), []byte("let the first boot be boring")} {
		if bytes.Contains(stored, secret) {
			t.Errorf("the spool holds %q", secret)
		}
	}
	if bytes.Equal(stored, b) || isZero(stored[5*mib:5*mib+holeBlock]) {
		t.Error("the spool does not hold what was looked for: the test looks at the wrong bytes")
	}
	sameBytes(t, "the image", readAll(t, img), b)

	second, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first := make([]byte, 64)
	img.spool.crypt(first, make([]byte, 64), 0)
	other := make([]byte, 64)
	second.crypt(other, make([]byte, 64), 0)
	if bytes.Equal(first, other) {
		t.Error("two spools share a key stream")
	}
}

func TestASpoolReadsAnyPieceOfWhatWasWritten(t *testing.T) {
	s, err := newSpool()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const n = 300 * holeBlock // several words of the bitmap
	want := make([]byte, n+77)
	for i := range want {
		if block := i / holeBlock; block%7 < 3 || block > 130 && block < 280 && block%97 != 0 {
			want[i] = byte(i*7 + block)
		}
	}
	want[n+76] = 9
	if err := writeSparse(s, want, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.setSize(int64(len(want))); err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(want); off += 1013 {
		for _, n := range []int{1, 15, 16, 17, 4096, 8192, 300000} {
			b := bytes.Repeat([]byte{0xee}, n)
			got, err := s.ReadAt(b, int64(off))
			end := min(off+n, len(want))
			if got != end-off || !bytes.Equal(b[:got], want[off:end]) || (err == io.EOF) != (off+n > len(want)) {
				t.Fatalf("ReadAt(%d bytes, %d) = %d, %v: wrong bytes", n, off, got, err)
			}
		}
	}
}

func TestASectionKeepsToItsBytes(t *testing.T) {
	src, want := sourceFile(t)
	i, err := OpenInPlace(src)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	size := i.Size()
	for _, r := range [][2]int64{{-1, 10}, {0, -1}, {0, size + 1}, {size, 1}, {size + 1, 0}, {1, math.MaxInt64}, {math.MaxInt64, 1}} {
		s := i.Section(r[0], r[1])
		if _, err := s.ReadAt(make([]byte, 1), 0); err == nil || err == io.EOF {
			t.Errorf("Section(%d, %d): ReadAt = %v, want an error", r[0], r[1], err)
		}
		if _, err := s.WriteAt(make([]byte, 1), 0); err == nil {
			t.Errorf("Section(%d, %d): WriteAt succeeded", r[0], r[1])
		}
		if err := s.Sync(); err == nil {
			t.Errorf("Section(%d, %d): Sync succeeded", r[0], r[1])
		}
	}
	s := i.Section(mib, 100)
	for _, w := range []struct{ n, off int64 }{{1, 100}, {101, 0}, {2, 99}, {1, -1}, {1, math.MaxInt64}, {0, 101}} {
		if n, err := s.WriteAt(bytes.Repeat([]byte{1}, int(w.n)), w.off); n != 0 || err == nil {
			t.Errorf("WriteAt(%d bytes, %d) = %d, %v, want an error", w.n, w.off, n, err)
		}
	}
	for _, r := range []struct {
		n, off int64
		want   int
		err    error
	}{{100, 0, 100, nil}, {101, 0, 100, io.EOF}, {10, 95, 5, io.EOF}, {1, 100, 0, io.EOF}, {0, 100, 0, nil}, {1, math.MaxInt64, 0, io.EOF}} {
		if n, err := s.ReadAt(make([]byte, r.n), r.off); n != r.want || err != r.err {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v, want %d, %v", r.n, r.off, n, err, r.want, r.err)
		}
	}
	if _, err := s.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("ReadAt before the start: %v", err)
	}
	sameBytes(t, "the file", readFile(t, src), want)

	if err := os.Truncate(src, mib+50); err != nil {
		t.Fatal(err)
	}
	if n, err := s.ReadAt(make([]byte, 100), 0); n != 50 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ReadAt of a file that became shorter = %d, %v, want 50, io.ErrUnexpectedEOF", n, err)
	}
}
