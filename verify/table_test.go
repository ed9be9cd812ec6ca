// What is wrong with a partition table, as findings.

package verify

import (
	"os"
	"strings"
	"testing"

	"boringboot/partition"
)

// What is merely odd is a warning. Every code is among those that docs/verify-image.md describes.
func TestFaultsOfAPartitionTableAreErrorsUnlessTheyAreMerelyOdd(t *testing.T) {
	docs, err := os.ReadFile("../docs/verify-image.md")
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[partition.FaultCode]string{
		partition.FaultGPTPrimary:        Error,
		partition.FaultGPTBackup:         Error,
		partition.FaultGPTDisagree:       Error,
		partition.FaultGPTUsable:         Error,
		partition.FaultGPTUnused:         Error,
		partition.FaultOverlap:           Error,
		partition.FaultCoversTable:       Error,
		partition.FaultLogicalOutside:    Error,
		partition.FaultFileSystemCut:     Error,
		partition.FaultFileSystemLost:    Warning,
		partition.FaultHybridMBR:         Warning,
		partition.FaultGPTUnprotected:    Warning,
		partition.FaultExtendedEmpty:     Warning,
		partition.FaultFileSystemOutside: Warning,
	} {
		if !strings.Contains(string(docs), "| `"+string(code)+"` |") {
			t.Errorf("docs/verify-image.md does not describe %s", code)
		}
		got := AuditTable(&partition.Table{Faults: []partition.Fault{{Code: code, Text: "what is wrong"}}})
		if len(got) != 1 || got[0] != (Finding{Code: string(code), Severity: want, Object: "partition table", Message: "what is wrong"}) {
			t.Errorf("%s: %+v, want %s", code, got, want)
		}
	}
}
