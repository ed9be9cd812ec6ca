package ext4

import (
	"os"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// The recovery itself may be cut: what is left is recovered once more, by the kernel or by e2fsck, and it is always the same.
func TestACutRecoveryIsRecovered(t *testing.T) {
	both := []string{"kernel", "e2fsck -p", "we"} // which in version 1.47.0 leaves an orphan file that was not empty unclean
	for _, c := range []struct {
		profile, features, options string
		who                        []string
		work                       func(t *testing.T, dir string) func()
	}{
		{"nixos-4k", "", "data=ordered", []string{"kernel", "we"}, openAndGone},
		{"no-checksums-1k", "", "data=ordered", both, openAndGone},
		{"debian-2k", "fast_commit", "data=ordered", both, func(t *testing.T, dir string) func() {
			mustDo(t, synced(dir+"/a", pattern(20_000, 1)), synced(dir+"/b", pattern(20_000, 1)))
			mustDo(t, os.Remove(dir+"/a"), os.Rename(dir+"/b", dir+"/c"), writeEach(dir+"/new", 40, 10_000))
			return func() {}
		}},
	} {
		t.Run(strings.Join([]string{c.profile, c.features}, " "), func(t *testing.T) {
			t.Parallel()
			path := dirty{profile: c.profile, features: c.features, options: c.options, work: c.work}.image(t)
			byKernel := snapshot(t, path)
			recoverers["kernel"](t, byKernel)
			want := treeForCuts(t, byKernel)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			mustDo(t, err)
			if c.features != "" && fsys.Recovery().FastCommits == 0 || c.features == "" && fsys.Recovery().Deleted == 0 {
				t.Fatalf("recovered %+v", fsys.Recovery())
			}
			mustDo(t, fsys.Recover())
			if len(r.log) == 0 || r.syncs[len(r.syncs)-1] != len(r.log) {
				t.Fatalf("%d writes, syncs after %v", len(r.log), r.syncs)
			}
			cutEverywhere(t, r, path, map[string]map[string]testimage.Node{"recovered": want}, "recovered", c.who...)
		})
	}
}
