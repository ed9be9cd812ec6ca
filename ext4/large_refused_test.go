package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// onlyFree fills a file system up to so many free blocks, and gives how many there are.
func onlyFree(t *testing.T, path string, left uint64) uint64 {
	t.Helper()
	fsys := openImage(t, path)
	info := fsys.Info()
	large := info.FreeBlocks - left
	large -= large/100 + 8 // for the map
	mustUpdate(t, fsys, func(tx *Tx) error {
		return tx.WriteFile(fmt.Sprint("fills to ", left), zeros(int64(large)*int64(info.BlockSize)), Attr{Mode: 0o644})
	}, WithoutJournal())
	for i := 0; fsys.Info().FreeBlocks > left; i++ {
		mustUpdate(t, fsys, func(tx *Tx) error {
			return tx.WriteFile(fmt.Sprint("fills to ", left, " ", i), zeros(1), Attr{Mode: 0o644})
		}, WithoutJournal())
	}
	testimage.Fsck(t, path, 0)
	return fsys.Info().FreeBlocks
}

func onlyModes(n int, mode fs.FileMode) func(tx *Tx) error { return modesFrom(0, n, mode) }

func modesFrom(first, n int, mode fs.FileMode) func(tx *Tx) error {
	return func(tx *Tx) error {
		for i := first; i < n; i++ {
			if err := tx.Chmod(scatteredName(i), mode); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestAnUpdateThatNeedsMoreLogThanThereIsSpaceIsRefused(t *testing.T) {
	for _, p := range []testimage.Profile{testimage.ProfileNamed("nixos-1k"), changed("no-checksums-1k", "^extent")} {
		t.Run(p.Features, func(t *testing.T) {
			t.Parallel()
			path := scattered(t, testimage.Options{Profile: p, Size: 12 << 20}, 1500)
			j, err := openImage(t, path).view.openJournal()
			mustDo(t, err)
			for _, left := range []uint64{300, 0} {
				left = onlyFree(t, path, left)
				r := newRecorder(t, path)
				fsys, err := Open(r)
				mustDo(t, err)
				for _, opts := range [][]UpdateOption{{Rehearse()}, nil} {
					err = fsys.Update(onlyModes(1500, 0o600|fs.FileMode(left%8)), opts...)
					var full *NoSpaceError
					if !errors.As(err, &full) || full.Resource != "journal blocks" || full.Needed <= 1500 || full.Free < uint64(j.Room())+left-min(left, 4) || full.Free > uint64(j.Room())+left {
						t.Errorf("%d blocks are free: %v, %+v", left, err, full)
					}
				}
				if len(r.log) != 0 || len(r.syncs) != 0 || !bytes.Equal(r.now, r.old) {
					t.Errorf("%d blocks are free: %d writes, %d syncs", left, len(r.log), len(r.syncs))
				}
				fits := j.Room() - 30 + int(left)
				if left > 0 {
					mustDo(t, fsys.Update(onlyModes(fits, 0o755), Rehearse()))
					if len(r.log) != 0 {
						t.Error("a rehearsal has written")
					}
					mustUpdate(t, fsys, onlyModes(fits, 0o755))
					if len(r.syncs) <= 5 {
						t.Errorf("%d syncs", len(r.syncs))
					}
					writeImage(t, path, r.now)
					testimage.Fsck(t, path, 0)
				}
			}
		})
	}
}

// A write that fails leaves something that can be recovered, all of the update or nothing of it; before the commit what was there.
func TestAFailingWriteOfALargeUpdateLeavesAllOrNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	for _, p := range []testimage.Profile{testimage.ProfileNamed("nixos-1k"), changed("no-checksums-1k", "^extent"), changed("nixos-1k", "meta_bg ^resize_inode")} {
		o := testimage.Options{Profile: p, Size: 16 << 20}
		if bytes.Contains([]byte(p.Features), []byte("meta_bg")) {
			o.BlocksPerGroup, o.Size = 256, 24<<20 // many groups, so that what changes of them is much of the log
		}
		t.Run(p.Features, func(t *testing.T) {
			t.Parallel()
			path := scattered(t, o, 1150)
			old := ourTree(t, openImage(t, path))
			whole := newRecorder(t, path)
			fsys, err := Open(whole)
			mustDo(t, err)
			mustUpdate(t, fsys, largeChange(1150))
			done := ourTree(t, fsys)
			commit := whole.syncs[5] // after which the update itself begins
			logged := whole.syncs[6] // and its log is written
			var places []int
			for at := 0; at < len(whole.log); at++ {
				if at < commit+30 || at > whole.syncs[8]-10 || at%97 == 0 {
					places = append(places, at)
				}
			}
			for _, at := range places {
				r := newRecorder(t, path)
				fsys, err := Open(r)
				mustDo(t, err)
				r.failAt = at
				if err := fsys.Update(largeChange(1150), WithTime(writeTime)); !errors.Is(err, errCut) {
					t.Fatalf("write %d fails: Update: %v", at, err)
				}
				failed := filepath.Join(t.TempDir(), "image")
				writeImage(t, failed, r.now)
				undone := at < whole.syncs[0] || at >= commit && at < logged
				if !undone {
					mustDo(t, recoverImage(failed))
				}
				if at%3 == 0 {
					testimage.Fsck(t, failed, 0)
				}
				got := ourTree(t, openImage(t, failed))
				if undone || at < logged {
					if diff := cmp.Diff(old, got); diff != "" {
						t.Errorf("write %d of %v fails: not as it was:\n%.1000s", at, whole.syncs, diff)
					}
				} else if !cmp.Equal(got, old) && !cmp.Equal(got, done) {
					t.Errorf("write %d of %v fails: neither nothing nor all", at, whole.syncs)
				}
				if !undone {
					continue
				}
				sameButTheLog(t, bytes.Clone(r.old), bytes.Clone(r.now))
				if at%5 == 0 { // and it can be done again
					mustUpdate(t, fsys, largeChange(1150))
					sameButTheLog(t, bytes.Clone(whole.now), bytes.Clone(r.now))
				}
			}
		})
	}
}

// What a cut leaves of a longer log is used again, and what is left is no larger.
func TestALargeUpdateAfterACutOfOne(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	for _, p := range []testimage.Profile{testimage.ProfileNamed("nixos-1k"), changed("no-checksums-1k", "^extent"), changed("nixos-1k", "bigalloc", "-C", "8192")} {
		t.Run(p.Features, func(t *testing.T) {
			t.Parallel()
			r, path, outcomes := recordLarge(t, testimage.Options{Profile: p, Size: 24 << 20}, 1150)
			for i, n := range r.syncs {
				writeImage(t, path, r.image(n, func(int) bool { return true }))
				if err := judged(path, []string{"kernel", "we", "e2fsck -p"}[i%3]); err != nil {
					t.Errorf("cut after write %d: %v", n, err)
				}
				free := openImage(t, path).Info().FreeBlocks
				again := onlyModes(1150, 0o600)
				if cmp.Equal(treeForCuts(t, path), outcomes["nothing"]) {
					again = largeChange(1150)
				} else {
					again = func(tx *Tx) error {
						for i := 500; i < 1150; i++ {
							if i%5 == 0 {
								continue
							}
							if err := tx.Chmod(scatteredName(i), 0o777); err != nil {
								return err
							}
						}
						return nil
					}
				}
				mustUpdate(t, openImage(t, path), again)
				testimage.Fsck(t, path, 0)
				if now := openImage(t, path).Info().FreeBlocks; now < free && !cmp.Equal(treeForCuts(t, path), outcomes["all"]) {
					t.Errorf("cut after write %d: %d blocks were free, now %d", n, free, now)
				}
			}
		})
	}
}
