// The partition table: what is wrong with it, and what that means on the machine that the image is for.

package verify

import "boringboot/partition"

// odd are the faults of a table that are no more than odd: the table is read as it was meant, and nothing was lost.
var odd = map[partition.FaultCode]bool{
	partition.FaultHybridMBR:         true, // images for firmware that knows no GPT are made so
	partition.FaultGPTUnprotected:    true, // a remainder of what the disk was before: the MBR counts
	partition.FaultExtendedEmpty:     true, // nothing says that there ever were partitions in it, and sfdisk finds it sound
	partition.FaultFileSystemOutside: true, // a remainder, too
	partition.FaultFileSystemLost:    true, // a remainder as well, where what is there now is unknown to us
}

// AuditTable tells what is wrong with a partition table that could be read. Whatever keeps a system from its partitions, or shows that
// the image was cut off or damaged, is an error.
func AuditTable(t *partition.Table) []Finding {
	var findings []Finding
	for _, f := range t.Faults {
		severity := Error
		if odd[f.Code] {
			severity = Warning
		}
		findings = append(findings, Finding{Code: string(f.Code), Severity: severity, Object: "partition table", Message: f.Text})
	}
	return findings
}
