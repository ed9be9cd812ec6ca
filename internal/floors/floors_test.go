package floors

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestViolationsAreFound(t *testing.T) {
	tests := []struct {
		name string
		pkg  Package
		want []string
	}{
		{"a command may import everything below",
			Package{ImportPath: "boringboot/cmd/boringboot", Imports: []string{"fmt", "boringboot/inject", "boringboot/ext4", "boringboot/internal/cli"}}, nil},
		{"a package of floor 1 may import its kin",
			Package{ImportPath: "boringboot/internal/manifest", Imports: []string{"boringboot/internal/sshkey"}}, nil},
		{"tests may import the test images",
			Package{ImportPath: "boringboot/partition", TestImports: []string{"boringboot/internal/testimage"}, XTestImports: []string{"boringboot/internal/testimage"}}, nil},
		{"upwards",
			Package{ImportPath: "boringboot/ext4", Imports: []string{"boringboot/inject"}},
			[]string{"boringboot/ext4 imports boringboot/inject, which stands above it"}},
		{"floor 1 upwards",
			Package{ImportPath: "boringboot/internal/cli", Imports: []string{"boringboot/partition"}},
			[]string{"boringboot/internal/cli imports boringboot/partition, which stands above it"}},
		{"sideways",
			Package{ImportPath: "boringboot/verify", Imports: []string{"boringboot/inject"}},
			[]string{"boringboot/verify imports boringboot/inject, which stands beside it"}},
		{"the test images outside a test",
			Package{ImportPath: "boringboot/cmd/boringboot", Imports: []string{"boringboot/internal/testimage"}},
			[]string{"boringboot/cmd/boringboot imports boringboot/internal/testimage outside its tests"}},
		{"what serves tests may use the test images",
			Package{ImportPath: "boringboot/internal/nixbuild/nixtest", Imports: []string{"boringboot/internal/testimage"}}, nil},
		{"what serves tests outside a test",
			Package{ImportPath: "boringboot/internal/nixbuild", Imports: []string{"boringboot/internal/nixbuild/nixtest"}},
			[]string{"boringboot/internal/nixbuild imports boringboot/internal/nixbuild/nixtest outside its tests"}},
		{"cgo",
			Package{ImportPath: "boringboot/partition", CgoFiles: []string{"blkid.go"}},
			[]string{`boringboot/partition: blkid.go imports "C"`}},
		{"a package that nobody placed",
			Package{ImportPath: "boringboot/util"},
			[]string{"boringboot/util stands on no floor: docs/architecture.md does not know it"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Violations([]Package{test.pkg})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReachesFindsPackagesAndWhatLiesBelow(t *testing.T) {
	deps := []string{"fmt", "boringboot/ext4", "boringboot/ext4/internal/format", "boringboot/ext4ro", "boringboot/verify"}
	want := []string{"boringboot/ext4", "boringboot/ext4/internal/format"}
	if diff := cmp.Diff(want, Reaches(deps, "ext4", "inject")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
