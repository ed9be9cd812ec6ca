package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// A kernel that replays a log has the journal's inode in memory as it was before, and does not let files have its blocks.
func TestWhatACutLeavesFreeTheKernelCanGiveToFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	for _, c := range largeCuts {
		if c.name != "as mke2fs makes them" && !strings.HasPrefix(c.name, "indirect blocks") && c.name != "clusters of 8 blocks" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, path, outcomes := recordLarge(t, c.o, 1150)
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 0))
			for i, n := range r.syncs {
				torn := i%2 == 1
				what := fmt.Sprintf("cut at write %d of %v, torn=%v (seed %d)", n, r.syncs, torn, seed)
				b := r.image(n, func(int) bool { return true })
				if torn {
					b = r.tornSince(r.durable(n-1), n, random)
				}
				writeImage(t, path, b)
				before := featuresAndState(t, path)
				dir := testimage.MountRW(t, path, 0)
				fillUp(t, dir)
				testimage.Unmount(t, dir)
				if state := featuresAndState(t, path); strings.Contains(state, "error") {
					t.Errorf("%s: before:\n%s\nafter:\n%s", what, before, state)
				}
				if err := testimage.FsckErr(path, 0); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				dir = testimage.MountRW(t, path, 0)
				mustDo(t, os.RemoveAll(filepath.Join(dir, "filling")))
				testimage.Unmount(t, dir)
				if got := treeForCuts(t, path); !cmp.Equal(got, outcomes["nothing"]) && !cmp.Equal(got, outcomes["all"]) {
					t.Errorf("%s: neither all nor nothing:\n%.2000s", what, cmp.Diff(outcomes["all"], got))
				}
			}
		})
	}
}

func featuresAndState(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("dumpe2fs", "-h", path).CombinedOutput()
	mustDo(t, err)
	var lines []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Filesystem state") || strings.HasPrefix(line, "FS Error") || strings.HasPrefix(line, "First error") || strings.HasPrefix(line, "Free blocks") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// fillUp gives every free block to a file. A kernel that may not use some of what is free would try for ever.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	mustDo(t, os.Mkdir(filepath.Join(dir, "filling"), 0o755))
	f, err := os.Create(filepath.Join(dir, "filling", "file"))
	mustDo(t, err)
	var free syscall.Statfs_t
	mustDo(t, syscall.Statfs(dir, &free))
	b := bytes.Repeat([]byte("filling "), 8<<10)
	for left := int64(free.Bfree) * free.Bsize; err == nil && left > 0; left -= int64(len(b)) {
		_, err = f.Write(b)
	}
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("filling: %v", err)
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("filling: sync: %v", err)
	}
	mustDo(t, f.Close())
}
