package ext4

import (
	"bytes"
	"testing"

	"boringboot/internal/testimage"
)

// The scrub of a large log goes on while the mark that recovery is needed is being cleared: whatever of both is there, the log is
// empty. And cuts leave the secrets, or the update, never one that is recovered to the other.
func TestACutInTheScrubOfALargeLogLeavesTheUpdate(t *testing.T) {
	for _, c := range []struct{ profile, features, journal string }{
		{"nixos-4k", "", "data=ordered"},
		{"no-checksums-1k", "", "data=journal"},
		{"debian-2k", "fast_commit", "data=ordered"},
	} {
		t.Run(c.profile+" "+c.features, func(t *testing.T) {
			t.Parallel()
			p := changed(c.profile, c.features, "-J", "size=16")
			path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 40 << 20, Inodes: 300})
			dir := testimage.MountWith(t, path, 0, c.journal)
			for i := range 20 {
				mustDo(t, synced(dir+"/secret", pattern(300_000, byte(i))))
			}
			testimage.Unmount(t, dir)
			staleLog(t, path)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			mustDo(t, err)
			mustUpdate(t, fsys, func(tx *Tx) error { return tx.Remove("secret") })
			if n := len(r.log) - r.syncs[3]; n < 16 {
				t.Fatalf("%d writes behind the last but one sync: that is no scrub of 16 MiB", n)
			}
			for _, run := range must(fsys.view.logRuns(must(fsys.view.openJournal()))) {
				if !isZero(r.now[int64(run.start)*int64(fsys.view.blockSize):][:int64(run.count)*int64(fsys.view.blockSize)]) {
					t.Error("the log is not all zeros")
				}
			}
			writeImage(t, path, r.now)
			done := treeForCuts(t, path)
			scrub := &recorder{old: r.image(r.syncs[3], func(int) bool { return true }), now: r.now, log: r.log[r.syncs[3]:], syncs: []int{len(r.log) - r.syncs[3]}}
			cutSome(t, scrub, path, 10, map[string]map[string]testimage.Node{"all": done}, "all", "kernel", "e2fsck -p", "we")
			if !bytes.Equal(scrub.image(len(scrub.log), func(int) bool { return true }), r.now) {
				t.Error("the recording is not whole")
			}
		})
	}
}
