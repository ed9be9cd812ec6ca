package ext4

// This file gives blocks to files and takes them back, counted in i_blocks.

// allocFile takes blocks for the file blocks from at on, up to count and at least one, where the file has none, near goal. To map
// them is the caller's.
func (tx *Tx) allocFile(n node, at FileBlock, count uint32, goal FSBlock) (run, error) {
	start, got, err := tx.allocBlocks(goal, count)
	if err != nil {
		return run{}, err
	}
	return run{at, got, start}, tx.addBlocks(n, int64(got))
}

// freeFile gives up runs of a file that the caller has unmapped before.
func (tx *Tx) freeFile(n node, runs []run) error {
	for _, r := range runs {
		if err := tx.release(r.start, r.count); err != nil {
			return err
		}
		if err := tx.addBlocks(n, -int64(r.count)); err != nil {
			return err
		}
	}
	return nil
}

// allocMeta takes one block for an inode's own metadata near goal.
func (tx *Tx) allocMeta(n node, goal FSBlock) (FSBlock, error) {
	b, _, err := tx.allocBlocks(goal, 1)
	if err != nil {
		return 0, err
	}
	return b, tx.addBlocks(n, 1)
}

// freeMeta takes back what allocMeta gave.
func (tx *Tx) freeMeta(n node, b FSBlock) error {
	if err := tx.release(b, 1); err != nil {
		return err
	}
	return tx.addBlocks(n, -1)
}
