// This file names what is odd about a table that can be read all the same.

package partition

import "fmt"

// Fault is something that is wrong with a table, or odd, and does not stand in the way of reading it. What it means for those who use
// the disk is for them to say.
type Fault struct {
	Code FaultCode
	Text string // one line
}

// FaultCode says what kind of fault it is. The codes do not change.
type FaultCode string

// The faults that Read finds.
const (
	FaultGPTPrimary        FaultCode = "gpt-primary"         // the primary header or its entries cannot be used, the backup is
	FaultGPTBackup         FaultCode = "gpt-backup"          // the backup header or its entries cannot be used: damaged, or cut off
	FaultGPTDisagree       FaultCode = "gpt-disagree"        // both copies are sound and do not say the same
	FaultGPTUsable         FaultCode = "gpt-usable"          // a partition lies where the GPT lets none lie
	FaultGPTUnprotected    FaultCode = "gpt-unprotected"     // a GPT behind an MBR that does not name it
	FaultGPTUnused         FaultCode = "gpt-unused"          // the entry that protects the GPT is not where Linux wants it
	FaultHybridMBR         FaultCode = "hybrid-mbr"          // partitions of an MBR beside a GPT
	FaultOverlap           FaultCode = "partition-overlap"   // partitions share bytes
	FaultCoversTable       FaultCode = "partition-table"     // a partition begins in the table itself
	FaultLogicalOutside    FaultCode = "logical-partition"   // a logical partition reaches out of its extended one
	FaultExtendedEmpty     FaultCode = "extended-partition"  // an extended partition without a boot record
	FaultFileSystemCut     FaultCode = "file-system-cut"     // a file system is larger than its partition
	FaultFileSystemLost    FaultCode = "file-system-lost"    // a file system whose superblock is gone
	FaultFileSystemOutside FaultCode = "file-system-outside" // the remainder of a file system before the first partition
)

// faultf notes a fault.
func (t *Table) faultf(code FaultCode, format string, args ...any) {
	f := Fault{code, fmt.Sprintf(format, args...)}
	t.Faults, t.Warnings = append(t.Faults, f), append(t.Warnings, f.Text)
}
