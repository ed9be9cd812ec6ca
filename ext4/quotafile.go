package ext4

// This file is the quota files: hidden inodes of blocks of 1 KiB, read and changed block by block in a transaction.

import (
	"fmt"
	"math"

	"boringboot/ext4/internal/format"
)

// quotaFile is an open quota file.
type quotaFile struct {
	tx   *Tx
	typ  quotaType
	n    node
	info []byte // block 0, to be changed
}

func (f *quotaFile) damaged(format string, args ...any) error {
	return corruptf("%s quota: inode %d: "+format, append([]any{f.typ, f.n.ino}, args...)...)
}

// checkQuotaFiles looks at each quota file's inode and header.
func (v *view) checkQuotaFiles() error {
	for t := range quotaType(quotaTypes) {
		if v.quotaIno(t) == 0 {
			continue
		}
		n, err := v.quotaInode(t)
		if err != nil {
			return err
		}
		header := make([]byte, format.QuotaBlockSize)
		if _, err := v.readAt(n, header, 0); err != nil {
			return fmt.Errorf("%s quota: %w", t, err)
		}
		if err := checkQuotaHeader(t, n, header); err != nil {
			return err
		}
	}
	return nil
}

// maxQuotaFile is the largest quota file that e2fsprogs takes for one, in bytes.
const maxQuotaFile = math.MaxInt32

func (v *view) quotaInode(t quotaType) (node, error) {
	n, err := v.inode(v.quotaIno(t))
	if err != nil {
		return node{}, fmt.Errorf("%s quota: %w", t, err)
	}
	if n.Type() != format.ModeRegular || n.flag(format.InodeInlineData) || n.Size() > maxQuotaFile || n.Size() < 2*format.QuotaBlockSize {
		return node{}, corruptf("%s quota: inode %d has mode %#o, flags %#x and %d bytes",
			t, n.ino, format.IMode.Get(n.Inode), format.IFlags.Get(n.Inode), n.Size())
	}
	if err := v.checkMapped(n); err != nil {
		return node{}, fmt.Errorf("%s quota: %w", t, err)
	}
	return n, nil
}

// checkQuotaHeader refuses what the kernel would not count with (v2_check_quota_file, v2_read_file_info).
func checkQuotaHeader(t quotaType, n node, b []byte) error {
	blocks := format.DQIBlocks.Get(b)
	switch {
	case format.DQHMagic.Get(b) != format.QuotaMagic[t]:
		return corruptf("%s quota: inode %d: magic %#x, not %#x", t, n.ino, format.DQHMagic.Get(b), format.QuotaMagic[t])
	case format.DQHVersion.Get(b) != format.QuotaVersion:
		return corruptf("%s quota: inode %d: revision %d, not %d", t, n.ino, format.DQHVersion.Get(b), format.QuotaVersion)
	case blocks <= format.QuotaRoot || uint64(blocks)*format.QuotaBlockSize > n.Size():
		return corruptf("%s quota: inode %d: %d blocks in %d bytes", t, n.ino, blocks, n.Size())
	}
	for _, list := range []format.U32{format.DQIFreeBlk, format.DQIFreeEntry} {
		if first := list.Get(b); first != 0 && (first <= format.QuotaRoot || first >= blocks) {
			return corruptf("%s quota: inode %d: a list of free ones begins at block %d of %d", t, n.ino, first, blocks)
		}
	}
	return nil
}

// openQuota opens a quota file for changes.
func (tx *Tx) openQuota(t quotaType) (*quotaFile, error) {
	if _, err := tx.quotaInode(t); err != nil {
		return nil, err
	}
	n, err := tx.editInode(tx.quotaIno(t))
	if err != nil {
		return nil, err
	}
	f := &quotaFile{tx: tx, typ: t, n: n}
	if f.info, err = f.block(0); err != nil {
		return nil, err
	}
	if err := checkQuotaHeader(t, n, f.info); err != nil {
		return nil, err
	}
	return f, f.check()
}

// block gives a block of the file to be changed.
func (f *quotaFile) block(i uint32) ([]byte, error) {
	at := uint64(i) * format.QuotaBlockSize
	bs := uint64(f.tx.blockSize)
	r, err := f.tx.lookup(f.n, FileBlock(at/bs))
	if err != nil {
		return nil, err
	}
	if r.start == 0 {
		return nil, f.damaged("block %d is a hole", at/bs)
	}
	block, err := f.tx.over.Edit(r.start)
	if err != nil {
		return nil, err
	}
	return block[at%bs:][:format.QuotaBlockSize:format.QuotaBlockSize], nil
}

// named gives a block that another one refers to.
func (f *quotaFile) named(i uint32) ([]byte, error) {
	if i <= format.QuotaRoot || i >= format.DQIBlocks.Get(f.info) {
		return nil, f.damaged("a reference to block %d of %d", i, format.DQIBlocks.Get(f.info))
	}
	return f.block(i)
}

// leaf is named for a leaf or a free block.
func (f *quotaFile) leaf(i uint32) (format.QuotaLeaf, error) {
	b, err := f.named(i)
	if err != nil {
		return nil, err
	}
	if entries := format.DQDHEntries.Get(b); entries > format.QuotaLeafEntries {
		return nil, f.damaged("block %d has %d entries", i, entries)
	}
	return b, nil
}

// take gives a zeroed block: the first of the list of free ones, or a new one at the end of the file.
func (f *quotaFile) take() (uint32, []byte, error) {
	if i := format.DQIFreeBlk.Get(f.info); i != 0 {
		b, err := f.leaf(i)
		if err != nil {
			return 0, nil, err
		}
		if format.DQDHEntries.Get(b) != 0 {
			return 0, nil, f.damaged("block %d is on the list of free ones and has entries", i)
		}
		next := format.DQDHNextFree.Get(b)
		if next == i || next != 0 && (next <= format.QuotaRoot || next >= format.DQIBlocks.Get(f.info)) {
			return 0, nil, f.damaged("after block %d the list of free ones goes on with block %d", i, next)
		}
		format.DQIFreeBlk.Set(f.info, next)
		clear(b)
		return i, b, nil
	}
	i := format.DQIBlocks.Get(f.info)
	end := (uint64(i) + 1) * format.QuotaBlockSize
	if end > maxQuotaFile {
		return 0, nil, ErrTooLarge
	}
	if err := f.extend(end); err != nil {
		return 0, nil, err
	}
	format.DQIBlocks.Set(f.info, i+1)
	b, err := f.block(i)
	if err == nil {
		clear(b)
	}
	return i, b, err
}

// extend makes the file at least as long as end, which is one block of it more than it had, or nothing.
func (f *quotaFile) extend(end uint64) error {
	fb := FileBlock((end - 1) / uint64(f.tx.blockSize))
	r, err := f.tx.lookup(f.n, fb)
	if err != nil {
		return err
	}
	if r.start == 0 {
		if err := f.tx.appendBlocks(f.n, fb, 1, func(r run) { f.tx.over.Fresh(r.start) }); err != nil {
			return err
		}
	}
	f.n.SetSize(max(f.n.Size(), end))
	f.tx.seal(f.n)
	return nil
}

// give puts a block on the list of free ones.
func (f *quotaFile) give(i uint32, b []byte) {
	clear(b)
	format.DQDHNextFree.Set(b, format.DQIFreeBlk.Get(f.info))
	format.DQIFreeBlk.Set(f.info, i)
}
