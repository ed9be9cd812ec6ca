package ext4

// This file looks for what a large update, a cut or a failure leaves of secrets in the log.

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// secretFor is what a file of n is given: few enough bytes for its inode, so that the log has a copy of them.
func secretFor(i int) string { return fmt.Sprintf("TOPSECRET-%06d", i) }

func secretFiles(n int) func(tx *Tx) error {
	return func(tx *Tx) error {
		for i := range n {
			if err := tx.WriteFile(scatteredName(i), strings.NewReader(secretFor(i)), Attr{Mode: 0o600}); err != nil {
				return err
			}
		}
		return nil
	}
}

func removed(from, end int) func(tx *Tx) error {
	return func(tx *Tx) error {
		for i := from; i < end; i++ {
			if err := tx.Remove(scatteredName(i)); err != nil {
				return err
			}
		}
		return nil
	}
}

// inlineFiles is a file system of n files in inodes, one to a block.
func inlineFiles(t *testing.T, n int) string {
	t.Helper()
	return scattered(t, testimage.Options{Profile: changed("nixos-1k", "inline_data"), Size: 16 << 20}, n)
}

// onlyInFiles: the first n files have their secrets, or none has, and there are no others.
func onlyInFiles(t *testing.T, what string, fsys *FS, n int, image []byte) {
	t.Helper()
	want := 0
	if got, err := fsys.ReadFile(scatteredName(n - 1)); err != nil {
		t.Errorf("%s: %v", what, err)
	} else if string(got) == secretFor(n-1) {
		want = n
	}
	if got := bytes.Count(image, []byte("TOPSECRET-")); got != want {
		t.Errorf("%s: %d files have secrets, and the image %d", what, want, got)
	}
}

// Whoever recovers it, what the log had of an update is cleared as soon as we write: by a recovery itself; after that of somebody else
// by any update if the journal still has the blocks that it was lent, by one that takes something away in any case.
func TestACutOfALargeUpdateLeavesNoSecretInTheLog(t *testing.T) {
	t.Parallel()
	testimage.RequireRoot(t)
	const n = 1300
	path := inlineFiles(t, n)
	r := newRecorder(t, path)
	mustUpdate(t, must(Open(r)), secretFiles(n))
	onlyInFiles(t, "not cut", must(Open(r)), n, r.now)
	lent := 0
	for i, at := range r.syncs {
		for k, by := range []string{"we", "kernel", "e2fsck -p", "we, on a copy"} {
			if i != 6 && i != 9 && k != i%4 {
				continue
			}
			what := fmt.Sprintf("cut in write %d of %v, then %s", at, r.syncs, by)
			cut := &recorder{now: r.image(at, func(int) bool { return true }), failAt: -1}
			switch by {
			case "we":
				mustDo(t, must(Open(cut)).Recover())
			case "we, on a copy":
				mustDo(t, must(Open(cut)).Recover(WithoutJournal()))
			default:
				writeImage(t, path, cut.now)
				mustDo(t, judged(path, by))
				cut.now = must(os.ReadFile(path))
				fsys := must(Open(cut))
				if j := must(fsys.view.openJournal()); !j.lent() {
					break
				}
				lent++
				mustUpdate(t, fsys, func(tx *Tx) error { return tx.Mkdir("harmless", Attr{Mode: 0o755}) })
			}
			fsys := must(Open(cut))
			if by == "we" || by == "we, on a copy" || must(fsys.view.openJournal()).lent() {
				onlyInFiles(t, what, fsys, n, cut.now)
			}
			mustUpdate(t, fsys, removed(1200, n))
			onlyInFiles(t, what+", and files were removed", fsys, 1200, cut.now)
		}
	}
	if lent == 0 {
		t.Error("no cut has left a journal that is larger than its log")
	}
}

func TestACutUpdateLeavesNoSecretInTheLog(t *testing.T) {
	t.Parallel()
	const n = 40
	path := inlineFiles(t, n)
	r := newRecorder(t, path)
	mustUpdate(t, must(Open(r)), secretFiles(n))
	for _, at := range r.syncs {
		cut := &recorder{now: r.image(at, func(int) bool { return true }), failAt: -1}
		fsys := must(Open(cut))
		if fsys.Recovery() != nil {
			mustDo(t, fsys.Recover())
			onlyInFiles(t, fmt.Sprintf("cut in write %d of %v", at, r.syncs), fsys, n, cut.now)
		}
	}
}

// After the commit whatever reaches the device, in whatever order, either needs recovery, which clears the log, or has it cleared. So it is
// with a recovery that is cut off itself.
func TestNoCutAfterTheCommitHidesALogWithSecrets(t *testing.T) {
	t.Parallel()
	const n = 40
	r := newRecorder(t, inlineFiles(t, n))
	mustUpdate(t, must(Open(r)), secretFiles(n))
	cuts := 0
	var follow func(what string, r *recorder, first, depth int)
	follow = func(what string, r *recorder, first, depth int) {
		for k := first; k+1 < len(r.syncs); k++ {
			from, end := r.syncs[k], r.syncs[k+1]
			for i := from; i < end; i++ {
				for name, keep := range map[string]func(w int) bool{
					"alone":  func(w int) bool { return w < from || w == i },
					"and on": func(w int) bool { return w < from || w >= i },
					"up to":  func(w int) bool { return w <= i },
				} {
					what := fmt.Sprintf("%s, write %d %s of %v", what, i, name, r.syncs)
					now := r.image(end, keep)
					cut := &recorder{old: bytes.Clone(now), now: now, failAt: -1}
					fsys := must(Open(cut))
					cuts++
					if fsys.Recovery() == nil {
						onlyInFiles(t, what, fsys, n, cut.now)
						continue
					}
					mustDo(t, fsys.Recover())
					onlyInFiles(t, what+", recovered", fsys, n, cut.now)
					if depth > 0 && name == "up to" {
						follow(what, cut, 0, depth-1)
					}
				}
			}
		}
	}
	follow("update", r, 1, 1)
	if cuts < 30 {
		t.Errorf("%d cuts", cuts)
	}
}

// An update that fails before its commit leaves nothing of what it has written: in the log, in the blocks that this was lent, and where
// a cut had left it such blocks before.
func TestAFailedUpdateLeavesNoSecretInTheLog(t *testing.T) {
	for _, n := range []int{40, 1300} {
		t.Run(fmt.Sprint(n, " files"), func(t *testing.T) {
			t.Parallel()
			path := inlineFiles(t, n)
			whole := newRecorder(t, path)
			mustUpdate(t, must(Open(whole)), secretFiles(n))
			fails := func(what string, image []byte, places ...int) {
				for _, at := range places {
					r := &recorder{old: image, now: bytes.Clone(image), failAt: at}
					fsys := must(Open(r))
					if err := fsys.Update(secretFiles(n)); !errors.Is(err, errCut) {
						t.Fatalf("%s: write %d fails: Update: %v", what, at, err)
					}
					if left := bytes.Count(r.now, []byte("TOPSECRET-")); left != 0 {
						t.Errorf("%s: write %d fails: %d secrets are left", what, at, left)
					}
					sameButTheLog(t, bytes.Clone(image), bytes.Clone(r.now))
				}
			}
			image := bytes.Clone(whole.old)
			if n < 1000 {
				fails("a log that is long enough", image, 0, whole.syncs[0]/2, whole.syncs[0]-1)
				return
			}
			fails("a log that is lent blocks", image, whole.syncs[5]+3, whole.syncs[6]-1)
			writeImage(t, path, whole.image(whole.syncs[5], func(int) bool { return true })) // the journal has its blocks
			mustDo(t, recoverImage(path))
			r := newRecorder(t, path)
			mustUpdate(t, must(Open(r)), secretFiles(n))
			if len(r.syncs) != 6 {
				t.Fatalf("syncs %v: the journal has been given blocks once more", r.syncs)
			}
			fails("a log that has blocks of a cut", r.old, r.syncs[0]/2, r.syncs[0]-1)
		})
	}
}

// The transactions that take the blocks back have a copy of what lies beside the journal's inode: inode 12 in blocks of 4 KiB.
func TestTheLastStepsOfALargeUpdateLeaveNoSecretInTheLog(t *testing.T) {
	t.Parallel()
	p := changed("nixos-4k", "inline_data")
	p.InodeSize = 256
	const n = 1150 * 16
	path := scatteredOf(t, testimage.Options{Profile: p, Size: 48 << 20}, n, func(int) int { return 0 })
	mustUpdate(t, openImage(t, path), func(tx *Tx) error { return tx.Remove("kept") })
	r := newRecorder(t, path)
	fsys := must(Open(r))
	mustUpdate(t, fsys, func(tx *Tx) error {
		for i := 0; i < n; i += 16 {
			if err := tx.Chmod(scatteredName(i), 0o600); err != nil {
				return err
			}
		}
		return tx.WriteFile("secret", strings.NewReader(secretFor(1)), Attr{Mode: 0o600})
	})
	if loc := must(fsys.view.locate("secret", true)); loc.node.ino > 16 || len(r.syncs) <= 5 {
		t.Fatalf("inode %d, syncs %v", loc.node.ino, r.syncs)
	}
	if got := bytes.Count(r.now, []byte(secretFor(1))); got != 1 {
		t.Errorf("the secret is in the image %d times", got)
	}
}
