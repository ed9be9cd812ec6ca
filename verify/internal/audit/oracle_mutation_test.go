package audit_test

// This file tests the oracle by breaking the audit: without the findings of any one code, images disagree that agreed before. So
// every code is needed, and a check that is lost does not stay unseen.

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"boringboot/verify/internal/audit"
)

// proof is damage that a single code of ours answers for.
type proof struct {
	code      audit.Code
	image     string
	structure string // of the target
	field     string
	how       string
	sealed    bool
}

var proofs = []proof{
	{audit.CodeSuperblock, "modern-1k", "superblock", "s_inodes_per_group", "ones", true},
}

// decisive are the codes without which the two would not agree.
func (v verdicts) decisive(l *layout) []audit.Code {
	var list []audit.Code
	for _, f := range v.findings {
		if !slices.Contains(list, f.Code) && v.without(f.Code).disagreement(l, false) != "" {
			list = append(list, f.Code)
		}
	}
	return list
}

// without is what would be said if the audit lacked a check.
func (v verdicts) without(code audit.Code) verdicts {
	v.findings = slices.DeleteFunc(slices.Clone(v.findings), func(f audit.Finding) bool { return f.Code == code })
	return v
}

func TestEachCheckThatIsLostIsMissed(t *testing.T) {
	byImage := map[string][]proof{}
	for _, p := range proofs {
		byImage[p.image] = append(byImage[p.image], p)
	}
	for _, r := range recipes {
		if len(byImage[r.name]) == 0 {
			continue
		}
		s := newSubject(t, r).toFile(t)
		for _, p := range byImage[r.name] {
			t.Run(string(p.code), func(t *testing.T) {
				if !s.proves(t, p) {
					t.Errorf("%s | %s | %s does no damage that only this code answers for", p.structure, p.field, p.how)
				}
			})
		}
	}
}

// proves tries the damage on some fields of that name.
func (s *subject) proves(t *testing.T, p proof) bool {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, i := range s.byField[p.structure][p.field] {
		s.strike(rnd, blow{i, p.how, p.sealed})
		changed, err := s.show()
		if err != nil {
			t.Fatal(err)
		}
		ok := false
		if changed {
			v := judge(t, s.path, s.data, audit.Options{})
			ok = v.disagreement(s.layout, false) == "" && v.without(p.code).disagreement(s.layout, false) != ""
		}
		if err := s.heal(); err != nil {
			t.Fatal(err)
		}
		if ok {
			return true
		}
	}
	return false
}

// The comparison sees a verdict that is turned round, an object that is another, and a panic.
func TestTheComparisonSeesWhatIsFalse(t *testing.T) {
	s := newSubject(t, recipes[0])
	inode := func(n uint64) []audit.Finding {
		return []audit.Finding{{Code: audit.CodeInode, Severity: audit.Error, Object: audit.Object{Kind: audit.Inode, Number: n}}}
	}
	const bad = "Inode 12, i_blocks is 4, should be 2.  Fix? no\n"
	tests := []struct {
		name string
		v    verdicts
		want string // the verdict of the group, "" for none
	}{
		{"both find it clean", verdicts{}, ""},
		{"both find the same", verdicts{fsck: bad, code: 4, findings: inode(12)}, ""},
		{"ours finds nothing", verdicts{fsck: bad, code: 4}, passes},
		{"ours finds what e2fsck does not", verdicts{findings: inode(12)}, alarms},
		{"ours only warns", verdicts{fsck: bad, code: 4, findings: []audit.Finding{{Object: audit.Object{Kind: audit.Inode, Number: 12}}}}, passes},
		{"ours names another inode", verdicts{fsck: bad, code: 4, findings: inode(13)}, elsewhere},
		{"ours says nothing of a warning", verdicts{fsck: bad}, overlooked},
		{"ours ends in an error", verdicts{err: errPanic}, alarms},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			y := newTally()
			y.add(s, []blow{{target: 0, how: "zero"}}, test.v)
			got := ""
			for _, g := range y.groups {
				got = g.verdict
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if (test.v.err != nil) != (len(y.faults) == 1) {
				t.Errorf("faults: %q", y.faults)
			}
		})
	}
}

func TestTheListExcusesNoDamageThatMustNotPass(t *testing.T) {
	list := []excuse{{damage: regexp.MustCompile(`.*`), verdict: passes, reason: "why not"}}
	for key, excused := range map[string]bool{
		"inode: file | i_atime | zero, sealed":       true,
		"block bitmap | bits | bit, sealed":          false,
		"inode: file | i_links_count | ones, sealed": false,
		"directory leaf: entry | inode | ones":       false,
		"superblock | s_checksum | ones":             false,
		"extents in a block: extent | ee_len | zero": false,
	} {
		g := &group{parts: []string{key}, verdict: passes}
		if got := reasonFor(list, g) != ""; got != excused {
			t.Errorf("%s: excused %v", key, got)
		}
	}
}

// What e2fsck says is read for what it names.
func TestTheObjectsThatFsckNamesAreFound(t *testing.T) {
	l := &layout{first: 1, perGroup: 100, inodesPerGroup: 50}
	for line, want := range map[string]string{
		"Inode 12, i_blocks is 4, should be 2.  Fix? no":                 "inode 12",
		"Entry 'x' in /a/b (13) has deleted/unused inode 77.  Clear? no": "inode 13",
		"Unattached inode 21":                                                                      "inode 21",
		"Group descriptor 3 checksum is 0x1, should be 0x2.":                                       "group 3",
		"Block bitmap differences:  -(205--207) +309":                                              "group 2",
		"Inode bitmap differences:  -61":                                                           "inode 61",
		"Free blocks count wrong for group #7 (1, counted=2).":                                     "group 7",
		"Problem in HTREE directory inode 30: block #3 has invalid depth (2)":                      "inode 30",
		"ext2fs_read_bb_inode: superblock checksum does not match superblock while trying to open": "superblock 0",
	} {
		var names []string
		for o := range l.objects(line) {
			names = append(names, fmt.Sprintf("%s %d", kinds[o.Kind], o.Number))
		}
		if !slices.Contains(names, want) {
			t.Errorf("%q: %s, want %s", line, strings.Join(names, ", "), want)
		}
	}
}
