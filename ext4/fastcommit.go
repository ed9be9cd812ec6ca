package ext4

// This file replays fast commits: records of what was done to inodes and names since the last transaction of the log. The kernel
// writes them without the bitmaps and the map's own blocks, which are set right at the end (kernel: ext4_fc_replay). Where the
// kernel's replay forgets the counts of directories, they are kept here.

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"boringboot/ext4/internal/format"
)

// fastReplay is what is known of the blocks while the maps change and the bitmaps do not follow.
type fastReplay struct {
	tx       *Tx
	added    []blockRun // marked as used for what is to be mapped
	gone     []blockRun // not mapped any more where they were
	modified map[Ino]bool
}

// replayFastCommits does what the records say. Blocks that files are given in them are marked first: none of them may become part
// of a directory or a map meanwhile.
func (tx *Tx) replayFastCommits(commits fastCommits) error {
	r := &fastReplay{tx: tx, modified: map[Ino]bool{}}
	if err := commits.Each(r.prepare); err != nil {
		return err
	}
	if err := commits.Each(r.replay); err != nil {
		return err
	}
	return r.finish()
}

type fastCommits interface {
	Each(visit func(r format.FastCommitRecord) error) error
}

// prepare marks the blocks of an added range, and finds the time of the last change: that of the directories that change with it.
func (r *fastReplay) prepare(rec format.FastCommitRecord) error {
	tx := r.tx
	switch rec.Tag() {
	case format.FCAddRange:
		e := rec.Added()
		if e.Len == 0 || !tx.validRange(e.Start, uint64(e.Len)) || uint64(e.Block)+uint64(e.Len) > mapEnd {
			return corruptf("inode %d: file block %d at block %d, %d blocks", rec.Ino(), e.Block, e.Start, e.Len)
		}
		return r.mark(blockRun{e.Start, e.Len}, true, &r.added)
	case format.FCInode:
		in := make(format.Inode, max(tx.inodeSize, len(rec.RawInode())))
		copy(in, rec.RawInode())
		if t := in.Ctime(); t.Sec > tx.now.Sec || t.Sec == tx.now.Sec && t.Nsec > tx.now.Nsec {
			tx.now = t
		}
	}
	return nil
}

// mark sets the clusters of a run as used or free where they are not, and adds to changed what it has set.
func (r *fastReplay) mark(run blockRun, use bool, changed *[]blockRun) error {
	tx := r.tx
	for run.count > 0 {
		g, first := tx.groupOf(run.start)
		n := min(run.count, tx.groupBlocks(g)-first)
		s, err := tx.loadBlocks(g)
		if err != nil {
			return err
		}
		if err := tx.setClusters(g, 0, 0, true); err != nil { // which sees to it that there is a bitmap
			return err
		}
		at, count := tx.clusterRange(first, n)
		end := at + count
		for _, m := range s.meta {
			if at < m.first+m.n && m.first < end {
				return corruptf("block %d to %d: a file has blocks that hold metadata of group %d", run.start, run.start+FSBlock(n)-1, g)
			}
		}
		for at < end {
			from := s.bits.next(!use, at, end)
			to := s.bits.next(use, from, end)
			if from < to {
				if err := tx.setClusters(g, from, to-from, use); err != nil {
					return err
				}
				if changed != nil {
					*changed = append(*changed, blockRun{tx.clusterStart(g, from), (to - from) * tx.clusterBlocks})
				}
			}
			at = to
		}
		run.start += FSBlock(n)
		run.count -= n
	}
	return nil
}

func (r *fastReplay) touch(ino Ino) { r.modified[ino] = true }

func (r *fastReplay) replay(rec format.FastCommitRecord) error {
	switch rec.Tag() {
	case format.FCInode:
		return r.inode(rec.Ino(), rec.RawInode())
	case format.FCAddRange:
		e := rec.Added()
		return r.remap(rec.Ino(), uint64(e.Block), uint64(e.Block)+uint64(e.Len), []format.Extent{e})
	case format.FCDelRange:
		first, count := rec.Removed()
		return r.remap(rec.Ino(), uint64(first), min(uint64(first)+uint64(count), mapEnd), nil)
	case format.FCCreate:
		return r.create(rec.Name())
	case format.FCLink:
		return r.link(rec.Name())
	case format.FCUnlink:
		return r.unlink(rec.Name())
	}
	return nil
}

// checkIno: an inode that fast commits can be about.
func (r *fastReplay) checkIno(ino Ino) error {
	if ino != format.RootIno && ino < r.tx.firstIno || ino > r.tx.inodes {
		return corruptf("inode %d: a fast commit has it, but it is reserved or beyond the last of %d", ino, r.tx.inodes)
	}
	return nil
}

// existing gives an inode to be changed; false if there is none of that number any more.
func (r *fastReplay) existing(ino Ino) (node, bool, error) {
	if err := r.checkIno(ino); err != nil {
		return node{}, false, err
	}
	used, err := r.tx.inodeUsed(ino)
	if err != nil || !used {
		return node{}, false, err
	}
	n, err := r.tx.rawInode(ino)
	if err != nil || format.ILinksCount.Get(n.Inode) == 0 {
		return node{}, false, err
	}
	n, err = r.tx.editInode(ino)
	return n, err == nil, err
}

// inode takes over an inode but for its map, which ranges tell of, and what is in it behind the fields.
func (r *fastReplay) inode(ino Ino, raw []byte) error {
	tx := r.tx
	if err := r.checkIno(ino); err != nil {
		return err
	}
	used, err := tx.inodeUsed(ino)
	if err != nil {
		return err
	}
	mode := format.IMode.Get(raw)
	if !used {
		g, index := tx.inodeGroup(ino)
		if err := tx.setInode(g, index, format.Inode(raw).Type() == format.ModeDir); err != nil {
			return err
		}
	}
	n, err := tx.editRaw(ino)
	if err != nil {
		return err
	}
	blocks := n.RawBlocks()
	if !used { // what its slot holds is nobody's
		clear(n.Inode)
		blocks = 0
	} else if tx.metadataCsum && !n.ChecksumOK(tx.seed, ino) {
		return corruptf("inode %d: wrong checksum", ino)
	} else if old := format.IMode.Get(n.Inode); (old^mode)&format.ModeTypeMask != 0 {
		return corruptf("inode %d: a fast commit changes its mode from %#o to %#o", ino, old, mode)
	}
	oldMap := append([]byte(nil), n.IBlock()...)
	copy(n.Inode, raw)
	flags := format.IFlags.Get(n.Inode)
	switch keep := flags&format.InodeInlineData == 0; {
	case used && keep:
		copy(n.IBlock(), oldMap)
	case !used && keep && (n.Type() == format.ModeRegular || n.Type() == format.ModeDir || flags&format.InodeExtents != 0):
		clear(n.IBlock())
	}
	if flags&format.InodeExtents != 0 && format.ExtentNode(n.IBlock()).Check(format.ExtentNode(n.IBlock()).Depth()) != nil {
		format.ExtentNode(n.IBlock()).Init(0)
	}
	n.SetRawBlocks(blocks)
	tx.seal(n)
	r.touch(ino)
	if format.ILinksCount.Get(n.Inode) == 0 {
		return nil // it goes when all is replayed
	}
	_, err = tx.inode(ino)
	return err
}

// remap gives a range of a file other blocks, or none.
func (r *fastReplay) remap(ino Ino, from, end uint64, with []format.Extent) error {
	n, ok, err := r.existing(ino)
	if err != nil || !ok || from >= end {
		return err
	}
	if !r.tx.hasMap(n) {
		return corruptf("inode %d: a fast commit maps blocks, but it has no map", ino)
	}
	old, err := r.tx.remap(n, from, end, with)
	if err != nil {
		return err
	}
	for _, e := range old {
		r.gone = append(r.gone, blockRun{e.Start, e.Len})
	}
	r.tx.seal(n)
	r.touch(ino)
	return nil
}

// create enters the first name of an inode. A directory gets its first block.
func (r *fastReplay) create(parent, ino Ino, name string) error {
	tx := r.tx
	n, ok, err := r.existing(ino)
	if err != nil {
		return err
	}
	if !ok {
		return corruptf("inode %d: a fast commit names it, but it does not exist", ino)
	}
	dir, ok, err := r.directory(parent)
	if err != nil || !ok {
		return err
	}
	if n.Type() != format.ModeDir {
		format.ILinksCount.Set(n.Inode, 1)
		tx.seal(n)
		_, err := r.enter(dir, n, name)
		return err
	}
	if err := r.begin(n, dir.ino); err != nil {
		return err
	}
	format.ILinksCount.Set(n.Inode, 2)
	tx.seal(n)
	entered, err := r.enter(dir, n, name)
	if err != nil || !entered {
		return err
	}
	return tx.addSubdir(dir, 1)
}

// begin gives a directory its first block, if it has none. One in the inode came with all that it had in the end: it is emptied, since
// the records that follow enter that, and count it.
func (r *fastReplay) begin(n node, parent Ino) error {
	if !r.tx.hasMap(n) {
		_, err := r.tx.makeInlineDir(n, parent)
		return err
	}
	first, err := r.tx.lookup(n, 0)
	if err != nil || first.start != 0 {
		return err
	}
	n.SetSize(0)
	r.touch(n.ino)
	return r.tx.beginDir(n, parent)
}

// directory is existing for one.
func (r *fastReplay) directory(ino Ino) (node, bool, error) {
	n, ok, err := r.existing(ino)
	if ok && n.Type() != format.ModeDir {
		return n, false, corruptf("inode %d: a fast commit has a name in it, but it is not a directory", ino)
	}
	return n, ok, err
}

// enter adds a name, unless the directory has it.
func (r *fastReplay) enter(dir, n node, name string) (entered bool, err error) {
	if name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return false, corruptf("inode %d: a fast commit has the name %q", dir.ino, name)
	}
	if _, has, err := r.tx.find(dir, name); err != nil || has {
		return false, err
	}
	if err := r.tx.vetDir(dir, name); err != nil {
		return false, err
	}
	r.touch(dir.ino)
	return true, r.tx.link(dir, name, n)
}

// link enters a further name of a file.
func (r *fastReplay) link(parent, ino Ino, name string) error {
	n, ok, err := r.existing(ino)
	if err != nil || !ok {
		return err
	}
	dir, ok, err := r.directory(parent)
	if err != nil || !ok {
		return err
	}
	if n.Type() == format.ModeDir {
		return corruptf("inode %d: a directory, and a fast commit links it", ino)
	}
	entered, err := r.enter(dir, n, name)
	if err != nil || !entered {
		return err
	}
	format.ILinksCount.Set(n.Inode, format.ILinksCount.Get(n.Inode)+1)
	r.tx.seal(n)
	r.touch(ino)
	return nil
}

// unlink takes a name away, and with its last one the inode.
func (r *fastReplay) unlink(parent, ino Ino, name string) error {
	tx := r.tx
	n, ok, err := r.existing(ino)
	if err != nil || !ok {
		return err
	}
	dir, ok, err := r.directory(parent)
	if err != nil || !ok {
		return err
	}
	child, has, err := tx.find(dir, name)
	if err != nil || !has {
		return err
	}
	if child.Ino == ino { // else the name leads elsewhere by now
		if err := tx.unlink(dir, name); err != nil {
			return err
		}
		r.touch(dir.ino)
	}
	if n.Type() == format.ModeDir {
		if err := tx.addSubdir(dir, -1); err != nil {
			return err
		}
		return r.drop(n)
	}
	links := format.ILinksCount.Get(n.Inode) - 1
	if links == 0 {
		return r.drop(n)
	}
	format.ILinksCount.Set(n.Inode, links)
	tx.seal(n)
	r.touch(ino)
	return nil
}

// drop deletes an inode. Its blocks are freed at the end, where none of the others has them.
func (r *fastReplay) drop(n node) error {
	if r.tx.hasMap(n) {
		if err := r.remap(n.ino, 0, mapEnd, nil); err != nil {
			return err
		}
	}
	if err := r.settle(n); err != nil {
		return err
	}
	delete(r.modified, n.ino)
	return r.tx.dropInode(n)
}

// settle lets i_blocks say what an inode has.
func (r *fastReplay) settle(n node) error {
	want, err := r.tx.xattrBlocks(n)
	if err != nil {
		return err
	}
	if r.tx.hasMap(n) {
		runs, _, _, err := r.tx.clustersOf(n)
		if err != nil {
			return err
		}
		for _, run := range runs {
			want += uint64(run.count)
		}
	}
	have := n.RawBlocks()
	if !n.flag(format.InodeHugeFile) {
		have /= uint64(r.tx.blockSize / 512)
	}
	return r.tx.addBlocks(n, int64(want)-int64(have))
}

// finish deletes inodes that have no name, then sets the bitmaps right: what modified inodes have is used, what they had before or
// were to have is free.
func (r *fastReplay) finish() error {
	tx := r.tx
	for _, ino := range slices.Sorted(maps.Keys(r.modified)) {
		n, err := tx.editRaw(ino)
		if err != nil {
			return err
		}
		if format.ILinksCount.Get(n.Inode) != 0 {
			continue
		}
		format.ILinksCount.Set(n.Inode, 1)
		tx.seal(n)
		if err := r.drop(n); err != nil {
			return err
		}
	}
	var have []blockRun
	for _, ino := range slices.Sorted(maps.Keys(r.modified)) {
		n, err := tx.editInode(ino)
		if err != nil {
			return err
		}
		if err := r.settle(n); err != nil {
			return err
		}
		tx.seal(n)
		if !tx.hasMap(n) {
			continue
		}
		runs, _, _, err := tx.clustersOf(n)
		if err != nil {
			return err
		}
		have = append(have, runs...)
	}
	if err := checkShared(have); err != nil {
		return err
	}
	for _, run := range append(r.added, r.gone...) {
		if err := r.mark(run, false, nil); err != nil {
			return err
		}
	}
	for _, run := range have {
		if err := r.mark(run, true, nil); err != nil {
			return err
		}
	}
	return nil
}

// checkShared: no two of the files have a block in common.
func checkShared(runs []blockRun) error {
	err := checkDistinct(node{}, runs)
	if errors.Is(err, ErrCorrupt) {
		return corruptf("a block is given to two files: %w", err)
	}
	return err
}
