package audit

// This file tests which of several names of a directory is taken for its own.

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestNamingsInAnyOrder has two directories named by forty each, in any order: the name is the first by place, or the one that ".."
// agrees with, and the others are told where they are.
func TestNamingsInAnyOrder(t *testing.T) {
	for _, x := range []struct{ dotdot, want uint32 }{{0, 21}, {21, 21}, {35, 35}, {70, 21}} {
		var before []Finding
		for seed := range uint64(5) {
			c, _ := mapped(8, nil, 0, nil)
			dirs := [2]*directory{{ino: 12}, {ino: 13}}
			for _, d := range dirs {
				d.dotdot.Store(x.dotdot)
				c.addDirectory(d)
			}
			for _, i := range rand.New(rand.NewPCG(seed, 1)).Perm(80) {
				c.namings.add(dirs[i%2], naming{parent: 21 + uint32(i)/2, at: uint32(12 * i)})
			}
			c.settleNamings()
			for _, d := range dirs {
				if d.named.parent != x.want {
					t.Errorf("..: %d: inode %d names the directory, want %d", x.dotdot, d.named.parent, x.want)
				}
			}
			got := c.found.sorted()
			if len(got) != 78 || slices.ContainsFunc(got, func(f Finding) bool { return f.Object == inodeObject(x.want) }) {
				t.Errorf("..: %d: %d findings: %v", x.dotdot, len(got), got)
			}
			if seed > 0 && !slices.Equal(got, before) {
				t.Error("another order gives others")
			}
			before = got
		}
	}
}

// TestNamingsAreBounded keeps the first by place.
func TestNamingsAreBounded(t *testing.T) {
	for seed := range uint64(2) {
		var n namings
		d := &directory{ino: 12}
		for _, i := range rand.New(rand.NewPCG(seed, 1)).Perm(4 * maxExtraNamings) {
			n.add(d, naming{parent: uint32(i) + 1})
		}
		n.cut()
		if last := n.extra[len(n.extra)-1]; len(n.extra) != maxExtraNamings || last.parent != maxExtraNamings+1 || d.named.parent != 1 {
			t.Errorf("%d are kept, the last of %d; the name is %d's", len(n.extra), last.parent, d.named.parent)
		}
	}
}

// TestTheRootIsItsOwnParent has a directory name the root, which is no better a name for what the root's "..", damaged, says.
func TestTheRootIsItsOwnParent(t *testing.T) {
	c, _ := mapped(8, nil, 0, nil)
	root := &directory{ino: rootInode, named: naming{parent: rootInode}}
	root.dotdot.Store(21)
	c.addDirectory(root)
	c.namings.add(root, naming{parent: 21})
	c.settleNamings()
	if got := c.found.sorted(); root.named.parent != rootInode || len(got) != 1 || got[0].Object != inodeObject(21) {
		t.Errorf("inode %d names the root: %v", root.named.parent, got)
	}
}
