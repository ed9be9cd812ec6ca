// This file compares the partitions with the image's size and with each other.

package partition

// checkBounds fails where a partition ends beyond the image: the image is not whole.
func (t *Table) checkBounds(size int64) error {
	for _, p := range t.Partitions {
		if p.End() > size {
			return failf(ErrTruncated, "the image is truncated: partition %d ends at byte %d, the image has %d bytes", p.Number, p.End(), size)
		}
	}
	return nil
}

// compare names every pair of partitions that share bytes, and those that begin in the table. That is no error here: installation
// media are made so on purpose (a partition over the whole of an ISO 9660 image and one inside it). It is one in Root, for the
// partition that would be written to.
//
// A table may have so many that all of them are more than fits into memory: of the pairs maxListed are named.
func (t *Table) compare() {
	pairs := 0
	for i, p := range t.Partitions {
		if t.coversTable(p) {
			t.faultf(FaultCoversTable, "partition %d covers the partition table itself", p.Number)
		}
		for _, q := range t.Partitions[:i] {
			if !overlap(p, q) {
				continue
			}
			if pairs++; pairs <= maxListed {
				t.faultf(FaultOverlap, "partitions %d and %d overlap", q.Number, p.Number)
			}
		}
	}
	if pairs > maxListed {
		t.faultf(FaultOverlap, "%d more pairs of partitions overlap", pairs-maxListed)
	}
}

// coversTable reports whether a partition begins in the disk's first sector.
func (t *Table) coversTable(p Partition) bool { return t.Scheme != None && p.Start < t.SectorSize }

// overlap reports whether two partitions share bytes. An extended partition and those inside it are no such pair.
func overlap(p, q Partition) bool {
	return !p.extended && !q.extended && p.Start < q.End() && q.Start < p.End()
}
