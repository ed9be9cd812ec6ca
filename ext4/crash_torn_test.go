package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

const sector = 512 // bytes that a device writes whole or not at all

// torn is what the device holds when power goes after n writes: what was synced, and of the rest any of their sectors.
func (r *recorder) torn(n int, random *rand.Rand) []byte {
	return r.tornSince(r.durable(n), n, random)
}

// tornSince is torn for when the writes before durable are on the device.
func (r *recorder) tornSince(durable, n int, random *rand.Rand) []byte {
	b := r.image(durable, func(int) bool { return true })
	rest := slices.Clone(r.log[durable:n])
	random.Shuffle(len(rest), func(i, k int) { rest[i], rest[k] = rest[k], rest[i] })
	for _, w := range rest {
		share := random.IntN(3) // of three: nothing, about half, all
		for at := 0; at < len(w.data); at += sector {
			if share == 2 || share == 1 && random.IntN(2) == 0 {
				copy(b[w.off+int64(at):], w.data[at:min(at+sector, len(w.data))])
			}
		}
	}
	return b
}

// tornAt is what it holds when power goes in write n, the others having been done: its first sectors are there.
func (r *recorder) tornAt(n, sectors int) []byte {
	b := r.image(n-1, func(int) bool { return true })
	w := r.log[n-1]
	copy(b[w.off:], w.data[:min(sectors*sector, len(w.data))])
	return b
}

// tornBefore is what it holds when of two writes that nothing orders the second is there and the first in part.
func (r *recorder) tornBefore(n, sectors int) []byte {
	b := r.tornAt(n-1, sectors)
	w := r.log[n-1]
	copy(b[w.off:], w.data)
	return b
}

// judged has somebody recover an image, and e2fsck look at it.
func judged(path, by string) error {
	var cmd *exec.Cmd
	switch by {
	case "we":
		if err := recoverImage(path); err != nil {
			return err
		}
		return testimage.FsckErr(path, 0)
	case "e2fsck -p":
		cmd = exec.Command("e2fsck", "-p", path)
	case "kernel", "kernel, reading only": // which replays the log, too
		options := "rw,noinit_itable"
		if by != "kernel" {
			options = "ro"
		}
		cmd = exec.Command("sh", "-c", `d=$(mktemp -d) && l=$(losetup -f --show "$0") && { mount -t ext4 -o $1 $l $d && umount $d; s=$?; losetup -d $l; rmdir $d; exit $s; }`, path, options)
	default:
		return fmt.Errorf("no such judge: %s", by)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if by == "e2fsck -p" && errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil // something was corrected, and all is well
	}
	if bytes.Contains(out, []byte("journal has been deleted")) { // with what was in it
		err = errors.New("the journal was not found")
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", by, err, out)
	}
	return testimage.FsckErr(path, 0)
}

// recoverImage is our own recovery.
func recoverImage(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fsys, err := Open(fileDevice{f})
	if err != nil {
		return err
	}
	return fsys.Recover(AcceptRisk())
}

// treeForCuts is what the kernel reads, without what a replay does not bring back.
func treeForCuts(t *testing.T, path string) map[string]testimage.Node {
	t.Helper()
	return withoutTimesOfDirectories(fullTree(t, path))
}

// cutEverywhere has everything that can be left of a recording looked at, in turn by those who recover it. outcomes are the trees
// that are allowed, by name.
func cutEverywhere(t *testing.T, r *recorder, path string, outcomes map[string]map[string]testimage.Node, last string, who ...string) {
	t.Helper()
	cutSome(t, r, path, len(r.log)+1, outcomes, last, who...)
}

// cutSome is cutEverywhere for so many cuts besides those around each sync, each in one of the ways.
func cutSome(t *testing.T, r *recorder, path string, most int, outcomes map[string]map[string]testimage.Node, last string, who ...string) {
	t.Helper()
	testimage.RequireRoot(t)
	testimage.Require(t, "e2fsck", "losetup", "mount")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]int{}
	try := func(what, by string, b []byte, must string) {
		writeImage(t, path, b)
		if err := judged(path, by); err != nil {
			t.Errorf("%s, then %s (seed %d): %v", what, by, seed, err)
			return
		}
		got := treeForCuts(t, path)
		for name, tree := range outcomes {
			if cmp.Equal(got, tree) {
				seen[name]++
				if must != "" && name != must {
					t.Errorf("%s, then %s (seed %d): %s, want %s", what, by, seed, name, must)
				}
				return
			}
		}
		t.Errorf("%s, then %s (seed %d): none of %v; from %s:\n%s", what, by, seed, slices.Collect(maps.Keys(outcomes)), last, cmp.Diff(outcomes[last], got))
	}
	places := cutPlaces(r, most, random)
	for i, n := range places {
		must := ""
		if n == len(r.log) {
			must = last
		}
		if r.durable(n) == n { // nothing is in flight any more; or all of it still is, if the sync did not come to its end
			if n > 0 && r.durable(n-1) < n {
				for _, by := range who {
					try(fmt.Sprintf("cut in the sync after write %d of %d", n, len(r.log)), by, r.tornSince(r.durable(n-1), n, random), "")
				}
				if n-r.durable(n-1) == 2 {
					for _, by := range who {
						try(fmt.Sprintf("cut in the sync after write %d of %d, of the one before the first sector", n, len(r.log)), by, r.tornBefore(n, 1), "")
					}
				}
			}
			try(fmt.Sprintf("cut after write %d of %d", n, len(r.log)), who[i%len(who)], r.torn(n, random), must)
			continue
		}
		type way func()
		ways := []way{func() {
			try(fmt.Sprintf("cut after write %d of %d, torn", n, len(r.log)), who[i%len(who)], r.torn(n, random), must)
		}}
		if flying := n - r.durable(n); flying == 2 {
			ways = append(ways, func() {
				try(fmt.Sprintf("cut after write %d of %d, of the one before the first sector", n, len(r.log)), who[i%len(who)], r.tornBefore(n, 1), "")
			})
		}
		// The write that was being done, alone: this is where what is read before a log is replayed would show.
		w := r.log[n-1]
		if sectors := len(w.data) / sector; sectors > 1 {
			ways = append(ways, func() {
				try(fmt.Sprintf("cut in write %d of %d (%d bytes at %d)", n, len(r.log), len(w.data), w.off), who[(i+1)%len(who)], r.tornAt(n, 1+random.IntN(sectors-1)), "")
			})
		}
		if len(places) <= len(r.log) {
			ways = []way{ways[random.IntN(len(ways))]}
		}
		for _, try := range ways {
			try()
		}
	}
	for name := range outcomes {
		if seen[name] == 0 {
			t.Errorf("outcomes %v: all of %v must be among them", seen, slices.Collect(maps.Keys(outcomes)))
			return
		}
	}
}

// cutPlaces are the numbers of writes after which to cut, in order.
func cutPlaces(r *recorder, most int, random *rand.Rand) []int {
	if most > len(r.log) {
		most = len(r.log) + 1
	}
	places := random.Perm(len(r.log) + 1)[:most]
	if most <= len(r.log) {
		places = append(places, 0, len(r.log))
		for _, s := range r.syncs {
			places = append(places, s, max(s-1, 0), min(s+1, len(r.log)), min(s+2, len(r.log)))
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// tearable is a small file system with a journal of a kind, and files of all that an update may replace or remove.
func tearable(t *testing.T, profile, features, journal string) string {
	t.Helper()
	p := testimage.ProfileNamed(profile)
	if features != "" {
		p.Features += "," + features
	}
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 12 << 20, Inodes: 600, Fill: func(dir string) error {
		var errs []error
		for i := range 30 {
			errs = append(errs, os.MkdirAll(filepath.Join(dir, "old", fmt.Sprint(i)), 0o755))
		}
		return errors.Join(append(errs, os.WriteFile(filepath.Join(dir, "replaced"), pattern(9900, 1), 0o644),
			os.WriteFile(filepath.Join(dir, "kept"), pattern(5000, 3), 0o644))...)
	}})
	if journal == "" {
		return path
	}
	if version, ok := strings.CutPrefix(journal, "debugfs "); ok {
		testimage.DebugfsWrite(t, path, 0, "journal_open -c -v "+version, "journal_close")
		return path
	}
	dir := testimage.MountWith(t, path, 0, journal)
	mustDo(t, os.WriteFile(filepath.Join(dir, "by-the-kernel"), []byte("x"), 0o644))
	testimage.Unmount(t, dir)
	return path
}

// staleLog fills the log with what an earlier use might have left.
func staleLog(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	mustDo(t, err)
	v := openImage(t, path).view
	j, n, err := v.readJournal()
	mustDo(t, err, j.mapUpTo(v, n, j.Length))
	for at := j.First; at < j.Length; at++ {
		p, err := j.place(at)
		mustDo(t, err)
		copy(b[int(p)*v.blockSize:], pattern(v.blockSize, byte(at)))
	}
	writeImage(t, path, b)
}

func tornUpdate(tx *Tx) error {
	return errors.Join(crashUpdate(tx), tx.RemoveAll("old"), tx.Mkdir("new", Attr{Mode: 0o755}), tx.Link("kept", "new/again"))
}

func TestATornCutAnywhereLeavesAllOrNothing(t *testing.T) {
	for _, c := range []struct{ profile, features, journal string }{
		{"no-checksums-1k", "", ""},
		{"no-checksums-4k", "64bit", ""},
		{"gdt-checksums-2k", "", "journal_checksum"},
		{"gdt-checksums-1k", "", "data=writeback,journal_async_commit"},
		{"nixos-4k", "", "debugfs 2"},
		{"nixos-4k", "", "data=ordered"},
		{"pi-gen-1k", "", "data=ordered"},
		{"nixos-2k", "fast_commit", "data=ordered"},
		{"debian-4k", "", "data=writeback,journal_async_commit"},
	} {
		t.Run(strings.Join([]string{c.profile, c.features, c.journal}, " "), func(t *testing.T) {
			t.Parallel()
			path := tearable(t, c.profile, c.features, c.journal)
			staleLog(t, path)
			old := treeForCuts(t, path)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			mustDo(t, err)
			mustUpdate(t, fsys, tornUpdate)
			writeImage(t, path, r.now)
			testimage.Fsck(t, path, 0)
			done := treeForCuts(t, path)
			cutEverywhere(t, r, path, map[string]map[string]testimage.Node{"nothing": old, "all": done}, "all", "kernel", "e2fsck -p", "we")
		})
	}
}
