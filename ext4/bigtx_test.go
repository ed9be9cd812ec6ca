package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// bigUpdate changes more blocks than one descriptor block of the journal names, and one that begins with the journal's magic
// number, which the log has to escape.
func bigUpdate(tx *Tx) error {
	if err := tx.Symlink("\xc0\x3b\x39\x98"+string(bytes.Repeat([]byte("t"), 100)), "escaped", Attr{}); err != nil {
		return err
	}
	for i := range 300 {
		if err := tx.Mkdir(fmt.Sprintf("dir-%d", i), Attr{Mode: 0o755}); err != nil {
			return err
		}
	}
	return tx.WriteFile("replaced", bytes.NewReader([]byte("new")), Attr{Mode: 0o600})
}

func TestALargeTransactionIsReplayed(t *testing.T) {
	for _, c := range []struct{ profile, journal string }{
		{"nixos-1k", "as made"}, {"nixos-1k", "checksum_v3"}, {"nixos-1k", "checksum_v2"}, {"pi-gen-1k", "as made"}, {"pi-gen-1k", "checksum_v2"}, {"nixos-4k", "checksum_v3"},
	} {
		t.Run(c.profile+" "+c.journal, func(t *testing.T) {
			path := crashImage(t, c.profile, c.journal)
			old := treeOf(t, path)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			if err != nil {
				t.Fatal(err)
			}
			mustUpdate(t, fsys, bigUpdate)
			writeImage(t, path, r.now)
			testimage.Fsck(t, path, 0)
			done := treeOf(t, path)
			logged, committed, home := r.syncs[0], r.syncs[1], r.syncs[2]
			for _, cut := range []struct {
				what string
				n    int
				want map[string]testimage.Node
			}{
				{"the log is written, not committed", logged, old},
				{"the log is committed", committed, done},
				{"half of the blocks are home", (committed + home) / 2, done},
			} {
				for by, recoverFrom := range recoverers {
					writeImage(t, path, r.image(cut.n, func(int) bool { return true }))
					recoverFrom(t, path)
					testimage.Fsck(t, path, 0)
					if diff := cmp.Diff(cut.want, kernelTree(t, path)); diff != "" {
						t.Errorf("%s, then %s:\n%.2000s", cut.what, by, diff)
					}
					if cut.n == committed && bytes.Contains(imageOf(t, path), []byte("old secret ")) {
						t.Errorf("%s, then %s: the replaced file's bytes are still there", cut.what, by)
					}
				}
			}
		})
	}
}

func imageOf(tb testing.TB, path string) []byte { return newRecorder(tb, path).now }

// What was free before is not in the transaction.
func TestManyFilesFitIntoASmallJournal(t *testing.T) {
	path := emptyImage(t, "nixos-1k", 32, 8000)
	old := treeOf(t, path)
	r := newRecorder(t, path)
	fsys, err := Open(r)
	mustDo(t, err)
	mustUpdate(t, fsys, func(tx *Tx) error {
		for i := range 5000 {
			if err := tx.WriteFile(fmt.Sprintf("a file of a long name, so that there are many blocks of names: %d", i), bytes.NewReader([]byte("x")), Attr{Mode: 0o600}); err != nil {
				return err
			}
		}
		return nil
	})
	writeImage(t, path, r.now)
	testimage.Fsck(t, path, 0)
	done := treeOf(t, path)
	for n, want := range map[int]map[string]testimage.Node{r.syncs[0]: old, r.syncs[1]: done, r.syncs[2] - 1: done} {
		for by, recoverFrom := range recoverers {
			writeImage(t, path, r.image(n, func(int) bool { return true }))
			recoverFrom(t, path)
			testimage.Fsck(t, path, 0)
			if diff := cmp.Diff(want, kernelTree(t, path)); diff != "" {
				t.Errorf("cut after write %d, then %s:\n%.2000s", n, by, diff)
			}
		}
	}
}

func TestAJournalThatCannotBeUsedIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(j format.JournalSuperblock)
		want  error
	}{
		{"no magic", func(j format.JournalSuperblock) { format.JMagic.Set(j, 0) }, ErrCorrupt},
		{"a log that is not empty", func(j format.JournalSuperblock) { format.JSStart.Set(j, 1) }, ErrCorrupt},
		{"an aborted journal", func(j format.JournalSuperblock) { format.JSErrno.Set(j, ^uint32(4)) }, ErrCorrupt},
		{"longer than its file", func(j format.JournalSuperblock) { format.JSMaxlen.Set(j, 1<<31) }, ErrCorrupt},
		{"no log", func(j format.JournalSuperblock) { format.JSFirst.Set(j, format.JSMaxlen.Get(j)) }, ErrCorrupt},
		{"another block size", func(j format.JournalSuperblock) { format.JSBlockSize.Set(j, 512) }, ErrCorrupt},
		{"an unknown feature", func(j format.JournalSuperblock) { format.JSFeatureIncompat.Set(j, 0x100) }, ErrUnsupported},
		{"a wrong checksum", func(j format.JournalSuperblock) {
			format.JSFeatureIncompat.Set(j, format.JIncompatCsumV3)
			format.JSChecksumType.Set(j, format.JChecksumCRC32C)
		}, ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecorder(t, emptyImage(t, "no-checksums-1k", 8, 100))
			fsys, err := Open(r)
			if err != nil {
				t.Fatal(err)
			}
			n, err := fsys.view.inode(format.JournalIno)
			if err != nil {
				t.Fatal(err)
			}
			first, err := fsys.view.lookup(n, 0)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(format.JournalSuperblock(r.now[first.start*1024:][:1024]))
			if _, err := Open(r); !errors.Is(err, c.want) {
				t.Errorf("Open: %v, want %v", err, c.want)
			}
		})
	}
}
