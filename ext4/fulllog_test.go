package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// A transaction that fills the log to its last block is replayed, by the kernel, e2fsck and us; one of a block more needs a longer
// log.
func TestATransactionMayBeAsLargeAsTheLog(t *testing.T) {
	for _, c := range []struct{ profile, journal string }{
		{"no-checksums-1k", ""},
		{"nixos-1k", "debugfs 3"},
		{"pi-gen-1k", "debugfs 2"},
	} {
		t.Run(c.profile+" "+c.journal, func(t *testing.T) {
			t.Parallel()
			p := testimage.ProfileNamed(c.profile)
			p.InodeSize = 1024 // one to a block: each chmod is a block of the transaction
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 12 << 20, Inodes: 1200})
			if c.journal != "" {
				testimage.DebugfsWrite(t, path, 0, "journal_open -c -v "+c.journal[len("debugfs "):], "journal_close")
			}
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				errs := []error{tx.Mkdir("d", Attr{Mode: 0o755})}
				for i := range 1100 {
					errs = append(errs, tx.WriteFile(fmt.Sprintf("d/%d", i), bytes.NewReader(nil), Attr{Mode: 0o644}))
				}
				return errors.Join(errs...)
			}, WithoutJournal())
			staleLog(t, path)
			chmod := func(n int) func(tx *Tx) error {
				return func(tx *Tx) error {
					for i := range n {
						if err := tx.Chmod(fmt.Sprintf("d/%d", i), 0o600); err != nil {
							return err
						}
					}
					return nil
				}
			}
			j, err := openImage(t, path).view.openJournal()
			mustDo(t, err)
			fits := 0
			for j.Needed(fits+2) <= j.Room() { // and the superblock
				fits++
			}
			if j.Needed(fits+1) != j.Room() {
				t.Fatalf("%d blocks of a log of %d: it is not filled", j.Needed(fits+1), j.Room())
			}
			old := kernelTree(t, path)

			r := newRecorder(t, path)
			fsys, err := Open(r)
			mustDo(t, err)
			mustUpdate(t, fsys, chmod(fits+1))
			if len(r.syncs) <= 5 {
				t.Errorf("one more: %d syncs", len(r.syncs))
			}
			r = newRecorder(t, path)
			fsys, err = Open(r)
			mustDo(t, err)
			mustUpdate(t, fsys, chmod(fits))
			if len(r.syncs) != 5 {
				t.Errorf("%d syncs", len(r.syncs))
			}
			logged := map[int64]bool{}
			for _, run := range must(fsys.view.logRuns(j)) {
				for i := range run.count {
					logged[(int64(run.start)+int64(i))*1024] = true
				}
			}
			in := 0
			for _, w := range r.log[:r.syncs[1]] {
				if logged[w.off] {
					in++
				}
			}
			if in != j.Room()+1 { // the commit block's place twice
				t.Errorf("%d writes into a log of %d blocks", in, j.Room())
			}
			writeImage(t, path, r.now)
			testimage.Fsck(t, path, 0)
			done := kernelTree(t, path)
			for n, want := range map[int]map[string]testimage.Node{r.syncs[0]: old, r.syncs[1]: done, (r.syncs[1] + r.syncs[2]) / 2: done} {
				for _, by := range []string{"kernel", "e2fsck -p", "we"} {
					writeImage(t, path, r.image(n, func(int) bool { return true }))
					if err := judged(path, by); err != nil {
						t.Errorf("cut after write %d, then %s: %v", n, by, err)
						continue
					}
					if diff := cmp.Diff(want, kernelTree(t, path)); diff != "" {
						t.Errorf("cut after write %d, then %s:\n%.2000s", n, by, diff)
					}
				}
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
