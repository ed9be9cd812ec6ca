package ext4

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// Orphans of every kind of file system: some have no links, some are longer than their size says. And cuts while that is cleaned up.

// orphaned is a file system with a list of orphans: debugfs made it, as no kernel that cannot count quotas would.
func orphaned(t *testing.T, o testimage.Options) string {
	t.Helper()
	path := featured(t, o)
	names := []string{"replaced", "cut", "sparse", "old/" + strings.Repeat("n", 3*39) + " 39", "small"}
	var commands []string
	var list []int
	for i, name := range names {
		list = append(list, inodeNumber(t, path, name))
		switch i {
		case 0: // no name, no links
			commands = append(commands, "unlink "+name, fmt.Sprintf("set_inode_field <%d> links_count 0", list[i]))
		case 4: // nothing is to be cut
		default:
			commands = append(commands, fmt.Sprintf("set_inode_field <%d> size %d", list[i], []int{0, 8193, 1, 3000}[i]))
		}
	}
	for i, ino := range list[:len(list)-1] {
		commands = append(commands, fmt.Sprintf("set_inode_field <%d> dtime %d", ino, list[i+1]))
	}
	testimage.DebugfsWrite(t, path, 0, append(commands, fmt.Sprintf("set_super_value last_orphan %d", list[0]))...)
	return path
}

var orphanFeatures = []struct {
	name string
	o    testimage.Options
	who  []string
}{
	{"files in inodes", testimage.Options{Profile: changed("debian-4k", "inline_data")}, []string{"kernel", "we"}},
	{"quotas", testimage.Options{Profile: changed("debian-1k", "quota project"), Extended: "quotatype=usrquota:grpquota:prjquota"}, []string{"e2fsck -p", "we"}},
	{"clusters", testimage.Options{Profile: changed("debian-1k", "bigalloc", "-C", "8192"), Size: 32 << 20}, []string{"kernel", "we"}},
	{"clusters and quotas", testimage.Options{Profile: changed("debian-1k", "bigalloc quota ea_inode", "-C", "4096"), Size: 32 << 20}, []string{"we"}}, // e2fsck 1.47.0 leaves clusters that are cut in disorder
	{"attributes in inodes", testimage.Options{Profile: changed("debian-1k", "ea_inode")}, []string{"kernel", "we"}},
	{"meta_bg", testimage.Options{Profile: changed("no-checksums-1k", "meta_bg ^resize_inode"), BlocksPerGroup: 256}, []string{"kernel", "we"}},
	{"indirect blocks", testimage.Options{Profile: changed("no-checksums-1k", "^extent")}, []string{"kernel", "we"}},
	{"indirect blocks, checksums", testimage.Options{Profile: changed("debian-4k", "^extent ^64bit")}, []string{"kernel", "we"}},
}

func TestOrphansOfEveryFeatureAreCleanedUpWhereverThatIsCut(t *testing.T) {
	for _, c := range orphanFeatures {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := orphaned(t, c.o)
			theirs := snapshot(t, path)
			if err := judged(theirs, c.who[0]); err != nil {
				t.Fatal(err)
			}
			want := treeForCuts(t, theirs)
			r := newRecorder(t, path)
			fsys, err := Open(r)
			mustDo(t, err)
			if got := fsys.Recovery(); got == nil || got.Deleted != 1 || got.Truncated < 3 {
				t.Fatalf("recovered %+v", got)
			}
			mustDo(t, fsys.Recover())
			writeImage(t, path, r.now)
			testimage.Fsck(t, path, 0)
			got := treeForCuts(t, path)
			if diff := cmp.Diff(withoutTimes(want), withoutTimes(got)); diff != "" {
				t.Errorf("%s (-) and we (+):\n%s", c.who[0], diff)
			}
			if free, want := freeBlocksOf(t, path), freeBlocksOf(t, theirs); free != want {
				t.Errorf("%d free blocks, with %s %d", free, c.who[0], want)
			}
			// Whoever cuts a file says that it was changed: the kernel with its clock, so only its outcome has times of its own.
			cutOrphans(t, r, path, withoutTimes(got), c.who)
		})
	}
}

func cutOrphans(t *testing.T, r *recorder, path string, want map[string]testimage.Node, who []string) {
	t.Helper()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for i, n := range cutPlaces(r, 2, random) {
		by := who[i%len(who)]
		writeImage(t, path, r.torn(n, random))
		if err := judged(path, by); err != nil {
			t.Errorf("cut after write %d of %d, then %s (seed %d): %v", n, len(r.log), by, seed, err)
			continue
		}
		if diff := cmp.Diff(want, withoutTimes(treeForCuts(t, path))); diff != "" {
			t.Errorf("cut after write %d of %d, then %s (seed %d): ours (-):\n%s", n, len(r.log), by, seed, diff)
		}
	}
}
