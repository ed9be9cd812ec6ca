package testimage

// Compressed images, by the programs that image builds call.

import (
	"path/filepath"
	"testing"
)

// compressors are the tools by the ending they give a file; each keeps its
// input and overwrites its output.
var compressors = map[string][]string{
	"zst": {"zstd", "-q", "-f", "-k", "-3"},
	"xz":  {"xz", "-f", "-k", "-1"},
	"gz":  {"gzip", "-f", "-k", "-1"},
	"bz2": {"bzip2", "-f", "-k", "-1"},
}

// Compress writes path's compressed form beside it, as path.FORMAT, and returns
// that path. The formats are "zst", "xz", "gz" and "bz2".
func Compress(tb testing.TB, path, format string) string {
	tb.Helper()
	c, ok := compressors[format]
	if !ok {
		tb.Fatalf("no such compression: %q", format)
	}
	Require(tb, c[0])
	if _, err := run("", c[0], append(append([]string{}, c[1:]...), filepath.Clean(path))); err != nil {
		tb.Fatal(err)
	}
	return path + "." + format
}
