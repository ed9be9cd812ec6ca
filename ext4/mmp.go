package ext4

// This file honours multiple mount protection: a block says whether somebody uses the file system. One that is in use is refused;
// while we write to one in place the block says that we do. The kernel, where it finds that mark left behind, waits a while for
// somebody to move it, and then takes the file system for its own.

import (
	"errors"
	"fmt"
	"time"

	"boringboot/ext4/internal/format"
)

// mmpGuard is a device whose file system has the mmp feature.
type mmpGuard struct {
	Device
	at   int64 // bytes from the device's start
	csum bool
	seed uint32

	inPlace bool   // writes are to be announced
	claimed uint32 // the mmp_seq that says so; 0: not claimed
	now     int64  // seconds since 1970
}

// guarded gives a device that claims the file system before the first write of an update; where there is no mmp feature, dev.
func guarded(dev Device, sb format.Superblock) (Device, error) {
	if !sb.HasIncompat(format.IncompatMMP) {
		return dev, nil
	}
	geo, err := newGeometry(sb, dev.Size())
	if err != nil {
		return nil, err
	}
	at := format.SMMPBlock.Get(sb)
	if !geo.validRange(FSBlock(at), 1) {
		return nil, corruptf("superblock: s_mmp_block %d", at)
	}
	g := &mmpGuard{Device: dev, at: int64(at) * int64(geo.blockSize), csum: geo.metadataCsum, seed: geo.seed}
	_, err = g.read()
	return g, err
}

// read reads the block, past every cache of ours, and refuses a file system that somebody uses.
func (g *mmpGuard) read() (format.MMP, error) {
	m := make(format.MMP, format.MMPSize)
	if _, err := g.ReadAt(m, g.at); err != nil {
		return nil, fmt.Errorf("read the block of multiple mount protection: %w", err)
	}
	switch {
	case !m.MagicOK():
		return nil, corruptf("multiple mount protection: wrong magic")
	case g.csum && !m.ChecksumOK(g.seed):
		return nil, corruptf("multiple mount protection: wrong checksum")
	}
	seq := format.MMPSeq.Get(m)
	if seq == format.MMPClean {
		return m, nil
	}
	since := time.Unix(int64(min(format.MMPTime.Get(m), 1<<40)), 0).UTC().Format(time.RFC3339)
	const remedy = `if that is over, "tune2fs -f -E clear_mmp" says so`
	switch {
	case seq == format.MMPFsck:
		return nil, kindf(ErrInUse, "e2fsck is at work on it: on %q, at %s; %s", m.Nodename(), since, remedy)
	case seq <= format.MMPMaxSeq:
		return nil, kindf(ErrInUse, "it is mounted or being written: on %q, device %q, at %s; %s", m.Nodename(), m.Bdevname(), since, remedy)
	}
	return nil, corruptf("multiple mount protection: mmp_seq %#x", seq)
}

// write sets mmp_seq and who uses the file system. Only the first sector of the block changes.
func (g *mmpGuard) write(m format.MMP, seq uint32) error {
	format.MMPSeq.Set(m, seq)
	format.MMPTime.Set(m, uint64(max(g.now, 0)))
	m.SetUser("boringboot", "")
	if g.csum {
		m.KeepChecksum(g.seed)
	}
	const sector = 512
	if _, err := g.Device.WriteAt(m[:sector], g.at); err != nil {
		return fmt.Errorf("write the block of multiple mount protection: %w", err)
	}
	if err := g.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// WriteAt is Device's.
func (g *mmpGuard) WriteAt(p []byte, off int64) (int, error) {
	if g.inPlace && g.claimed == 0 {
		if err := g.claim(); err != nil {
			return 0, err
		}
	}
	return g.Device.WriteAt(p, off)
}

// claim says that the file system is in use, if nobody else has said so since it was opened.
func (g *mmpGuard) claim() error {
	m, err := g.read()
	if err != nil {
		return err
	}
	// Any number up to MMPMaxSeq will do: who waits for the mark looks whether it moves.
	seq := format.CRC32C(g.seed, m)%format.MMPMaxSeq + 1
	if err := g.write(m, seq); err != nil {
		return err
	}
	g.claimed = seq
	return nil
}

// release takes the claim back.
func (g *mmpGuard) release() error {
	if g.claimed == 0 {
		return nil
	}
	seq := g.claimed
	g.claimed = 0
	m := make(format.MMP, format.MMPSize)
	if _, err := g.ReadAt(m, g.at); err != nil {
		return fmt.Errorf("read the block of multiple mount protection: %w", err)
	}
	if now := format.MMPSeq.Get(m); now != seq {
		return kindf(ErrInUse, "somebody else, on %q, has begun to use it while it was written", m.Nodename())
	}
	return g.write(m, format.MMPClean)
}

// announced runs what writes an update. In place others are told of it for that time; a copy is nobody else's.
func (fsys *FS) announced(o updateOptions, write func() error) error {
	g, ok := fsys.dev.(*mmpGuard)
	if !ok || o.noJournal {
		return write()
	}
	g.inPlace, g.now = true, o.time.Unix()
	err := write()
	g.inPlace = false
	if left := g.release(); left != nil {
		return errors.Join(err, left)
	}
	return err
}
