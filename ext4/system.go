package ext4

// This file checks the inodes that are the file system's own: the journal, the orphan file and the one that holds blocks for
// more descriptors. The kernel does not mount, or e2fsck complains, where one of them is wrong.

import (
	"fmt"
	"math"

	"boringboot/ext4/internal/format"
)

func (v *view) checkSystemInodes() error {
	if err := v.checkRoot(); err != nil {
		return err
	}
	j, err := v.openJournal()
	if err != nil {
		return err
	}
	if j != nil && v.sb.HasCompat(format.CompatFastCommit) && !j.RoomForFastCommits() {
		return corruptf("journal: %d blocks are too few for the fast_commit feature", j.Length)
	}
	if err := v.checkQuotaFiles(); err != nil {
		return err
	}
	return v.checkResizeInode()
}

// checkRoot: the root is a directory, and its first block begins as that of the root.
func (v *view) checkRoot() error {
	n, err := v.inode(format.RootIno)
	if err != nil {
		return err
	}
	if n.Type() != format.ModeDir {
		return corruptf("inode %d: the root is not a directory", n.ino)
	}
	if n.flag(format.InodeInlineData) {
		if err := v.checkInline(n); err != nil {
			return err
		}
		return v.newDirCheck(n).inline(nil)
	}
	if _, err := v.dirBlocks(n); err != nil {
		return err
	}
	if err := v.checkMapped(n); err != nil {
		return err
	}
	_, data, _, err := v.dirBlock(n, 0)
	if err != nil {
		return err
	}
	if v.hashed(n) {
		if _, err := format.DXRoot(data, v.metadataCsum); err != nil {
			return corruptf("inode %d: directory block 0: %w", n.ino, err)
		}
	}
	return v.newDirCheck(n).block(0, data, nil)
}

// An orphan file of up to orphanWhole bytes is always looked at as a whole. In large file systems it has 2 MiB; of such a one
// orphanSample bytes and its last block are looked at when it should be empty.
const (
	orphanWhole  = 256 << 10
	orphanSample = 64 << 10
)

// orphanBlocks calls visit for each block of the orphan file, if there is one, when it has been checked: the kernel reads all of
// them when it mounts, and mounts only if each is right. Where the superblock says that no inode is in a large one, only its first
// blocks are read, and the last, which is another's where the map is wrong by some blocks.
func (v *view) orphanBlocks(visit func(n node, at FSBlock, b format.OrphanBlock) error) error {
	if !v.sb.HasCompat(format.CompatOrphanFile) {
		return nil
	}
	ino := Ino(format.SOrphanFileInum.Get(v.sb))
	if ino < v.firstIno {
		return corruptf("superblock: s_orphan_file_inum %d is a reserved inode", ino)
	}
	n, err := v.inode(ino)
	if err != nil {
		return fmt.Errorf("orphan file: %w", err)
	}
	size, bs := n.Size(), uint64(v.blockSize)
	switch {
	case n.Type() != format.ModeRegular:
		return corruptf("orphan file: inode %d is not a regular file", ino)
	case size == 0 || size%bs != 0 || size > max(format.MaxOrphanFileSize, format.MaxOrphanFileBlocks*bs):
		return corruptf("orphan file: inode %d has %d bytes", ino, size)
	}
	if err := v.checkMapped(n); err != nil {
		return fmt.Errorf("orphan file: %w", err)
	}
	end := FileBlock(size / bs)
	if v.sb.HasROCompat(format.ROCompatOrphanPresent) || size <= max(orphanWhole, bs) {
		return v.orphanRange(n, 0, end, visit)
	}
	if err := v.orphanRange(n, 0, FileBlock(max(orphanSample/bs, 1)), visit); err != nil {
		return err
	}
	return v.orphanRange(n, end-1, end, visit)
}

// orphanRange visits the orphan file's blocks from one on, up to another.
func (v *view) orphanRange(n node, from, end FileBlock, visit func(n node, at FSBlock, b format.OrphanBlock) error) error {
	seed := v.seedOf(n)
	for from < end {
		r, err := v.lookup(n, from)
		if err != nil {
			return fmt.Errorf("orphan file: %w", err)
		}
		if r.start == 0 {
			return corruptf("orphan file: inode %d: block %d is a hole", n.ino, from)
		}
		r.count = min(r.count, uint32(end-from))
		if err := v.orphanRun(n, r, seed, visit); err != nil {
			return err
		}
		from += FileBlock(r.count)
	}
	return nil
}

// orphanPiece is how many bytes of the orphan file are read at once.
const orphanPiece = 32 << 10

// orphanRun visits blocks that lie together. What visit is given is overwritten by what is read next.
func (v *view) orphanRun(n node, r run, seed uint32, visit func(n node, at FSBlock, b format.OrphanBlock) error) error {
	piece := make([]byte, min(max(orphanPiece/v.blockSize, 1), int(r.count))*v.blockSize)
	var buf []byte
	for i := range r.count {
		at := r.start + FSBlock(i)
		if len(buf) == 0 {
			buf = piece[:min(len(piece), int(r.count-i)*v.blockSize)]
			if err := v.src.Read(at, buf); err != nil {
				return fmt.Errorf("orphan file: %w", err)
			}
		}
		b := format.OrphanBlock(buf[:v.blockSize])
		buf = buf[v.blockSize:]
		switch {
		case !b.MagicOK():
			return corruptf("orphan file: inode %d: block %d: wrong magic", n.ino, at)
		case v.metadataCsum && !b.ChecksumOK(seed, at):
			return corruptf("orphan file: inode %d: block %d: wrong checksum", n.ino, at)
		}
		if err := visit(n, at, b); err != nil {
			return err
		}
	}
	return nil
}

// checkNoResizeInode: without the feature nothing is reserved and inode 7 holds nothing.
func (v *view) checkNoResizeInode() error {
	if v.reservedGDT != 0 {
		return corruptf("superblock: s_reserved_gdt_blocks %d without the resize_inode feature", v.reservedGDT)
	}
	n, err := v.rawInode(format.ResizeIno)
	if err != nil {
		return fmt.Errorf("resize inode: %w", err)
	}
	for i := range mapSlots {
		if b := le32(n.IBlock(), i); b != 0 {
			return corruptf("resize inode: inode %d: i_block[%d] is %d without the resize_inode feature", n.ino, i, b)
		}
	}
	return nil
}

const (
	resizeDind = 13 // where i_block has the double indirect block
	mapSlots   = 15 // block numbers in i_block
)

// checkResizeInode: inode 7 has a double indirect block, nothing else, and that names the reserved descriptor blocks of group 0
// by their places among all descriptor blocks.
func (v *view) checkResizeInode() error {
	if !v.sb.HasCompat(format.CompatResizeInode) {
		return v.checkNoResizeInode()
	}
	if v.metaBG {
		return corruptf("superblock: meta_bg and resize_inode at once")
	}
	n, err := v.inode(format.ResizeIno)
	if err != nil {
		return fmt.Errorf("resize inode: %w", err)
	}
	if n.Type() != format.ModeRegular || n.flag(format.InodeExtents) {
		return corruptf("resize inode: inode %d has mode %#o and flags %#x", n.ino, format.IMode.Get(n.Inode), format.IFlags.Get(n.Inode))
	}
	if n.Size() > math.MaxInt32 && !v.sb.HasROCompat(format.ROCompatLargeFile) {
		return corruptf("resize inode: inode %d: %d bytes without the large_file feature", n.ino, n.Size())
	}
	for i := range mapSlots {
		if b := le32(n.IBlock(), i); i != resizeDind && b != 0 {
			return corruptf("resize inode: inode %d: i_block[%d] is %d", n.ino, i, b)
		}
	}
	dind := FSBlock(le32(n.IBlock(), resizeDind))
	if !v.validRange(dind, 1) {
		return corruptf("resize inode: inode %d: double indirect block %d", n.ino, dind)
	}
	block, err := v.src.Block(dind)
	if err != nil {
		return fmt.Errorf("resize inode: %w", err)
	}
	super, _ := v.superAt()
	slots, used := uint32(v.blockSize/4), v.descBlocks()
	for i := range slots {
		want := uint32(0)
		if place := (i + slots - used%slots) % slots; place < v.reservedGDT {
			want = uint32(super) + 1 + used + place
		}
		if got := le32(block, int(i)); got != want {
			return corruptf("resize inode: inode %d: reserved block %d of the descriptors is %d, not %d", n.ino, i, got, want)
		}
	}
	return nil
}
