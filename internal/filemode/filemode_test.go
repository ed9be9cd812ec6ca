package filemode

import (
	"io/fs"
	"os"
	"testing"
)

func TestEveryModeTranslatesBothWays(t *testing.T) {
	for bits := range uint32(0o10000) {
		if got := ToUnix(FromUnix(bits)); got != bits {
			t.Fatalf("%04o became %04o", bits, got)
		}
		if FromUnix(bits)&^Permissions != 0 {
			t.Fatalf("%04o has other bits", bits)
		}
	}
	if got := Octal(0o755 | fs.ModeSetgid); got != "2755" {
		t.Error(got)
	}
}

func TestKind(t *testing.T) {
	for path, want := range map[string]string{os.TempDir(): "directory", os.Args[0]: "regular file"} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := Kind(info.Mode()); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for m, want := range map[fs.FileMode]string{fs.ModeSymlink: "symbolic link", fs.ModeNamedPipe: "named pipe", fs.ModeSocket: "socket",
		fs.ModeDevice | fs.ModeCharDevice: "character device", fs.ModeDevice: "block device", fs.ModeIrregular: "file of unknown type"} {
		if got := Kind(m); got != want {
			t.Errorf("%v: %s, want %s", m, got, want)
		}
	}
	for m, want := range map[fs.FileMode]string{0: "file", fs.ModeDir: "directory", fs.ModeSymlink: "symlink", fs.ModeNamedPipe: "fifo",
		fs.ModeSocket: "socket", fs.ModeDevice: "block-device", fs.ModeIrregular: "unknown"} {
		if got := Word(m); got != want {
			t.Errorf("%v: %s, want %s", m, got, want)
		}
	}
}
