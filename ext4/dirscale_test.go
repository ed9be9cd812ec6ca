package ext4

import (
	"fmt"
	"testing"
)

// countedSource counts the metadata blocks that a transaction asks for, from the cache or not.
type countedSource struct {
	source
	asked int
}

func (c *countedSource) Block(n FSBlock) ([]byte, error) {
	c.asked++
	return c.source.Block(n)
}

// A name costs the same however many there are: adding, replacing and removing do not search the directory from its beginning.
func TestANameCostsTheSameInALongDirectory(t *testing.T) {
	for _, profile := range []string{"nixos-1k", "linear-1k", "no-checksums-4k"} {
		t.Run(profile, func(t *testing.T) {
			path := unlinkImage(t, profile, 0)
			mustUpdate(t, openImage(t, path), func(tx *Tx) error {
				counted := &countedSource{source: tx.src}
				tx.src = counted
				perName := func(from, to int, fn func(name string) error) float64 {
					t.Helper()
					counted.asked = 0
					for i := from; i < to; i++ {
						if err := fn(fmt.Sprintf("name-%d-%0*d", i, 1+i*i%200, i)); err != nil { // of every length
							t.Fatal(err)
						}
					}
					return float64(counted.asked) / float64(to-from)
				}
				link := func(name string) error { return linkTo(tx, "d", name) }
				unlink := func(name string) error { return unlinkOf(tx, "d", name) }
				few := perName(0, 500, link)
				perName(500, 5000, link)
				many := perName(5000, 5500, link)
				gone := perName(100, 1100, unlink)
				again := perName(100, 1100, link)
				t.Logf("blocks asked for by a name: %.1f among 500, %.1f among 5,000; %.1f to remove it, %.1f in a gap", few, many, gone, again)
				for _, n := range []float64{many, gone, again} {
					if n > 3*few+20 {
						t.Errorf("a name in a long directory asks for %.1f blocks, one in a short directory for %.1f", n, few)
					}
				}
				return nil
			}, WithoutJournal())
		})
	}
}
