package audit_test

// This file audits an image in which a directory has many names.

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

// TestADirectoryOfManyNames gives the same report each time, however many workers there are, and says where each name is.
func TestADirectoryOfManyNames(t *testing.T) {
	o := summedImage
	path := testimage.Ext4(t, o)
	var commands []string
	for i := range 40 {
		commands = append(commands, fmt.Sprintf("mkdir p%d", i+1))
	}
	commands = append(commands, "mkdir p1/target")
	for i := range 39 {
		commands = append(commands, fmt.Sprintf("ln p1/target p%d/t", i+2))
	}
	testimage.DebugfsWrite(t, path, 0, commands...)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var before []audit.Finding
	for i := range 30 {
		list, err := ours(image, audit.Options{Workers: 1 + 7*(i%2)})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && !slices.Equal(list, before) {
			t.Fatalf("once %v, once %v", before, list)
		}
		before = list
	}
	if n := countOf(before, audit.CodeDirectoryEntry); n != 39 {
		t.Errorf("%d entries are told: %v", n, before)
	}
	if v := judge(t, path, image, audit.Options{}); !v.agree() {
		t.Errorf("verdicts differ:\n%s", v.said())
	}
}

func countOf(list []audit.Finding, code audit.Code) int {
	n := 0
	for _, f := range list {
		if f.Code == code {
			n++
		}
	}
	return n
}
