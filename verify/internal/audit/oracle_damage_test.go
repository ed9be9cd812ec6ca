package audit_test

// This file does the damage: one field, or several at once, with the checksums left wrong or made right.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// hows are the ways in which a field is damaged.
var hows = []string{"bit", "zero", "ones", "neighbour", "plus one", "minus one", "random"}

// subject is an image under damage: in memory for us, in a file for e2fsck, both the same.
type subject struct {
	recipe
	canvas
	path    string
	file    *os.File
	targets []target
	// The numbers of the targets by structure and field, and the names in order.
	byField    map[string]map[string][]int
	structures []string
	fieldsOf   map[string][]string
}

func newSubject(tb testing.TB, r recipe) *subject {
	tb.Helper()
	s := &subject{recipe: r, canvas: canvas{layout: layoutOf(r.image(tb))}, byField: map[string]map[string][]int{}, fieldsOf: map[string][]string{}}
	s.targets = s.layout.targets()
	for i, t := range s.targets {
		if s.byField[t.structure] == nil {
			s.byField[t.structure] = map[string][]int{}
			s.structures = append(s.structures, t.structure)
		}
		if s.byField[t.structure][t.field] == nil {
			s.fieldsOf[t.structure] = append(s.fieldsOf[t.structure], t.field)
		}
		s.byField[t.structure][t.field] = append(s.byField[t.structure][t.field], i)
	}
	return s
}

// toFile writes the image into a file, for e2fsck.
func (s *subject) toFile(tb testing.TB) *subject {
	tb.Helper()
	file, err := os.CreateTemp(fastDir(), "audit-subject-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		file.Close()
		os.Remove(file.Name())
	})
	if _, err := file.WriteAt(s.data, 0); err != nil {
		tb.Fatal(err)
	}
	s.path, s.file = file.Name(), file
	return s
}

// blow is one thing that is done to one field.
type blow struct {
	target int
	how    string
	sealed bool
}

func (s *subject) String(b blow) string {
	t := s.targets[b.target]
	sealed := "checksums stale"
	switch {
	case b.sealed:
		sealed = "sealed"
	case !s.summed && !s.gdtSummed: // there are none
		sealed = "as it is"
	}
	return fmt.Sprintf("%s | %s | %s, %s", t.structure, t.field, b.how, sealed)
}

// lot draws a blow: every structure as likely as every other, and every field in it.
func (s *subject) lot(rnd *rand.Rand) blow {
	structure := s.structures[rnd.IntN(len(s.structures))]
	names := s.fieldsOf[structure]
	which := s.byField[structure][names[rnd.IntN(len(names))]]
	return blow{which[rnd.IntN(len(which))], hows[rnd.IntN(len(hows))], rnd.IntN(3) > 0}
}

// strike damages the image.
func (s *subject) strike(rnd *rand.Rand, blows ...blow) {
	for _, b := range blows {
		t := s.targets[b.target]
		s.write(t.at, s.damaged(rnd, t, b.how))
	}
	for _, b := range blows {
		if b.sealed {
			for _, seal := range s.targets[b.target].seals {
				s.trySeal(seal)
			}
		}
	}
}

// trySeal gives up where another blow has taken away what it takes to find the place.
func (s *subject) trySeal(seal seal) {
	defer func() { _ = recover() }()
	seal(&s.canvas)
}

func (s *subject) damaged(rnd *rand.Rand, t target, how string) []byte {
	b := bytes.Clone(s.data[t.at:][:t.width])
	switch how {
	case "bit":
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
	case "zero":
		clear(b)
	case "ones":
		for i := range b {
			b[i] = 0xFF
		}
	case "random":
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
	case "plus one", "minus one":
		step := byte(1)
		if how == "minus one" {
			step = 0xFF
		}
		for i := range b {
			if t.bigEndian {
				i = len(b) - 1 - i
			}
			old := b[i]
			b[i] += step
			if how == "plus one" && old != 0xFF || how == "minus one" && old != 0 {
				break
			}
		}
	case "neighbour":
		all := s.byField[t.structure][t.field]
		other := s.targets[all[rnd.IntN(len(all))]]
		if other.at == t.at || other.width != t.width {
			other.at = min(t.at+t.width, len(s.data)-t.width)
		}
		copy(b, s.data[other.at:])
	}
	return b
}

// show writes to the file what was done in memory, and says whether there is any change.
func (s *subject) show() (bool, error) {
	for _, p := range s.undo {
		if _, err := s.file.WriteAt(s.data[p.at:][:len(p.old)], int64(p.at)); err != nil {
			return false, err
		}
	}
	return len(s.undo) > 0, nil
}

// heal undoes all damage.
func (s *subject) heal() error {
	for i := len(s.undo) - 1; i >= 0; i-- {
		p := s.undo[i]
		copy(s.data[p.at:], p.old)
		if s.file == nil {
			continue
		}
		if _, err := s.file.WriteAt(p.old, int64(p.at)); err != nil {
			return err
		}
	}
	s.undo = s.undo[:0]
	return nil
}

// line is the damage in a form that TestOneDamage takes: the image and, in hexadecimal, what was written where.
func (s *subject) line() string {
	var b strings.Builder
	b.WriteString(s.name)
	for _, p := range s.undo {
		fmt.Fprintf(&b, " %#x=%x", p.at, s.data[p.at:][:len(p.old)])
	}
	return b.String()
}
