package ext4

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// recordLarge does the update of a case on a recorder, and gives the trees before and after.
func recordLarge(t *testing.T, o testimage.Options, n int) (r *recorder, path string, outcomes map[string]map[string]testimage.Node) {
	t.Helper()
	if o.Size == 0 {
		o.Size = 12 << 20
	}
	path = scattered(t, o, n)
	r, outcomes = recordChange(t, path, largeChange(n))
	return r, path, outcomes
}

func recordChange(t *testing.T, path string, change func(tx *Tx) error) (r *recorder, outcomes map[string]map[string]testimage.Node) {
	t.Helper()
	staleLog(t, path)
	old := treeForCuts(t, path)
	r = newRecorder(t, path)
	fsys, err := Open(r)
	mustDo(t, err)
	mustUpdate(t, fsys, change)
	writeImage(t, path, r.now)
	testimage.Fsck(t, path, 0)
	return r, map[string]map[string]testimage.Node{"nothing": old, "all": treeForCuts(t, path)}
}

// largeCuts are file systems whose log has room for 1022 blocks and is cut when 1150 are changed.
var largeCuts = []struct {
	name string
	o    testimage.Options
	who  []string
}{
	{"as mke2fs makes them", testimage.Options{Profile: testimage.ProfileNamed("nixos-1k")}, nil},
	{"blocks of 4 KiB", testimage.Options{Profile: testimage.ProfileNamed("nixos-4k"), Size: 40 << 20}, nil},
	{"indirect blocks", testimage.Options{Profile: changed("no-checksums-1k", "^extent")}, nil},
	{"indirect blocks of 4 KiB, checksums", testimage.Options{Profile: changed("debian-4k", "^extent ^64bit"), Size: 40 << 20}, nil},
	{"groups of 1024 blocks, few of them initialised", testimage.Options{Profile: testimage.ProfileNamed("gdt-checksums-1k"), Size: 24 << 20, BlocksPerGroup: 1024}, nil},
	{"clusters of 8 blocks", testimage.Options{Profile: changed("nixos-1k", "bigalloc", "-C", "8192"), Size: 32 << 20}, nil},
	{"fast commits", testimage.Options{Profile: changed("nixos-1k", "fast_commit", "-J", "size=1,fast_commit_size=256"), Size: 16 << 20}, nil},
	{"quotas", testimage.Options{Profile: changed("debian-1k", "quota project"), Extended: "quotatype=usrquota:grpquota:prjquota"},
		[]string{"kernel, reading only", "e2fsck -p", "we"}},
	{"files in inodes", testimage.Options{Profile: changed("nixos-1k", "inline_data")}, nil},
	{"meta_bg", testimage.Options{Profile: changed("nixos-1k", "meta_bg ^resize_inode"), BlocksPerGroup: 256, Size: 24 << 20}, nil},
}

// backupAgrees: the superblock's copy of where the journal is (s_jnl_blocks: i_block, i_size_high, i_size) is that of the inode.
func backupAgrees(t *testing.T, what, path string) {
	t.Helper()
	v := openImage(t, path).view
	n, err := v.inode(8)
	mustDo(t, err)
	want := slices.Concat(n.Inode[0x28:0x64], n.Inode[0x6C:0x70], n.Inode[0x04:0x08])
	if got := []byte(v.sb[0x10C:0x150]); v.sb[0xFD] != 1 || !bytes.Equal(got, want) {
		t.Errorf("%s: s_jnl_backup_type %d, s_jnl_blocks\n%x, the inode has\n%x", what, v.sb[0xFD], got, want)
	}
}

func TestACutOfALargeUpdateLeavesAllOrNothing(t *testing.T) {
	for i, c := range largeCuts {
		if i%3 > 0 && testing.Short() {
			continue
		}
		who := c.who
		if who == nil {
			who = []string{"kernel", "e2fsck -p", "we"}
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, path, outcomes := recordLarge(t, c.o, 1150)
			cutLarge(t, r, path, outcomes, who...)
		})
	}
}

// cutLarge cuts a recording in each of its syncs, after it, and somewhere before it.
func cutLarge(t *testing.T, r *recorder, path string, outcomes map[string]map[string]testimage.Node, who ...string) {
	t.Helper()
	cutAtSyncs(t, r, path, outcomes, 4, who...)
}

// cutAtSyncs cuts it at each of its syncs in up to so many ways.
func cutAtSyncs(t *testing.T, r *recorder, path string, outcomes map[string]map[string]testimage.Node, most int, who ...string) {
	t.Helper()
	if len(r.syncs) < 15 {
		t.Fatalf("syncs %v: the log has room for it", r.syncs)
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]int{}
	try := func(what, by string, b []byte) {
		writeImage(t, path, b)
		if err := judged(path, by); err != nil {
			t.Errorf("%s of %v, then %s (seed %d): %v", what, r.syncs, by, seed, err)
			return
		}
		backupAgrees(t, what, path)
		got := treeForCuts(t, path)
		for name, tree := range outcomes {
			if cmp.Equal(got, tree) {
				seen[name]++
				return
			}
		}
		t.Errorf("%s of %v, then %s (seed %d): neither nothing nor all:\n%.2000s", what, r.syncs, by, seed, cmp.Diff(outcomes["all"], got))
	}
	before := 0
	for i, n := range r.syncs {
		ways := []func(){
			func() {
				try(fmt.Sprintf("cut in the sync after write %d", n), who[i%len(who)], r.tornSince(before, n, random))
			},
			func() { try(fmt.Sprintf("cut after write %d", n), who[(i+1)%len(who)], r.torn(n, random)) },
		}
		if n-before == 2 {
			ways = append(ways, func() {
				try(fmt.Sprintf("cut in the sync after write %d, of the one before the first sector", n), who[(i+1)%len(who)], r.tornBefore(n, 1))
			})
		}
		if n > before+1 {
			at := before + 1 + random.IntN(n-before-1)
			ways = append(ways, func() { try(fmt.Sprintf("cut at write %d", at), who[(i+2)%len(who)], r.torn(at, random)) })
		}
		random.Shuffle(len(ways), func(a, b int) { ways[a], ways[b] = ways[b], ways[a] })
		for _, way := range ways[:min(most, len(ways))] {
			way()
		}
		before = n
	}
	if seen["nothing"] == 0 || seen["all"] == 0 {
		t.Errorf("outcomes %v", seen)
	}
}

// Of a group that has no bitmap yet the update takes blocks, and so does the journal before it.
func TestALargeUpdateSharesAFreshGroupWithItsLog(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	for _, profile := range []string{"nixos-1k", "gdt-checksums-1k"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			path := scatteredOf(t, testimage.Options{Profile: testimage.ProfileNamed(profile), Size: 32 << 20, BlocksPerGroup: 2048, Inodes: 9000}, 1150, func(int) int { return 0 })
			for i, left := 0, uint32(1); left > 0; i++ { // all other groups are full
				mustUpdate(t, openImage(t, path), func(tx *Tx) error {
					left = 0
					for g := range tx.groups {
						s, err := tx.loadBlocks(g)
						mustDo(t, err)
						d, err := tx.desc(g)
						mustDo(t, err)
						if tx.flags(d)&format.BGBlockUninit != 0 {
							s.taken.set(0, tx.groupClusters(g))
							s.kept = true
						}
						_, n := s.taken.run(0, tx.groupClusters(g), 8192)
						left = max(left, n)
					}
					if left == 0 {
						return nil
					}
					return tx.WriteFile(fmt.Sprint("fills ", i), zeros(int64(left)<<10), Attr{Mode: 0o644})
				}, WithoutJournal())
			}
			testimage.Fsck(t, path, 0)
			content := zeros(int64(openImage(t, path).Info().FreeBlocks-400) << 10)
			r, outcomes := recordChange(t, path, func(tx *Tx) error {
				if err := tx.WriteFile("large", content, Attr{Mode: 0o600}); err != nil {
					return err
				}
				return onlyModes(1150, 0o600)(tx)
			})
			cutLarge(t, r, path, outcomes, "kernel", "e2fsck -p", "we")
		})
	}
}
