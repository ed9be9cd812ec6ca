package ext4

// This file gives files their blocks and takes them back. It counts them in i_blocks, and with bigalloc it knows that blocks
// come in clusters: a file's blocks that are together in a cluster of the file are together in a cluster of the disk, in the
// same order, so that a block may have its place before it is allocated; and a cluster is free only when the last of them
// is given up. Blocks of metadata (extent nodes, extended attributes) have a cluster each.

import (
	"boringboot/ext4/internal/format"
)

// allocFile takes blocks for the file blocks from at on, up to count and at least one, where the file has none (holes). They are
// those next to the file's own where a cluster has room, else new ones as allocBlocks finds them near goal. They are
// counted in i_blocks; to map them is the caller's. Nothing has been zeroed.
func (tx *Tx) allocFile(n node, at FileBlock, count uint32, goal FSBlock) (run, error) {
	ratio := tx.clusterBlocks
	lead := uint32(at) % ratio
	if ratio > 1 {
		own := min(count, ratio-lead) // in the first cluster
		start, ok, err := tx.clusterOwned(n, at-FileBlock(lead))
		if err != nil {
			return run{}, err
		}
		if ok {
			start += FSBlock(lead)
			if tx.isFreed(start, own) {
				return run{}, unsupportedf("inode %d: file block %d: given up and needed again in one transaction", n.ino, at)
			}
			return run{at, own, start}, nil
		}
		if tail := (uint64(at) + uint64(count)) % uint64(ratio); tail != 0 && uint64(count) > tail {
			last := FileBlock(uint64(at) + uint64(count) - tail)
			if _, ok, err := tx.clusterOwned(n, last); err != nil {
				return run{}, err
			} else if ok {
				count = uint32(last - at)
			}
		}
	}
	start, got, err := tx.allocFor(n, goal, uint32(min(uint64(count)+uint64(lead), 1<<32-1)))
	if err != nil {
		return run{}, err
	}
	if err := tx.addBlocks(n, int64(tx.roundedToClusters(uint64(got)))); err != nil {
		return run{}, err
	}
	return run{at, got - lead, start + FSBlock(lead)}, nil
}

// freeFile gives up runs of a file, in ascending order of their file blocks, that the caller has unmapped before. Where a part
// of their cluster is still mapped the cluster stays, and the blocks are only overwritten.
func (tx *Tx) freeFile(n node, runs []run) error {
	ratio := FileBlock(tx.clusterBlocks)
	done := uint64(0) // file blocks below are in clusters that were freed
	for _, r := range runs {
		if r.start == 0 || r.count == 0 {
			continue
		}
		if ratio == 1 {
			if err := tx.release(r.start, r.count); err != nil {
				return err
			}
			if err := tx.addBlocks(n, -int64(r.count)); err != nil {
				return err
			}
			continue
		}
		if !tx.validRange(r.start, uint64(r.count)) || uint64(r.block)%uint64(ratio) != uint64(r.start)%uint64(ratio) {
			return corruptf("inode %d: file block %d at block %d, which is elsewhere in its cluster", n.ino, r.block, r.start)
		}
		for b, end := uint64(r.block), uint64(r.block)+uint64(r.count); b < end; {
			cluster := FileBlock(b) &^ (ratio - 1)
			part := min(uint64(cluster)+uint64(ratio), end) - b
			start := r.start + FSBlock(b-uint64(r.block))
			_, mapped, err := tx.clusterOwned(n, cluster)
			switch {
			case err != nil:
				return err
			case mapped || b < done:
				tx.giveUp(start, uint32(part))
				if mapped {
					tx.parts = append(tx.parts, blockRun{start, uint32(part)})
				}
			default:
				if err := tx.release(start, uint32(part)); err != nil {
					return err
				}
				if err := tx.addBlocks(n, -int64(ratio)); err != nil {
					return err
				}
				done = uint64(cluster) + uint64(ratio)
			}
			b += part
		}
	}
	return nil
}

// clusterOwned tells where on disk the cluster is that has the file blocks from first on, if one of them is mapped.
func (tx *Tx) clusterOwned(n node, first FileBlock) (FSBlock, bool, error) {
	end := uint64(first) + uint64(tx.clusterBlocks)
	for b := uint64(first); b < end; {
		r, err := tx.mappedRun(n, FileBlock(b))
		if err != nil {
			return 0, false, err
		}
		if r.start != 0 {
			start := r.start - FSBlock(b-uint64(first))
			if uint64(start)%uint64(tx.clusterBlocks) != 0 {
				return 0, false, corruptf("inode %d: file block %d at block %d, which is elsewhere in its cluster", n.ino, b, r.start)
			}
			return start, true, nil
		}
		b += uint64(max(r.count, 1))
	}
	return 0, false, nil
}

// mappedRun is lookup that gives the blocks of unwritten extents, too.
func (tx *Tx) mappedRun(n node, fb FileBlock) (run, error) {
	if !n.flag(format.InodeExtents) {
		return tx.lookup(n, fb)
	}
	r, _, err := tx.findExtent(n, fb)
	return r, err
}

// isFreed tells whether the transaction has given up one of these blocks and not their cluster.
func (tx *Tx) isFreed(start FSBlock, n uint32) bool {
	for _, r := range tx.parts {
		if start < r.start+FSBlock(r.count) && r.start < start+FSBlock(n) {
			return true
		}
	}
	return false
}

// allocMeta takes one block for an inode's own metadata near goal and counts it, with bigalloc its whole cluster.
func (tx *Tx) allocMeta(n node, goal FSBlock) (FSBlock, error) {
	b, _, err := tx.allocFor(n, goal, 1)
	if err != nil {
		return 0, err
	}
	return b, tx.addBlocks(n, int64(tx.clusterBlocks))
}

// freeMeta takes back what allocMeta gave.
func (tx *Tx) freeMeta(n node, b FSBlock) error {
	if err := tx.release(b, 1); err != nil {
		return err
	}
	return tx.addBlocks(n, -int64(tx.clusterBlocks))
}
