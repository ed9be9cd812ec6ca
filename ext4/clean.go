package ext4

// This file does what is left of a recovery when the log has been replayed: fast commits, then orphan inodes. It is a transaction
// like others, whose changes join what was recovered.

import (
	"fmt"
	"time"

	"boringboot/ext4/internal/format"
)

// clean does what is left to do when the log has been replayed. It changes nothing on the device.
func (fsys *FS) clean() error {
	v, r := fsys.view, fsys.recovery
	needed := format.SLastOrphan.Get(v.sb) != 0 || v.sb.HasROCompat(format.ROCompatOrphanPresent) || format.SState.Get(v.sb)&format.StateOrphan != 0
	err := v.orphanBlocks(func(_ node, _ FSBlock, b format.OrphanBlock) error {
		needed = needed || len(b.Inodes()) > 0
		return nil
	})
	if err != nil || !needed && r.FastCommits == 0 {
		return err
	}
	tx := newTx(v, fsys.cache, time.Unix(v.sb.Wtime(), 0))
	if r.FastCommits > 0 {
		if err := tx.replayFastCommits(r.fast); err != nil {
			return fmt.Errorf("fast commits: %w", err)
		}
	}
	if err := tx.cleanOrphans(&r.Recovery); err != nil {
		return fmt.Errorf("orphan inodes: %w", err)
	}
	return fsys.adopt(tx)
}

// adopt takes over what a transaction has done as part of the recovery. What it freed keeps its bytes, as it would with the
// kernel: another file may have them by now.
func (fsys *FS) adopt(tx *Tx) error {
	r := fsys.recovery
	if err := tx.settleQuota(); err != nil {
		return err
	}
	tx.sealGroups()
	r.pending = true
	r.cleaned = map[FSBlock][]byte{}
	for _, c := range tx.over.Changes() {
		r.cleaned[c.Block] = c.Data
	}
	if err := r.setSuperblock(fsys.view, tx.sb); err != nil {
		return err
	}
	_, off := tx.superAt()
	fsys.view = &view{geometry: tx.geometry, sb: r.super[off:][:format.SuperblockSize], src: fsys.cache}
	fsys.cache.ForgetAll()
	return nil
}
