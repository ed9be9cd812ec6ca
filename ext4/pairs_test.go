package ext4_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// This file combines features: as few file systems as it takes for every two
// choices that mke2fs lets stand together to be together in one of them.

// choice is one way in which a file system can be made.
type choice struct {
	name     string
	features string // of mke2fs -O, after a comma
	set      func(o *testimage.Options)
}

// aspects are what can be chosen, one of each.
var aspects = [][]choice{
	{{name: "1 KiB blocks", set: blocksOf(1024)}, {name: "2 KiB blocks", set: blocksOf(2048)}, {name: "4 KiB blocks", set: blocksOf(4096)}},
	{{name: "extents", features: "extent"}, {name: "indirect blocks"}},
	{{name: "no checksums"}, {name: "descriptor checksums", features: "uninit_bg"}, {name: "checksums", features: "metadata_csum"},
		{name: "checksums with a seed", features: "metadata_csum,metadata_csum_seed"}},
	{{name: "32-bit"}, {name: "64-bit", features: "64bit"}},
	{{name: "flex_bg", features: "flex_bg"}, {name: "no flex_bg"}, {name: "packed tables", features: "flex_bg",
		set: func(o *testimage.Options) { o.Extended += ",packed_meta_blocks=1" }}},
	{{name: "sparse_super", features: "sparse_super"}, {name: "a copy in every group"}, {name: "sparse_super2", features: "sparse_super2"},
		{name: "both", features: "sparse_super,sparse_super2"}},
	{{name: "resize_inode", features: "resize_inode"}, {name: "no resize_inode"}, {name: "meta_bg", features: "meta_bg"}},
	{{name: "dir_index", features: "dir_index"}, {name: "linear directories"}, {name: "large_dir", features: "dir_index,large_dir"}},
	{{name: "file types", features: "filetype"}, {name: "no file types"}},
	{{name: "data in blocks"}, {name: "inline data", features: "inline_data"}},
	{{name: "no clusters"}, {name: "clusters of 16 KiB", features: "bigalloc", set: clustersOf(16384)},
		{name: "clusters of 64 KiB", features: "bigalloc", set: clustersOf(65536)}},
	{{name: "ea_inode", features: "ea_inode"}, {name: "no ea_inode"}},
	{{name: "no quotas"}, {name: "quotas", features: "quota"}, {name: "project quotas", features: "quota,project",
		set: func(o *testimage.Options) { o.Extended += ",quotatype=usrquota:grpquota:prjquota" }}},
	{{name: "orphan file", features: "orphan_file"}, {name: "orphan list"}},
	{{name: "journal", features: "has_journal"}, {name: "no journal"}, {name: "fast commits", features: "has_journal,fast_commit"}},
	{{name: "inodes of 128 bytes", set: inodesOf(128)}, {name: "inodes of 256 bytes", set: inodesOf(256)},
		{name: "inodes of 512 bytes", set: inodesOf(512)}, {name: "inodes of 1024 bytes", set: inodesOf(1024)}},
	{{name: "huge_file", features: "huge_file,dir_nlink"}, {name: "no huge_file"}},
	{{name: "half-MD4"}, {name: "TEA", set: func(o *testimage.Options) { o.HashAlg = "tea" }},
		{name: "legacy, unsigned", set: func(o *testimage.Options) { o.HashAlg, o.UnsignedHash = "legacy", true }}},
	{{name: "large groups"}, {name: "small groups", set: func(o *testimage.Options) { o.BlocksPerGroup = 2048 }}},
	{{name: "nothing encrypted"}, {name: "encrypt", features: "encrypt,stable_inodes"}},
	{{name: "nothing verified"}, {name: "verity", features: "verity"}},
}

func blocksOf(size int) func(*testimage.Options) {
	return func(o *testimage.Options) { o.Profile.BlockSize = size }
}

func inodesOf(size int) func(*testimage.Options) {
	return func(o *testimage.Options) { o.Profile.InodeSize = size }
}

func clustersOf(size int) func(*testimage.Options) {
	return func(o *testimage.Options) {
		o.Profile.Args = append(o.Profile.Args, "-C", fmt.Sprint(size))
		o.Size = max(o.Size, 6000*int64(size)) // a file takes one at least
	}
}

// notTogether is what mke2fs refuses, or makes something else of.
var notTogether = [][2]string{
	{"indirect blocks", "64-bit"}, // "Extents MUST be enabled for a 64-bit filesystem"
	{"indirect blocks", "clusters of 16 KiB"}, {"indirect blocks", "clusters of 64 KiB"},
	{"a copy in every group", "resize_inode"}, // "reserved online resize blocks not supported on non-sparse filesystem"
	{"sparse_super2", "resize_inode"},
	{"orphan file", "no journal"},
	{"inline data", "inodes of 128 bytes"},
	{"project quotas", "inodes of 128 bytes"},
}

type combination []int // of each aspect the number of its choice

func (c combination) allowed() bool {
	names := map[string]bool{}
	for i, k := range c {
		names[aspects[i][k].name] = true
	}
	return !slices.ContainsFunc(notTogether, func(p [2]string) bool { return names[p[0]] && names[p[1]] })
}

func (c combination) options() testimage.Options {
	o := testimage.Options{StorePaths: 20, Size: 96 << 20, Inodes: 4000}
	set := []string{"ext_attr", "large_file"}
	for i, k := range c {
		choice := aspects[i][k]
		if choice.features != "" {
			set = append(set, choice.features)
		}
		if choice.set != nil {
			choice.set(&o)
		}
	}
	if o.Profile.InodeSize > 128 {
		set = append(set, "extra_isize")
	}
	if strings.Contains(strings.Join(set, ","), "quota") { // mke2fs -d does not count what it copies
		o.After = append(o.After, []string{"e2fsck", "-fy", "@"})
	}
	o.Extended = strings.TrimPrefix(o.Extended, ",")
	o.Profile.Features = strings.Join(set, ",")
	return o
}

func (c combination) String() string {
	var names []string
	for i, k := range c {
		names = append(names, aspects[i][k].name)
	}
	return strings.Join(names, ", ")
}

type pair struct{ aspect, choice, otherAspect, otherChoice int }

func (c combination) pairs() []pair {
	var list []pair
	for i, k := range c {
		for j := i + 1; j < len(c); j++ {
			list = append(list, pair{i, k, j, c[j]})
		}
	}
	return list
}

// with makes an allowed combination that has the pair, if it finds one.
func with(r *rand.Rand, p pair) (combination, bool) {
	c := make(combination, len(aspects))
	for range 200 {
		for i := range c {
			c[i] = r.IntN(len(aspects[i]))
		}
		c[p.aspect], c[p.otherAspect] = p.choice, p.otherChoice
		if c.allowed() {
			return c, true
		}
	}
	return nil, false
}

// allPairs chooses combinations until every pair that is allowed is in one of them: each time, of some that have the first pair that
// is missing, the one that has most of what is missing.
func allPairs(seed uint64) []combination {
	r := rand.New(rand.NewPCG(seed, 0))
	missing := map[pair]bool{}
	var order []pair
	for i := range aspects {
		for j := i + 1; j < len(aspects); j++ {
			for k := range aspects[i] {
				for l := range aspects[j] {
					order = append(order, pair{i, k, j, l})
					missing[order[len(order)-1]] = true
				}
			}
		}
	}
	var chosen []combination
	for _, p := range order {
		if !missing[p] {
			continue
		}
		var best combination
		most := -1
		for range 100 {
			c, ok := with(r, p)
			if !ok {
				break
			}
			n := 0
			for _, q := range c.pairs() {
				if missing[q] {
					n++
				}
			}
			if n > most {
				best, most = c, n
			}
		}
		if best == nil { // the two do not stand together
			delete(missing, p)
			continue
		}
		for _, q := range best.pairs() {
			delete(missing, q)
		}
		chosen = append(chosen, best)
	}
	return chosen
}

func TestEveryPairOfFeatures(t *testing.T) {
	for i, c := range allPairs(1) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			t.Log(c)
			o := c.options()
			o.Fill = oldDirectory
			testLayout(t, testimage.Ext4(t, o), o.Profile)
		})
	}
}
