package ext4

// This file has large updates in journals that mke2fs does not make, and what an error of one says.

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// The journals that the kernel and debugfs make have checksums, those of mke2fs none.
func TestACutOfALargeUpdateInAJournalWithChecksums(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		t.Run("version "+version, func(t *testing.T) {
			t.Parallel()
			path := scattered(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Size: 12 << 20}, 1150)
			testimage.DebugfsWrite(t, path, 0, "journal_open -c -v "+version, "journal_close")
			r, outcomes := recordChange(t, path, largeChange(1150))
			cutAtSyncs(t, r, path, outcomes, 1, "kernel", "e2fsck -p", "we")
		})
	}
}

// Blocks of 64 KiB, which no kernel here mounts: two inodes to a block.
func TestACutOfALargeUpdateInBlocksOf64KiB(t *testing.T) {
	t.Parallel()
	p := testimage.ProfileNamed("no-checksums-4k")
	p.BlockSize, p.InodeSize = 64<<10, 32<<10
	const n = 2200
	path := scatteredOf(t, testimage.Options{Profile: p, Size: 224 << 20}, n, func(int) int { return 0 })
	old := ourTree(t, openImage(t, path))
	r := newRecorder(t, path)
	fsys := must(Open(r))
	mustUpdate(t, fsys, onlyModes(n, 0o600))
	if len(r.syncs) <= 5 {
		t.Fatalf("syncs %v: the log has room for it", r.syncs)
	}
	done := ourTree(t, fsys)
	for i, want := range map[int]any{5: old, 6: old, 7: done, 9: done, 11: done} {
		writeImage(t, path, r.image(r.syncs[i], all))
		mustDo(t, judged(path, []string{"e2fsck -p", "we"}[i%2]))
		if diff := cmp.Diff(want, any(ourTree(t, openImage(t, path)))); diff != "" {
			t.Errorf("cut after write %d of %v:\n%.500s", r.syncs[i], r.syncs, diff)
		}
	}
}

// Errors say what may be on the device: what was being done when the device failed decides it.
func TestErrorsOfALargeUpdateSayWhatIsThere(t *testing.T) {
	t.Parallel()
	path := scattered(t, testimage.Options{Profile: testimage.ProfileNamed("nixos-1k"), Size: 12 << 20}, 1150)
	whole := newRecorder(t, path)
	mustUpdate(t, must(Open(whole)), onlyModes(1150, 0o600))
	for _, c := range []struct {
		write int
		want  string
	}{
		{0, ""}, // nothing is there, and nothing has changed
		{whole.syncs[1], "nothing of the update is there, but the journal may be larger now: "},
		{whole.syncs[6] - 1, ""},
		{whole.syncs[6], "all or nothing of the update is there when the file system has been recovered, perhaps with a larger journal: "},
		{whole.syncs[7], "all of the update is there when the file system has been recovered, perhaps with a larger journal: "},
		{whole.syncs[11], "all of the update is there, but the journal may still have the blocks that it was lent: "},
		{len(whole.log) - 1, "all of the update is there, but the journal may still have the blocks that it was lent: "},
	} {
		r := &recorder{old: whole.old, now: bytes.Clone(whole.old), failAt: c.write}
		err := must(Open(r)).Update(onlyModes(1150, 0o600))
		if !errors.Is(err, errCut) || !strings.HasPrefix(err.Error(), c.want) || c.want == "" && !strings.HasPrefix(err.Error(), "write block ") {
			t.Errorf("write %d of %v fails: %v, want %q", c.write, whole.syncs, err, c.want)
		}
	}
}
