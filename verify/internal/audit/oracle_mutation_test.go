package audit_test

// This file tests the oracle by breaking the audit: without the findings of any one code, images disagree that agreed before. So
// every code is needed, and a check that is lost does not stay unseen.

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"boringboot/verify/internal/audit"
)

// proof is damage to a field, in one way or another, that only findings of one code answer for.
type proof struct {
	code                    audit.Code
	image, structure, field string
}

var proofs = []proof{
	{audit.CodeSuperblock, "modern-1k", "superblock", "s_inodes_per_group"},
	{audit.CodeSuperblockChecksum, "modern-1k", "superblock", "s_checksum"},
	{audit.CodeFeatures, "modern-1k", "superblock", "s_feature_incompat"},
	{audit.CodeNeedsRecovery, "a journal that waits", "inode: file", "i_atime"},
	{audit.CodeDescriptor, "modern-1k", "descriptor", "bg_inode_table_lo"},
	{audit.CodeOverlap, "no flex_bg, descriptor checksums", "superblock", "s_reserved_gdt_blocks"},
	{audit.CodeInode, "modern-1k", "inode: block", "i_obso_faddr"},
	{audit.CodeInodeChecksum, "modern-1k", "inode: file", "i_checksum_lo"},
	{audit.CodeInodeFlags, "bigalloc, 4k", "inode: symlink", "i_flags"},
	{audit.CodeInodeSize, "32-bit", "inode: file", "i_size_lo"},
	{audit.CodeInodeBlocks, "modern-1k", "inode: file", "i_blocks_lo"},
	{audit.CodeDeletedInode, "modern-1k", "inode: socket", "i_dtime"},
	{audit.CodeReservedInode, "modern-1k", "inode: reserved", "i_mode"},
	{audit.CodeMap, "modern-1k", "inode: resize", "i_block_5"},
	{audit.CodeMapChecksum, "modern-1k", "extents in a block: tail", "et_checksum"},
	{audit.CodeMapShape, "modern-1k", "extents in the inode: header", "eh_depth"},
	{audit.CodeClaimedTwice, "modern-1k", "extents in the inode: extent", "ee_start_lo"},
	{audit.CodeXattr, "modern-1k", "attribute block", "h_blocks"},
	{audit.CodeXattrChecksum, "modern-1k", "attribute block", "h_checksum"},
	{audit.CodeXattrRefs, "modern-1k", "attribute block", "h_refcount"},
	{audit.CodeInlineData, "inline_data", "attributes in the inode", "h_magic"},
	{audit.CodeSymlink, "modern-1k", "symlink: slow", "target end"},
	{audit.CodeResizeInode, "meta_bg", "inode: resize", "i_block"},
	{audit.CodeBadBlocksInode, "modern-1k", "inode: reserved", "i_uid"},
	{audit.CodeDirectoryEntry, "modern-1k", "directory leaf: entry", "name_len"},
	{audit.CodeDirectoryChecksum, "modern-1k", "directory leaf: tail", "det_checksum"},
	{audit.CodeDirectoryHash, "modern-1k", "directory index root: entry", "block"},
	{audit.CodeDuplicateName, "no dir_index", "directory leaf: entry", "last of name"},
	{audit.CodeUnconnected, "modern-1k", "directory leaf: entry", "inode"},
	{audit.CodeLinkCount, "modern-1k", "inode: file", "i_links_count"},
	{audit.CodeBlockBitmap, "modern-1k", "block bitmap", "bits"},
	{audit.CodeBlockBitmapChecksum, "modern-1k", "descriptor", "bg_block_bitmap_csum_lo"},
	{audit.CodeInodeBitmap, "modern-1k", "inode bitmap", "padding"},
	{audit.CodeInodeBitmapChecksum, "modern-1k", "descriptor", "bg_inode_bitmap_csum_lo"},
	{audit.CodeCounters, "modern-1k", "descriptor", "bg_used_dirs_count_lo"},
	{audit.CodeJournal, "modern-1k", "journal", "s_maxlen"},
	{audit.CodeOrphan, "no checksums", "free inode", "i_dtime"},
	{audit.CodeOrphanFile, "modern-1k", "orphan file", "entry"},
	{audit.CodeMMP, "mmp", "mmp", "mmp_seq"},
	{audit.CodeQuota, "quota", "quota record", "dqb_curspace"},
}

// beyond is damage of which e2fsck says nothing, or nothing that it ends with an error for; or that cannot be without other damage: with a
// hole in it a directory has fewer blocks.
var beyond = []proof{
	{audit.CodeDescriptorChecksum, "32-bit", "descriptor", "bg_checksum"},
	{audit.CodeDirectory, "ext2", "block pointers in the inode", "i_block_1"},
	{audit.CodeDevice, "modern-1k", "inode: char", "i_flags"},
	{audit.CodeBackup, "descriptor checksums", "backup superblock", "s_feature_incompat"},
	{audit.CodeErrorsFlag, "modern-1k", "superblock", "s_state"},
	{audit.CodeNotClean, "modern-1k", "superblock", "s_state"},
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
	for _, r := range recipes {
		var s *subject
		for _, p := range slices.Concat(proofs, beyond) {
			if p.image != r.name {
				continue
			}
			if s == nil {
				s = newSubject(t, r).toFile(t)
			}
			t.Run(string(p.code), func(t *testing.T) {
				if !s.proves(t, p) {
					t.Errorf("%s | %s: no damage that only this code answers for", p.structure, p.field)
				}
			})
		}
	}
}

// proves tries all damage to some fields of that name.
func (s *subject) proves(t *testing.T, p proof) bool {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, i := range s.byField[p.structure][p.field] {
		for k := range 2 * len(hows) {
			s.strike(rnd, blow{i, hows[k/2], k%2 == 0})
			if _, err := s.show(); err != nil {
				t.Fatal(err)
			}
			v := judge(t, s.path, s.data, audit.Options{})
			if err := s.heal(); err != nil {
				t.Fatal(err)
			}
			missed := v.without(p.code)
			switch {
			case slices.Contains(beyond, p):
				if len(missed.findings) < len(v.findings) {
					return true
				}
			case v.disagreement(s.layout, false) != "":
			case missed.disagreement(s.layout, false) != "", v.sameInode(s.layout) && !missed.sameInode(s.layout):
				return true
			}
		}
	}
	return false
}

// sameInode is sameObject for inodes alone.
func (v verdicts) sameInode(l *layout) bool {
	named := l.objects(v.fsck)
	return slices.ContainsFunc(v.findings, func(f audit.Finding) bool { return f.Object.Kind == audit.Inode && named[f.Object] })
}

func TestEveryCodeHasAProof(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`Code = "([^"]*)"`).FindAllStringSubmatch(string(source), -1) {
		if !slices.ContainsFunc(slices.Concat(proofs, beyond), func(p proof) bool { return string(p.code) == m[1] }) {
			t.Errorf("no damage is known that %s answers for", m[1])
		}
	}
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
