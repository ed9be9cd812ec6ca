// Package floors says which package of the module may import which, and finds
// those that do not keep to it. docs/architecture.md explains the floors.
package floors

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the module's path.
const Module = "boringboot"

// Package is what `go list -json` says of a package, as far as imports go.
type Package struct {
	ImportPath   string
	Imports      []string // of its code
	TestImports  []string // of its tests inside the package
	XTestImports []string // of its tests outside the package
	CgoFiles     []string // files that import "C"
}

// floor is where a package stands. A package may import those of a lower floor;
// those that are marked as a family may also import each other.
type floor struct {
	number int
	family bool
}

// floorOf places a package. What a package of floor 2 or 3 keeps in a directory
// internal stands right below it.
func floorOf(importPath string) (floor, error) {
	name := strings.TrimPrefix(importPath, Module+"/")
	switch {
	case strings.HasPrefix(name, "cmd/"):
		return floor{number: 40}, nil
	case name == "inject", name == "verify":
		return floor{number: 30}, nil
	case strings.HasPrefix(name, "verify/internal/"), strings.HasPrefix(name, "inject/internal/"):
		return floor{number: 25, family: true}, nil
	case name == "ext4", name == "partition":
		return floor{number: 20}, nil
	case strings.HasPrefix(name, "ext4/internal/"), strings.HasPrefix(name, "partition/internal/"):
		return floor{number: 15, family: true}, nil
	case strings.HasPrefix(name, "internal/"):
		return floor{number: 10, family: true}, nil
	}
	return floor{}, fmt.Errorf("%s stands on no floor: docs/architecture.md does not know it", importPath)
}

// testOnly says of a package that it serves tests alone: testimage, and what is
// named as httptest is.
func testOnly(importPath string) bool {
	return importPath == Module+"/internal/testimage" ||
		strings.HasPrefix(importPath, Module+"/internal/") && strings.HasSuffix(importPath, "test")
}

// Violations returns a sentence for each import that is not allowed.
func Violations(packages []Package) []string {
	var found []string
	for _, p := range packages {
		own, err := floorOf(p.ImportPath)
		if err != nil {
			found = append(found, err.Error())
			continue
		}
		for _, imported := range p.Imports {
			if !ours(imported) {
				continue
			}
			other, err := floorOf(imported)
			switch {
			case err != nil:
				found = append(found, fmt.Sprintf("%s: %v", p.ImportPath, err))
			case testOnly(imported) && !testOnly(p.ImportPath):
				found = append(found, fmt.Sprintf("%s imports %s outside its tests", p.ImportPath, imported))
			case other.number > own.number:
				found = append(found, fmt.Sprintf("%s imports %s, which stands above it", p.ImportPath, imported))
			case other.number == own.number && !own.family:
				found = append(found, fmt.Sprintf("%s imports %s, which stands beside it", p.ImportPath, imported))
			}
		}
		for _, file := range p.CgoFiles {
			found = append(found, fmt.Sprintf("%s: %s imports \"C\"", p.ImportPath, file))
		}
	}
	slices.Sort(found)
	return found
}

func ours(importPath string) bool { return strings.HasPrefix(importPath, Module+"/") }

// Reaches returns those of deps, as `go list -deps` names them, that are one of
// the packages named or lie below it.
func Reaches(deps []string, names ...string) []string {
	var found []string
	for _, dep := range deps {
		for _, name := range names {
			if dep == Module+"/"+name || strings.HasPrefix(dep, Module+"/"+name+"/") {
				found = append(found, dep)
			}
		}
	}
	return found
}
