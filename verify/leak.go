// Leaks: the secrets are looked for in the whole disk, and may be nowhere but in their own files.

package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"boringboot/internal/manifest"
)

const (
	maxLeaks = 5        // places that are told of one secret
	nearby   = 64 << 10 // bytes: pieces of one secret that are so close to each other are one leak
)

// Leaks looks for the wanted secrets in every byte of the disk: the other partitions, the gaps between them, all files, free blocks, the
// rest of last blocks, the journal. What is found anywhere but in the files that hold it by the manifest is an error. structure, if it
// is not nil, is what AuditStructure found of the root, and lets the findings say whose a block is. Compressed files are not looked into.
//
// A finding names the secret by its file and variable, and never shows any of it. The error is for what could not be read.
func Leaks(ctx context.Context, d *Disk, structure *Structure, want []manifest.Entry) ([]Finding, error) {
	list, findings, err := needles(want)
	if err != nil || len(list) == 0 {
		return findings, err
	}
	var paths []string
	for _, e := range want {
		paths = append(paths, e.Path)
	}
	places, _, err := d.placesOf(ctx, paths)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("leaks: %w", ctx.Err())
	}
	if err != nil {
		places = nil // the audit tells what is damaged; wherever a secret is then, it is told
	}
	hits, more, err := newSearcher(list).search(ctx, d.Reader, d.Size, func(h hit) bool {
		n := list[h.needle]
		return inOwnFile(places, n, span{h.at, h.at + int64(len(n.bytes))}) || !n.isLeak(d.Reader, d.Size, h.at)
	})
	if err != nil {
		return nil, fmt.Errorf("leaks: %w", err)
	}
	l := &locator{d: d, structure: structure}
	told, seen := map[string]int{}, map[string]bool{} // places of a secret; a secret at a place
	last := map[string]int64{}                        // where a piece of a secret was
	for _, h := range hits {
		n := list[h.needle]
		before, again := last[n.what]
		last[n.what] = h.at
		if part := d.partAt(h.at); again && h.at-before < nearby && part == d.partAt(before) && (part != d.Root || structure == nil) {
			continue // another piece of it; in the root its blocks tell
		}
		message := fmt.Sprintf("%s is also %s", n.what, l.at(h.at))
		if seen[message] {
			continue // another piece of it
		}
		seen[message] = true
		if told[n.what]++; told[n.what] <= maxLeaks {
			findings = append(findings, Finding{Code: codeLeak, Severity: Error, Message: message})
		}
	}
	for _, what := range slices.Sorted(maps.Keys(told)) {
		if count := told[what]; count > maxLeaks {
			findings = append(findings, Finding{Code: codeLeak, Severity: Error, Message: fmt.Sprintf("%s is in %d more places", what, count-maxLeaks)})
		}
	}
	if more {
		findings = append(findings, Finding{Code: codeLeak, Severity: Error, Message: "the search was ended: secrets are in more places than these"})
	}
	return findings, nil
}

func inOwnFile(places map[string][]span, n needle, s span) bool {
	for _, path := range n.files {
		for _, p := range places[path] {
			if p.holds(s) {
				return true
			}
		}
	}
	return false
}
