// A compressed image that is cut short, changed or followed by something else is an error, never a shorter image.

package diskimage

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallImage is small enough to be unpacked a thousand times.
func smallImage() []byte {
	return append(holeyImage()[2*mib-10000:2*mib+60000], holeyImage()[:30000]...)
}

// unpackBytes is what Fill does with these bytes.
func unpackBytes(t *testing.T, dir string, b []byte) ([]byte, error) {
	t.Helper()
	src, dest := filepath.Join(dir, "damaged.dat"), filepath.Join(dir, "out.img")
	if err := os.WriteFile(src, b, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := Create(dest, false)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if err := o.Fill(context.Background(), src, nil); err != nil {
		if len(names(t, dir)) != 1 {
			t.Errorf("files after the error: %q", names(t, dir))
		}
		return nil, err
	}
	got := make([]byte, o.Size())
	if _, err := o.Section(0, o.Size()).ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	return got, nil
}

func TestATruncatedStreamIsAnError(t *testing.T) {
	want := smallImage()
	for _, tt := range sources {
		if tt.format == Raw {
			continue
		}
		if strings.Contains(tt.command, "5000000") {
			tt.command = strings.ReplaceAll(strings.ReplaceAll(tt.command, "5000000", "50000"), "5000001", "50001")
		}
		t.Run(tt.name, func(t *testing.T) {
			whole, err := os.ReadFile(store(t, want, tt.command, tt.tools))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if got, err := unpackBytes(t, dir, whole); err != nil {
				t.Fatalf("the whole stream: %v", err)
			} else {
				sameBytes(t, "the whole stream", got, want)
			}
			step := max(len(whole)/16, 1)
			for n := 10; n < len(whole); n += step {
				checkCut(t, dir, whole[:n], want)
			}
			for n := max(10, len(whole)-14); n < len(whole); n++ {
				if n > len(whole)-8 && strings.Contains(tt.name, "padding") {
					continue // odd padding is damage of another kind
				}
				checkCut(t, dir, whole[:n], want)
			}
		})
	}
}

// checkCut: an error that says truncated, unless the cut is between streams, or in zeros behind them. Then what is there is
// whole as far as anybody can tell; the partition table will show that the image is not.
func checkCut(t *testing.T, dir string, cut, want []byte) {
	t.Helper()
	got, err := unpackBytes(t, dir, cut)
	if err == nil {
		if len(got) == 50000 || len(got) == len(want) {
			sameBytes(t, "a stream cut behind its first part", got, want[:len(got)])
			return
		}
		t.Errorf("cut to %d bytes: no error, %d bytes came out", len(cut), len(got))
		return
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "truncated") ||
		!strings.Contains(err.Error(), "damaged.dat") || strings.Contains(err.Error(), "\n") {
		t.Errorf("cut to %d bytes: %v; want one line that names the file and says truncated", len(cut), err)
	}
}

func TestAFlippedByteIsAnError(t *testing.T) {
	want := smallImage()
	for _, tt := range sources {
		// Without a checksum a changed literal is a literal.
		if tt.format == Raw || strings.Contains(tt.name, "without a checksum") {
			continue
		}
		if strings.Contains(tt.command, "5000000") {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			whole, err := os.ReadFile(store(t, want, tt.command, tt.tools))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			unharmed := 0
			for i := 12; i < len(whole); i += max(len(whole)/40, 1) {
				whole[i] ^= 0x40
				got, err := unpackBytes(t, dir, whole)
				whole[i] ^= 0x40
				if err == nil {
					// A few bits of these formats mean nothing.
					sameBytes(t, "an unharmed stream", got, want)
					unharmed++
				} else if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "damaged.dat") {
					t.Errorf("byte %d flipped: %v; want an ErrDamaged that names the file", i, err)
				}
			}
			if unharmed > 3 {
				t.Errorf("%d of 40 flipped bytes had no consequence", unharmed)
			}
		})
	}
}

func TestBytesBehindTheStreamAreAnError(t *testing.T) {
	for _, tt := range sources {
		if tt.format == Raw {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			whole, err := os.ReadFile(store(t, smallImage(), tt.command, tt.tools))
			if err != nil {
				t.Fatal(err)
			}
			for _, garbage := range []string{"garbage, and more of it than any header is long", "garbage", "gar\x00", "g", "\xff\xff", "\n"} {
				if tt.format == Zstd && len(garbage) < 4 || tt.format == Bzip2 && len(garbage) < 2 {
					continue // the library takes so few bytes for a stream that is cut
				}
				_, err = unpackBytes(t, t.TempDir(), append(whole[:len(whole):len(whole)], garbage...))
				if !errors.Is(err, ErrDamaged) || errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "followed by") {
					t.Errorf("%q: error %v, want one that says what follows the stream", garbage, err)
				}
			}
		})
	}
}

// TestAGzipHeaderThatTheLibraryDoesNotKnow: what the library says of it means something else behind a member.
func TestAGzipHeaderThatTheLibraryDoesNotKnow(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name = strings.Repeat("n", 600)
	if _, err := w.Write(smallImage()); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if _, err := unpackBytes(t, t.TempDir(), b.Bytes()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "header") || strings.Contains(err.Error(), "followed by") {
		t.Errorf("%v, want one about the header", err)
	}
}

func TestAnXZFilterThatTheLibraryDoesNotKnow(t *testing.T) {
	b, err := os.ReadFile(store(t, smallImage(), `xz --arm64 --lzma2=preset=0 -c "$1" >"$2"`, []string{"xz"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unpackBytes(t, t.TempDir(), b); err == nil || !strings.Contains(err.Error(), "not supported") || strings.Contains(err.Error(), "damaged:") {
		t.Errorf("%v, want one about the filter", err)
	}
}

// TestAHeaderThatIsCutBehindTheStreamIsATruncation: the bytes that a next stream would begin with are no garbage, however few they are.
func TestAHeaderThatIsCutBehindTheStreamIsATruncation(t *testing.T) {
	for _, tt := range sources {
		if tt.name != "xz" && tt.name != "gzip" {
			continue
		}
		whole, err := os.ReadFile(store(t, smallImage(), tt.command, tt.tools))
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n < 10; n++ {
			_, err := unpackBytes(t, t.TempDir(), append(whole[:len(whole):len(whole)], whole[:n]...))
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "truncated") {
				t.Errorf("%s, and %d bytes of another: %v", tt.name, n, err)
			}
		}
	}
}

// peakMemory is how much memory this process had at most since resetPeak, in KiB (Linux: VmHWM).
func peakMemory(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("the peak of memory is known on Linux only: %v", err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

func resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("the peak of memory cannot be reset: %v", err)
	}
}

func TestAStatedWindowCostsNoMemoryByItself(t *testing.T) {
	stated := map[string]string{
		// Window descriptor 21<<3: 2 GiB; then one RLE block of 10 bytes.
		"a zstd frame of 2 GiB":   "\x28\xb5\x2f\xfd\x00\xa8\x53\x00\x00a",
		"a zstd frame of 136 MiB": "\x28\xb5\x2f\xfd\x00\x89\x53\x00\x00a",
		// The largest window of the format, 3.75 TiB.
		"a zstd frame beyond the limit": "\x28\xb5\x2f\xfd\x00\xff\x53\x00\x00a",
		// Single segment, 60 GiB.
		"a zstd frame in a single segment": "\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x0f\x00\x00\x00\x53\x00\x00a",
	}
	for name, b := range stated {
		t.Run(name, func(t *testing.T) {
			resetPeak(t)
			before := peakMemory(t)
			got, err := unpackBytes(t, t.TempDir(), []byte(b))
			used := peakMemory(t) - before
			t.Logf("%d bytes, %v, %d KiB", len(got), err, used)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "memory") {
				t.Errorf("unpacked to %q, %v; want an error", got, err)
			}
			if used > 64<<10 {
				t.Errorf("a stream of %d bytes took %d KiB", len(b), used)
			}
		})
	}
}
