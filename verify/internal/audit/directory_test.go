package audit_test

import (
	"slices"
	"strings"
	"testing"

	"boringboot/verify/internal/audit"
)

// dirRecipes are the images whose directories are edited.
var dirRecipes = map[string]recipe{
	"modern":   {features: modern, blockSize: 1024, inodeSize: 256, content: rich | longNames},
	"unsummed": {features: unsummed, blockSize: 1024, inodeSize: 256, content: rich | longNames},
	"linear":   {features: with(debian, "^dir_index"), blockSize: 1024, inodeSize: 256, content: rich},
	"no types": {features: with(debian, "^filetype"), blockSize: 1024, inodeSize: 256, content: rich},
	"inline_data": {features: with(debian, "inline_data"), blockSize: 1024, inodeSize: 512, content: rich,
		debugfs: []string{"mkdir few", "symlink few/a x", "symlink few/b x", "symlink few/c x"}},
	"64k":       {features: with(debian, "^has_journal"), blockSize: 65536, inodeSize: 256, content: rich, kib: 48 << 10},
	"indirect":  {features: with(unsummed, "^extent"), blockSize: 1024, inodeSize: 256, content: rich},
	"large_dir": {features: with(unsummed, "^extent", "large_dir"), blockSize: 1024, inodeSize: 256, content: rich},
	"three levels": {features: with(modern, "large_dir"), blockSize: 1024, inodeSize: 256, content: rich | longNames,
		then: [][]string{{"debugfs", "-w", "-R", "expand_dir two-levels", "@"}}, dirty: true},
	"folds": {features: with(modern, "casefold"), blockSize: 1024, inodeSize: 256, content: rich, extended: "encoding=utf8",
		debugfs: foldedCommands},
	"folds strictly": {features: with(modern, "casefold"), blockSize: 1024, inodeSize: 256, content: rich, extended: "encoding=utf8,encoding_flags=strict",
		debugfs: foldedCommands},
}

// foldedCommands make a directory that folds cases, of names that take some folding.
var foldedCommands = func() []string {
	c := []string{"mkdir folded", "sif folded flags 0x40080000"}
	for i, name := range strings.Fields("GRÜẞE Ὀδυσσεύς ΣΊΣΥΦΟΣ 한글각 ᏣᎳᎩ İstanbul ﬀﬃ ΐΰև ÅÄÖ Straße Ẹ́ 日本語 Привет ǅungla ͅα ΑΒΓ Tokyo-東京") {
		for k := range 8 {
			c = append(c, "symlink folded/"+name+"-"+strings.Repeat("Xy", i)+string(rune('A'+k))+" x")
		}
	}
	return c
}()

// dirCase is something that is done to a directory.
type dirCase struct {
	name     string
	image    string
	dir      string
	edit     func(e *editor)
	stale    bool       // checksums are left as they are
	code     audit.Code // of a finding on the directory, or what the edit is about; none: there is no finding at all
	warning  bool       // and no error
	stricter bool       // than e2fsck, which mentions it and ends with 0
}

func TestEditedDirectories(t *testing.T) {
	subjects := map[string]*subject{}
	for _, c := range slices.Concat(entryCases, nameCases, treeCases, inlineCases) {
		s := subjects[c.image]
		if s == nil {
			r, ok := dirRecipes[c.image]
			if !ok {
				t.Fatal(c.image)
			}
			r.name = "directories: " + c.image
			s = newSubject(t, r).toFile(t)
			subjects[c.image] = s
		}
		t.Run(c.image+"/"+c.name, func(t *testing.T) {
			defer s.heal()
			e := edit(t, s, c.dir)
			c.edit(e)
			if !c.stale {
				e.reseal()
			}
			if _, err := s.show(); err != nil {
				t.Fatal(err)
			}
			c.judge(t, e)
		})
	}
}

// judge holds the verdict against e2fsck's, and the findings against what the case wants.
func (c dirCase) judge(t *testing.T, e *editor) {
	v := judge(t, e.path, e.data, audit.Options{Workers: 2})
	if v.err != nil {
		t.Fatal(v.err)
	}
	if v.agree() == c.stricter {
		t.Errorf("e2fsck and we do not agree:\n%s", v.said())
	}
	if wantClean := c.code == "" || c.warning; v.oursClean() != wantClean {
		t.Errorf("clean is %v:\n%s", !wantClean, v.said())
	}
	about := e.ino
	if e.about != 0 {
		about = e.about
	}
	severity := audit.Error
	if c.warning {
		severity = audit.Warning
	}
	found := slices.ContainsFunc(v.findings, func(f audit.Finding) bool {
		return f.Code == c.code && f.Severity == severity && f.Object == audit.Object{Kind: audit.Inode, Number: uint64(about)}
	})
	if c.code == "" && len(v.findings) > 0 || c.code != "" && !found {
		t.Errorf("got %v, want %q of inode %d", v.findings, c.code, about)
	}
}
