package audit_test

// This file reads what e2fsck says for the objects that it names, and holds our findings' objects against them.

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"boringboot/verify/internal/audit"
)

// naming is how a line of e2fsck's names an object, and which. Every number that the expression finds is one; without any it is number.
type naming struct {
	kind   audit.Kind
	re     *regexp.Regexp
	number uint64
}

var namings = []naming{
	{audit.Inode, regexp.MustCompile(`(?i)inodes? #?(\d+)`), 0},
	{audit.Inode, regexp.MustCompile(`in .* \((\d+)\)`), 0}, // Entry 'x' in /path (13)
	{audit.Inode, regexp.MustCompile(`(?i)ino[= ](\d+)`), 0},
	{audit.Inode, regexp.MustCompile(`[Dd]irectory (?:inode )?<?.*>? \((\d+)\)`), 0},
	{audit.Inode, regexp.MustCompile(`<(\d+)>`), 0},
	{audit.Inode, regexp.MustCompile(`(?i)root (?:inode|directory)`), 2},
	{audit.Inode, regexp.MustCompile(`(?i)bad blocks? (?:inode|list)`), 1},
	{audit.Inode, regexp.MustCompile(`(?i)resize inode`), 7},
	{audit.Inode, regexp.MustCompile(`(?i)journal inode`), 8},
	{audit.Group, regexp.MustCompile(`(?i)group (?:descriptor )?#?(\d+)`), 0},
	{audit.Block, regexp.MustCompile(`(?i)block #?(\d+)`), 0},
	{audit.Superblock, regexp.MustCompile(`(?i)superblock|(?:blocks|inodes) count wrong \(|unsupported feature`), 0},
	{audit.Journal, regexp.MustCompile(`(?i)journal`), 0},
	{audit.OrphanFile, regexp.MustCompile(`(?i)orphan file`), 0},
	{audit.MMP, regexp.MustCompile(`(?i)\bmmp\b`), 0},
	{audit.Quota, regexp.MustCompile(`(?i)user quota|quota type 0`), 0},
	{audit.Quota, regexp.MustCompile(`(?i)group quota|quota type 1`), 1},
	{audit.Quota, regexp.MustCompile(`(?i)project quota|quota type 2`), 2},
}

// In lists of differences a number stands behind a sign: "+12", "-(12--17)".
var differences = regexp.MustCompile(`[-+]\(?(\d+)`)

// maxLines are enough to see what the damage is about.
const maxLines = 100

// objects are what e2fsck names.
func (l *layout) objects(out string) map[audit.Object]bool {
	named := map[audit.Object]bool{}
	add := func(kind audit.Kind, n uint64) {
		named[audit.Object{Kind: kind, Number: n}] = true
		if kind == audit.Block && n >= uint64(l.first) {
			named[audit.Object{Kind: audit.Group, Number: l.groupOf(n)}] = true
		}
	}
	lines := 0
	for line := range strings.Lines(out) {
		if lines++; lines > maxLines {
			break
		}
		if strings.HasPrefix(line, "e2fsck ") || strings.HasPrefix(line, "Pass ") || strings.HasPrefix(line, "audit:") ||
			strings.HasPrefix(line, "Warning: skipping journal recovery") {
			continue
		}
		for _, n := range namings {
			for _, m := range n.re.FindAllStringSubmatch(line, -1) {
				if len(m) == 1 {
					add(n.kind, n.number)
				}
				for _, digits := range m[1:] {
					if number, err := strconv.ParseUint(digits, 10, 64); err == nil {
						add(n.kind, number)
					}
				}
			}
		}
		blocks, inodes := strings.HasPrefix(line, "Block bitmap differences"), strings.HasPrefix(line, "Inode bitmap differences")
		if !blocks && !inodes {
			continue
		}
		for _, m := range differences.FindAllStringSubmatch(line, -1) {
			n, err := strconv.ParseUint(m[1], 10, 64)
			switch {
			case err != nil:
			case blocks:
				add(audit.Block, n)
			default:
				add(audit.Inode, n)
				add(audit.Group, (n-1)/uint64(l.inodesPerGroup))
			}
		}
	}
	return named
}

var blockNumber = regexp.MustCompile(`block (\d+)`)

func (l *layout) groupOf(block uint64) uint64 { return (block - uint64(l.first)) / uint64(l.perGroup) }

// sameObject says whether one of our errors is about something that e2fsck names. Where e2fsck names nothing there is nothing to compare.
func (v verdicts) sameObject(l *layout) bool {
	named := v.named
	if named == nil {
		named = l.objects(v.fsck)
	}
	if len(named) == 0 || v.err != nil {
		return true
	}
	return slices.ContainsFunc(v.findings, func(f audit.Finding) bool {
		o := f.Object
		switch {
		case f.Severity != audit.Error:
			return false
		case o.Kind == audit.OrphanFile || o.Kind == audit.Journal || o.Kind == audit.MMP: // there is one
			o.Number = 0
		case o.Kind == audit.Group && strings.Contains(v.fsck, "orrupt group descriptor"): // e2fsck does not say which
			return true
		case o.Kind == audit.Block && o.Number >= uint64(l.first) && named[audit.Object{Kind: audit.Group, Number: l.groupOf(o.Number)}]:
			return true
		}
		if named[o] {
			return true
		}
		// A block that belongs to somebody: the sentence has its number.
		for _, m := range blockNumber.FindAllStringSubmatch(f.Message, -1) {
			if n, err := strconv.ParseUint(m[1], 10, 64); err == nil && named[audit.Object{Kind: audit.Block, Number: n}] {
				return true
			}
		}
		return false
	})
}
