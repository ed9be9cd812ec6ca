package audit_test

// This file fuzzes the whole audit: whatever an image holds, it ends, in time and within its memory.

import (
	"bytes"
	"testing"
	"time"

	"boringboot/verify/internal/audit"
)

// fuzzedImages are small, and of every kind of structure one has some.
var fuzzedImages = []string{"modern-1k", "ext3", "inline_data in inodes of 512 bytes", "ea_inode and quota", "bigalloc, 1k", "mmp without checksums",
	"meta_bg without checksums"}

// FuzzAudit takes an image and what is done to it. The first byte chooses the image. Then come blows of 8 bytes: how, where (3 bytes), and
// what is written there, of which the first tells the width. The lowest bit of how chooses between a field of a structure and any place,
// the next one whether checksums are made right.
func FuzzAudit(f *testing.F) {
	var subjects []*subject
	for _, name := range fuzzedImages {
		for _, r := range recipes {
			if r.name == name {
				r.stale = false
				subjects = append(subjects, newSubject(f, r))
			}
		}
	}
	for i := range subjects {
		f.Add([]byte{byte(i)})
		f.Add([]byte{byte(i), 2, 0, 0, 9, 0xFF, 0xFF, 0xFF, 0xFF})
		f.Add([]byte{byte(i), 3, 0, 4, 0x18, 1, 2, 3, 4, 2, 0, 1, 40, 7, 7, 7, 7})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 1000 {
			return
		}
		s := subjects[int(script[0])%len(subjects)]
		s.follow(script[1:])
		start, before := time.Now(), allocations()
		result, err := audit.Run(t.Context(), s, int64(len(s.data)), audit.Options{Workers: 1}) // so that the same input goes the same way
		if took, memory := time.Since(start), allocations()-before; took > tooLong || memory > tooMuch {
			t.Errorf("%v, %d MiB", took, memory>>20)
		}
		if err == nil && result == nil {
			t.Error("neither a result nor an error")
		}
		if err := s.heal(); err != nil {
			t.Fatal(err)
		}
	})
}

// follow does what a script says.
func (s *subject) follow(script []byte) {
	for ; len(script) >= 8; script = script[8:] {
		how, where, what := script[0], int(script[1])<<16|int(script[2])<<8|int(script[3]), script[4:8]
		width := 1 + int(what[0])%4
		at := where % (len(s.data) - 4)
		var seals []seal
		if how&1 == 0 {
			t := s.targets[where%len(s.targets)]
			at, seals = t.at, t.seals
			width = min(width, t.width)
		}
		s.write(at, what[:width])
		if how&2 != 0 {
			for _, seal := range seals {
				s.trySeal(seal)
			}
		}
	}
}

// ReadAt makes the subject's memory what is audited.
func (s *subject) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.data).ReadAt(p, off)
}
