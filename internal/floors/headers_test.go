package floors

// This file holds every source file to its first sentence: it says which concept the file holds.

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryFileOpensBySayingWhatItHolds(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		seen++
		ok, err := opensWithComment(path, nil)
		if err == nil && !ok {
			t.Errorf("%s: no comment before its first declaration says what it holds", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("only %d files seen", seen)
	}
}

// opensWithComment reports whether a comment that is no build constraint stands before the imports.
func opensWithComment(path string, src any) (bool, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
	if err != nil {
		return false, err
	}
	for _, c := range f.Comments {
		if len(f.Decls) > 0 && c.Pos() > f.Decls[0].Pos() {
			break
		}
		if strings.TrimSpace(c.Text()) != "" { // Text leaves directives out
			return true, nil
		}
	}
	return false, nil
}

func TestTheHeaderRuleSeesWhatIsMissing(t *testing.T) {
	for src, want := range map[string]bool{
		"// Package p does x.\npackage p\n":                              true,
		"package p\n\n// This file is y.\n\nimport \"fmt\"\n":            true,
		"package p\n\nimport \"fmt\"\n\n// This file is y.\n\nvar x int": false,
		"//go:build linux\n\npackage p\n\nvar x int":                     false,
	} {
		if got, err := opensWithComment("x.go", src); err != nil || got != want {
			t.Errorf("%q: %v, %v", src, got, err)
		}
	}
}
