// This file holds what the package's tests share: an image with holes, the judges' programs, and a record of progress.

package diskimage

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

const mib = 1 << 20

// holeyImage is 12 MiB and some bytes: random, compressible and zero blocks in turn, larger holes, and a hole at its end.
func holeyImage() []byte {
	rnd := rand.NewChaCha8([32]byte{1})
	b := make([]byte, 12*mib+1000)
	rnd.Read(b[0 : 512*1024])
	copy(b[2*mib:], strings.Repeat("let the first boot be boring. ", 30000))
	rnd.Read(b[3*mib+4096 : 3*mib+8192])
	for off := 4 * mib; off < 5*mib; off += 2 * holeBlock {
		rnd.Read(b[off : off+holeBlock])
	}
	rnd.Read(b[8*mib+100 : 8*mib+200]) // not aligned
	b[10*mib-1] = 1                    // the last byte of a block
	return b
}

// writeSparseFile writes b with holes where it has zeros.
func writeSparseFile(t testing.TB, path string, b []byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := writeSparse(f, b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		t.Fatal(err)
	}
}

// sh runs a shell command in dir and returns its output.
func sh(t testing.TB, dir, command string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", command)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// sources are ways to store an image: a command that makes $2 of $1, and the tools it needs.
var sources = []struct {
	name    string
	format  Format
	command string
	tools   []string
}{
	{"raw", Raw, `cp --sparse=always "$1" "$2"`, nil},
	{"zstd", Zstd, `zstd -q -c "$1" >"$2"`, []string{"zstd"}},
	{"zstd -19 --long=27", Zstd, `zstd -q -10 --long=27 -c "$1" >"$2"`, []string{"zstd"}},
	{"zstd --ultra --long=31", Zstd, `zstd -q -3 --long=31 -c "$1" >"$2"`, []string{"zstd"}},
	{"zstd of unknown length without a checksum", Zstd, `zstd -q --no-check -c <"$1" >"$2"`, []string{"zstd"}},
	{"zstd on several threads", Zstd, `zstd -q -T2 -c "$1" >"$2"`, []string{"zstd"}},
	{"several zstd frames", Zstd, `head -c 5000000 "$1" | zstd -q -c >"$2"; tail -c +5000001 "$1" | zstd -q -c >>"$2"`, []string{"zstd"}},
	{"zstd behind and between skippable frames", Zstd, `
		skip() { printf '\120\052\115\030\005\000\000\000hello'; }
		{ skip; skip; head -c 5000000 "$1" | zstd -q -c; skip; tail -c +5000001 "$1" | zstd -q -c; skip; } >"$2"`, []string{"zstd"}},
	{"xz", XZ, `xz -1 -c "$1" >"$2"`, []string{"xz"}},
	{"xz in blocks with SHA-256", XZ, `xz -0 -T2 --block-size=1MiB --check=sha256 -c "$1" >"$2"`, []string{"xz"}},
	{"xz with CRC32", XZ, `xz -0 --check=crc32 -c "$1" >"$2"`, []string{"xz"}},
	{"xz with a BCJ filter", XZ, `xz --x86 --lzma2=preset=0 -c "$1" >"$2"`, []string{"xz"}},
	{"several xz streams with padding", XZ, `{ head -c 5000000 "$1" | xz -0 -c; printf '\0\0\0\0'; tail -c +5000001 "$1" | xz -0 -c; printf '\0\0\0\0\0\0\0\0'; } >"$2"`, []string{"xz"}},
	{"gzip", Gzip, `gzip -1 -c "$1" >"$2"`, []string{"gzip"}},
	{"several gzip members and zeros behind them", Gzip, `{ head -c 5000000 "$1" | gzip -1 -c; tail -c +5000001 "$1" | gzip -1 -c; head -c 10000 /dev/zero; } >"$2"`, []string{"gzip"}},
	{"bzip2", Bzip2, `bzip2 -1 -c "$1" >"$2"`, []string{"bzip2"}},
	{"several bzip2 streams", Bzip2, `{ head -c 5000000 "$1" | bzip2 -1 -c; tail -c +5000001 "$1" | bzip2 -9 -c; } >"$2"`, []string{"bzip2"}},
}

// store makes the file that a source's command makes of b.
func store(t testing.TB, b []byte, command string, tools []string) string {
	t.Helper()
	testimage.Require(t, tools...)
	dir := t.TempDir()
	raw, path := filepath.Join(dir, "raw"), filepath.Join(dir, "image.dat")
	writeSparseFile(t, raw, b)
	cmd := exec.Command("sh", "-ec", command, "sh", raw, path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	if err := os.Remove(raw); err != nil {
		t.Fatal(err)
	}
	return path
}

// allocated is what a file takes on the disk, in bytes, as du sees it.
func allocated(t testing.TB, path string) int64 {
	t.Helper()
	var n int64
	for _, c := range strings.Fields(sh(t, ".", "du -B1 "+path))[0] {
		n = n*10 + int64(c-'0')
	}
	return n
}

// recorder is a Progress that remembers.
type recorder struct {
	steps []step
	hook  func()
}

type step struct {
	Name        string
	Total, Done int64
	Ended       bool
}

func (r *recorder) Start(name string, total int64) {
	r.steps = append(r.steps, step{Name: name, Total: total})
}
func (r *recorder) Add(n int64) {
	r.steps[len(r.steps)-1].Done += n
	if r.hook != nil {
		r.hook()
	}
}
func (r *recorder) Done() { r.steps[len(r.steps)-1].Ended = true }

// names lists a directory.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	slices.Sort(all)
	return all
}

// make fills and commits dest.
func makeImage(t testing.TB, src, dest string, p Progress) {
	t.Helper()
	o, err := Create(dest, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Fill(context.Background(), src, p); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if err := o.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
}

func readAll(t testing.TB, i *Image) []byte {
	t.Helper()
	b := make([]byte, i.Size())
	if n, err := i.ReadAt(b, 0); n != len(b) || err != nil && err != io.EOF {
		t.Fatalf("ReadAt = %d, %v", n, err)
	}
	return b
}

func sameBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d bytes, want %d", what, len(got), len(want))
	}
	if !bytes.Equal(got, want) {
		i := 0
		for got[i] == want[i] {
			i++
		}
		t.Fatalf("%s differs from byte %d on", what, i)
	}
}
