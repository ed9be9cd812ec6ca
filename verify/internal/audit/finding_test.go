package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFindingsAreTheSameInAnyOrder keeps the first ones by object, whoever found them when, and no error is lost to a warning.
func TestFindingsAreTheSameInAnyOrder(t *testing.T) {
	var before []Finding
	for seed := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var c checker
		for _, i := range rnd.Perm(5 * maxFindings) {
			c.warn(CodeCounters, groupObject(uint32(i)), "%d", i)
			if i%2 == 0 {
				c.report(CodeInode, inodeObject(uint32(i)), "%d", i)
				c.report(CodeInode, inodeObject(uint32(i)), "%d", i) // once more
			}
		}
		got := c.found.sorted()
		if len(got) != 2*maxFindings {
			t.Fatalf("%d findings", len(got))
		}
		for i, f := range got[:maxFindings] {
			if want := (Finding{CodeCounters, Warning, groupObject(uint32(i)), fmt.Sprint(i)}); f != want {
				t.Fatalf("finding %d is %v, want %v", i, f, want)
			}
		}
		if last := got[2*maxFindings-1]; last.Object.Number != 2*(maxFindings-1) || last.Severity != Error {
			t.Errorf("the last one is %v", last)
		}
		if n := c.found.dropped[Warning]; n != 4*maxFindings {
			t.Errorf("%d warnings were dropped", n)
		}
		if seed > 0 && !slices.Equal(got, before) {
			t.Error("another order gives others")
		}
		before = got
	}
}
