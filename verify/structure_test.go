package verify

// This file tests how the findings about the structure are summed up.

import (
	"context"
	"os"
	"strings"
	"testing"

	"boringboot/internal/testimage"
	"boringboot/verify/internal/audit"
)

// TestStructureOfWarningsIsClean has an image with more warnings than are listed, and no error: that the list is cut short is no error
// either.
func TestStructureOfWarningsIsClean(t *testing.T) {
	const groups, perGroup = 10_001, 512
	path := testimage.Ext4(t, testimage.Options{
		Profile:    testimage.Profile{Name: "groups", Features: "filetype,sparse_super", BlockSize: 1024, InodeSize: 128},
		StorePaths: -1, Size: groups*perGroup<<10 + 1024, BlocksPerGroup: perGroup, Inodes: 8 * groups, Linear: true,
	})
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	descriptors := make([]byte, 32*groups)
	if _, err := f.ReadAt(descriptors, 2048); err != nil {
		t.Fatal(err)
	}
	for g := range groups {
		descriptors[32*g+0x12] = 2 // bg_flags: not initialised, which no descriptor without a checksum can say
	}
	if _, err := f.WriteAt(descriptors, 2048); err != nil {
		t.Fatal(err)
	}
	s, err := AuditStructure(context.Background(), f, groups*perGroup<<10+1024)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Findings); n != 10_001 || !s.Clean() {
		t.Fatalf("%d findings, clean: %v: %v", n, s.Clean(), s.Findings[max(n-3, 0):])
	}
	if last := s.Findings[10_000]; last.Code != codeMore || last.Severity != Warning {
		t.Errorf("the last finding is %v", last)
	}
}

// TestStructureOfATruncatedFileSystem gives no verdict, as the files of one get none; a superblock that is damaged and so claims more is one.
func TestStructureOfATruncatedFileSystem(t *testing.T) {
	for _, p := range []testimage.Profile{testimage.NixOS(), {Name: "plain", Features: "filetype,sparse_super", BlockSize: 1024, InodeSize: 128}} {
		path := testimage.Ext4(t, small(p))
		f, size := openImage(t, path)
		for _, lacks := range []int64{4096, size / 2} {
			s, err := AuditStructure(context.Background(), f, size-lacks)
			if err == nil || !strings.Contains(err.Error(), "it is truncated") {
				t.Errorf("%s, %d bytes less: %v, error %v", p.Name, lacks, s, err)
			}
		}
	}
	path := testimage.Ext4(t, small(testimage.NixOS()))
	testimage.WriteAt(t, path, 1024+6, []byte{0x40}) // s_blocks_count_lo, without its checksum
	f, size := openImage(t, path)
	s, err := AuditStructure(context.Background(), f, size)
	if err != nil || s.Clean() {
		t.Errorf("a damaged superblock: %v, error %v", s, err)
	}
}

// TestStructureOfErrorsThatAreDropped keeps what is not listed an error where there is one among it.
func TestStructureOfErrorsThatAreDropped(t *testing.T) {
	got := moreFindings([2]int{audit.Warning: 1, audit.Error: 2})
	want := Finding{Code: codeMore, Severity: Error, Message: "3 more findings are not listed"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("%v, want %v", got, want)
	}
}
