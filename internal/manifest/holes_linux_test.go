package manifest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAFilesHolesAreKnown(t *testing.T) {
	const mib = 1 << 20
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{mib, 5 * mib} {
		if _, err := f.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(9 * mib); err != nil {
		t.Fatal(err)
	}
	ranges := func() (list [][2]int64, err error) {
		c, err := OpenFile(path)
		if err != nil {
			return nil, err
		}
		for off := int64(0); ; {
			start, end, err := c.NextData(off)
			if errors.Is(err, io.EOF) {
				return list, nil
			}
			if err != nil {
				return nil, err
			}
			if end <= off || start < off || len(list) > 10 {
				t.Fatalf("data behind %d: from %d up to %d", off, start, end)
			}
			list = append(list, [2]int64{start, end})
			off = end
		}
	}
	got, err := ranges()
	if err != nil {
		t.Fatal(err)
	}
	// How large the pieces are is the file system's choice.
	for i := range got {
		got[i] = [2]int64{got[i][0] / mib, (got[i][1] - 1) / mib}
	}
	if diff := cmp.Diff([][2]int64{{1, 1}, {5, 5}}, got); diff != "" {
		t.Errorf("data, in MiB (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(path, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = ranges(); err != nil || !cmp.Equal(got, [][2]int64{{0, mib}}) {
		t.Errorf("a file without holes has data %v, %v", got, err)
	}
	c, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 5*mib); err != nil {
		t.Fatal(err)
	}
	c.info = statOf(t, path)
	if err := os.Truncate(path, 4*mib); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.NextData(0); err == nil {
		t.Error("the file changed, and that is no error")
	}
}

func statOf(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
