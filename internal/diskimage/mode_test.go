package diskimage

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestAnImageIsItsOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	src, _ := sourceFile(t)
	for _, name := range []string{"out.img", "out.img.zst"} {
		dest := filepath.Join(t.TempDir(), name)
		makeImage(t, src, dest, nil)
		info, err := os.Stat(dest)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
	}
}
