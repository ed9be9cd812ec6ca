// This file chooses the root file system among the partitions.

package partition

import (
	"fmt"
	"strings"

	"boringboot/internal/show"
)

// DefaultLabel is the label that nixpkgs gives the root file system of its SD images (sd-image.nix, rootVolumeLabel).
const DefaultLabel = "NIXOS_SD"

// Selector says which root is meant. The zero value finds it: the one ext file system, or the one labelled NIXOS_SD.
type Selector struct {
	Number int    // the partition's number
	Label  string // the file system's label
}

// Root returns the partition that holds the root file system, to be written to: nothing else may lie there, and nothing of the image may be
// missing. ext2 and ext3 are
// candidates as well as ext4: whether it can be written is the file system's own question.
func (t *Table) Root(sel Selector) (Partition, error) {
	p, err := t.Find(sel)
	if err != nil {
		return Partition{}, err
	}
	if t.cut != nil {
		return Partition{}, t.cut
	}
	for _, q := range t.Partitions {
		if q.Number != p.Number && overlap(p, q) {
			return Partition{}, failf(ErrDamaged, "partition %d overlaps partition %d: a change of one would damage the other", p.Number, q.Number)
		}
	}
	if t.coversTable(p) {
		return Partition{}, failf(ErrDamaged, "partition %d covers the partition table itself", p.Number)
	}
	return p, nil
}

// Find returns the partition that holds the root file system, to be read. What the partition shares with others is in t.Faults.
func (t *Table) Find(sel Selector) (Partition, error) {
	if sel.Number != 0 {
		return t.byNumber(sel)
	}
	ext := t.filter(func(p Partition) bool { return !p.extended && isExt(p.FileSystem.Type) })
	if len(ext) == 0 {
		return Partition{}, failf(ErrNoRoot, "no ext4 file system in the image: found %s", t.found())
	}
	if sel.Label != "" {
		labelled := filter(ext, func(p Partition) bool { return p.FileSystem.Label == sel.Label })
		switch len(labelled) {
		case 0:
			return Partition{}, failf(ErrNoRoot, "no ext4 file system is labelled %q: found %s", sel.Label, t.found())
		case 1:
			return labelled[0], nil
		}
		return Partition{}, failf(ErrAmbiguous, "%d file systems are labelled %q: %s", len(labelled), sel.Label, describe(labelled))
	}
	if len(ext) == 1 {
		return ext[0], nil
	}
	labelled := filter(ext, func(p Partition) bool { return p.FileSystem.Label == DefaultLabel })
	switch len(labelled) {
	case 0:
		return Partition{}, failf(ErrAmbiguous, "%d file systems could be the root and none is labelled %s: %s", len(ext), DefaultLabel, describe(ext))
	case 1:
		return labelled[0], nil
	}
	return Partition{}, failf(ErrAmbiguous, "%d file systems are labelled %s: %s", len(labelled), DefaultLabel, describe(labelled))
}

func (t *Table) byNumber(sel Selector) (Partition, error) {
	if t.Scheme == None {
		return Partition{}, failf(ErrNoRoot, "there is no partition %d: the image has no partition table, it is one %s file system", sel.Number, t.Partitions[0].FileSystem.Type)
	}
	named := t.filter(func(p Partition) bool { return p.Number == sel.Number })
	if len(named) == 0 {
		return Partition{}, failf(ErrNoRoot, "there is no partition %d: found %s", sel.Number, t.found())
	}
	p := named[0]
	switch {
	case p.extended:
		return Partition{}, failf(ErrNoRoot, "partition %d is extended: it holds partitions, no file system", p.Number)
	case !isExt(p.FileSystem.Type):
		return Partition{}, failf(ErrNoRoot, "partition %d is no ext4 file system: found %s", p.Number, p)
	case sel.Label != "" && p.FileSystem.Label != sel.Label:
		return Partition{}, failf(ErrNoRoot, "partition %d is not labelled %q: found %s", p.Number, sel.Label, p)
	}
	return p, nil
}

func (t *Table) filter(keep func(Partition) bool) []Partition { return filter(t.Partitions, keep) }

func filter(all []Partition, keep func(Partition) bool) (kept []Partition) {
	for _, p := range all {
		if keep(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// found lists everything in the table, for an error.
func (t *Table) found() string {
	if len(t.Partitions) == 0 {
		return "an empty partition table"
	}
	return describe(t.Partitions)
}

// maxListed bounds an error's length, and the faults of one kind: a table may have thousands of partitions.
const maxListed = 16

func describe(parts []Partition) string {
	var texts []string
	for i, p := range parts {
		if i == maxListed {
			texts = append(texts, fmt.Sprintf("and %d more", len(parts)-i))
			break
		}
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ", ")
}

// String describes the partition in a few words: "partition 2 (ext4 \"NIXOS_SD\", 1.2 GiB)".
func (p Partition) String() string {
	what := p.FileSystem.Type
	switch {
	case p.extended:
		what = "extended"
	case what == "":
		what = "nothing known, type " + p.Type
	}
	if p.FileSystem.Label != "" {
		what += fmt.Sprintf(" %q", p.FileSystem.Label)
	}
	name := fmt.Sprintf("partition %d", p.Number)
	if p.Number == 0 {
		name = "the whole image"
	}
	return fmt.Sprintf("%s (%s, %s)", name, what, show.Size(p.Size))
}
