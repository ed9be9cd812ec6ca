package audit_test

// This file tests the oracle: that it knows where things are, and that it sees what it is there to see.

import (
	"testing"
)

// A checksum that we would compute otherwise than e2fsprogs shows here: sealing changes what was sealed before.
func TestSealingAnUndamagedImageChangesNothing(t *testing.T) {
	for _, r := range allRecipes() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := newSubject(t, r)
			for _, target := range s.targets {
				if target.structure == "free inode" { // it has no checksum while it was never used
					continue
				}
				for _, seal := range target.seals {
					seal(&s.canvas)
				}
				if len(s.undo) > 0 {
					t.Errorf("%s, %s at %#x: sealed otherwise at %#x", target.structure, target.field, target.at, s.undo[0].at)
					if err := s.heal(); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}
