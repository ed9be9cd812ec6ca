package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// This file tests what the journal is lent, and what becomes of it.

func all(int) bool { return true }

// What is free may hold anything, a log that somebody wrote into a file among it: where the log does not reach, it is cleared.
func TestWhatTheLogIsLentAndDoesNotUseIsCleared(t *testing.T) {
	t.Parallel()
	const fastCommits = 256
	p := changed("nixos-1k", "fast_commit", "-J", fmt.Sprintf("size=1,fast_commit_size=%d", fastCommits))
	r := newRecorder(t, scattered(t, testimage.Options{Profile: p, Size: 16 << 20}, 1150))
	fsys := must(Open(r))
	tx := newTx(fsys.view, fsys.cache, writeTime)
	for g := range tx.groups {
		taken := must(tx.loadBlocks(g)).taken
		for c := range tx.groupClusters(g) {
			if !taken.get(c) {
				copy(r.now[int64(tx.clusterStart(g, c))*int64(tx.blockSize):], pattern(tx.blockSize, 7))
			}
		}
	}
	r.old = bytes.Clone(r.now)
	mustUpdate(t, fsys, onlyModes(1150, 0o600))
	for _, at := range r.syncs[7:9] { // the update is in the log
		image := r.image(at, all)
		v := must(Open(&recorder{now: image, failAt: -1})).view
		j, n, err := v.readJournal()
		mustDo(t, err, j.mapUpTo(v, n, j.Length))
		if j.Length < 1150 {
			t.Fatalf("a log of %d blocks", j.Length)
		}
		for _, run := range j.between(j.Length-fastCommits, j.Length) {
			if !isZero(image[int64(run.start)*int64(v.blockSize):][:int64(run.count)*int64(v.blockSize)]) {
				t.Errorf("cut after write %d of %v: of blocks %d to %d not all are zeros", at, r.syncs, run.start, run.start+FSBlock(run.count))
			}
		}
	}
}

// The journal's inode says how long its file is only when, and as long as, the tables say where the blocks are. Of a file whose tables have less
// e2fsck takes no log: it makes another journal, and what the log had is lost.
func TestTheJournalsInodeIsNeverAheadOfItsTables(t *testing.T) {
	t.Parallel()
	path := scattered(t, testimage.Options{Profile: changed("no-checksums-1k", "^extent"), Size: 12 << 20}, 1150)
	r := newRecorder(t, path)
	mustUpdate(t, must(Open(r)), onlyModes(1150, 0o600))
	if len(r.syncs) != 18 {
		t.Fatalf("syncs %v", r.syncs)
	}
	for _, k := range []int{2, 3, 14, 15} { // the writes home of the first transaction and of the last
		from, end := r.syncs[k-1], r.syncs[k]
		for at := from; at < end; at++ {
			for _, alone := range []bool{false, true} {
				writeImage(t, path, r.image(end, func(i int) bool { return i < from || (i == at) == alone }))
				if err := judged(path, "e2fsck -p"); err != nil {
					t.Errorf("cut with write %d of %d to %d missing, or alone (%v): %v", at, from, end, alone, err)
				}
			}
		}
	}
}

// Where the log is lent blocks it is lent some for the zeros as well: who replays it clears what was removed.
func TestALargeUpdateThatIsReplayedClearsWhatItRemoved(t *testing.T) {
	t.Parallel()
	testimage.RequireRoot(t)
	path := scattered(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Size: 16 << 20}, 1150)
	mustUpdate(t, openImage(t, path), func(tx *Tx) error {
		var err error
		for i := range 100 {
			err = errors.Join(err, tx.WriteFile(scatteredName(i), strings.NewReader(strings.Repeat(secretFor(i), 30)), Attr{Mode: 0o600}))
		}
		return err
	}, WithoutJournal())
	r := newRecorder(t, path)
	mustUpdate(t, must(Open(r)), func(tx *Tx) error { return errors.Join(removed(0, 100)(tx), modesFrom(100, 1150, 0o600)(tx)) })
	for _, by := range []string{"kernel", "e2fsck -p", "we"} {
		writeImage(t, path, r.image(r.syncs[7], all))
		mustDo(t, judged(path, by))
		if got := bytes.Count(must(os.ReadFile(path)), []byte("TOPSECRET-")); got != 0 {
			t.Errorf("%d secrets are left when %s has replayed their removal", got, by)
		}
	}
}

// What a cut left behind the end of the journal's file is what the next update uses: there need not be as much once more.
func TestWhatACutLeftTheJournalIsLentAgain(t *testing.T) {
	t.Parallel()
	const n = 1400
	path := scattered(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Size: 16 << 20}, n)
	r := newRecorder(t, path)
	mustUpdate(t, must(Open(r)), onlyModes(n, 0o600))
	if len(r.syncs) != 22 {
		t.Fatalf("syncs %v", r.syncs)
	}
	writeImage(t, path, r.image(r.syncs[16], all)) // parked, and not taken back
	left := onlyFree(t, path, 60)
	v := openImage(t, path).view
	_, inode, err := v.readJournal()
	mustDo(t, err)
	_, _, end, err := v.clustersOf(inode)
	if mustDo(t, err); end <= inode.Size()/uint64(v.blockSize)+left {
		t.Fatalf("the journal's file has %d bytes and blocks up to %d: nothing is parked", inode.Size(), end)
	}
	if err := openImage(t, path).Update(onlyModes(n, 0o640)); err != nil {
		t.Fatalf("with %d blocks free: %v", left, err)
	}
	testimage.Fsck(t, path, 0)
	if now := openImage(t, path).Info().FreeBlocks; now != left {
		t.Errorf("%d blocks were free, now %d", left, now)
	}
}

// Without the large_file feature no file has 2 GiB, the journal's neither.
func TestTheJournalIsLentNoMoreThanAFileCanHave(t *testing.T) {
	t.Parallel()
	for features, want := range map[string]uint64{"": 4 << 30, "^large_file": math.MaxInt32 / 1024} {
		p := changed("no-checksums-1k", features)
		fsys := openImage(t, testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 8 << 20}))
		g, err := newTx(fsys.view, fsys.cache, writeTime).newGrowth()
		mustDo(t, err)
		if features == "" && g.limit < want/1024 || features != "" && g.limit != want {
			t.Errorf("%q: %d blocks", features, g.limit)
		}
	}
}
