package audit_test

// This file reads the list of disagreements that remain, each with its reason.

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listPath is relative to this package.
const listPath = "../../../testdata/audit/disagreements.txt"

// excuse is a line of the list: which damage, which verdicts, why, and where it needs that, what e2fsck says.
type excuse struct {
	damage  *regexp.Regexp
	verdict string
	reason  string
	says    string
}

// disagreements reads the list. A line has three parts: the damage (a regular expression of all of "structure | field | how"), the
// verdicts, the reason; some have a fourth, a text that e2fsck prints (one of telling).
func disagreements(t *testing.T) []excuse {
	t.Helper()
	content, err := os.ReadFile(listPath)
	if err != nil {
		t.Fatal(err)
	}
	var list []excuse
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, " ;; ")
		says := ""
		if len(parts) == 4 && slices.Contains(telling, parts[3]) {
			says, parts = parts[3], parts[:3]
		}
		if len(parts) != 3 {
			t.Fatalf("%s: %q has not three parts", listPath, line)
		}
		damage, err := regexp.Compile("^(?:" + parts[0] + ")$")
		if err != nil {
			t.Fatalf("%s: %v", listPath, err)
		}
		if parts[1] == passes && forbidden.MatchString(parts[0]) {
			t.Errorf("%s: %q: such damage must not pass", listPath, line)
		}
		list = append(list, excuse{damage, parts[1], parts[2], says})
	}
	return list
}

// telling are texts of e2fsck that say how it came to its verdict: it goes by the copies of superblock and descriptors; it gave up; it
// mentions a checksum before its first pass.
var telling = []string{"trying backup blocks", "e2fsck: aborted", "Group descriptor 0 checksum is"}

// forbidden is damage that no reason excuses where it passes: bitmaps, checksums, link counts, directory entries, extents.
var forbidden = regexp.MustCompile(`bitmap|checksum|csum|i_links_count|directory|entry|extent`)

// reasonFor is why a disagreement is known, or "". Of damage to several fields one that is excused is enough.
func reasonFor(list []excuse, g *group) string {
	for _, part := range g.parts {
		if g.verdict == passes && forbidden.MatchString(part) {
			continue
		}
		for _, e := range list {
			if e.verdict == g.verdict && (e.says == "" || e.says == g.says) && e.damage.MatchString(part) {
				return e.reason
			}
		}
	}
	return ""
}
