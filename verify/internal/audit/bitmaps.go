package audit

// This file is the first half of pass 5: both bitmaps of each group against what passes 1 to 4 have found in use.

import (
	"encoding/binary"
	"math/bits"
)

// counted is what the bitmaps of a group say.
type counted struct {
	freeClusters, freeInodes, dirs uint32
}

// checkBitmaps compares all groups, and returns what their bitmaps say.
func (c *checker) checkBitmaps() []counted {
	implied := c.impliedClusters()
	counts := make([]counted, len(c.groups))
	c.parallel(len(c.groups), func(w *worker, i int) {
		counts[i].freeClusters = w.checkBlockBitmap(uint32(i), implied)
		counts[i].freeInodes, counts[i].dirs = w.checkInodeBitmap(uint32(i))
	})
	return counts
}

// impliedClusters are those that need no mark: of groups without a block bitmap everything that is theirs, wherever it lies.
func (c *checker) impliedClusters() *bitset {
	s := c.sb
	implied := newBitset(s.clusterCount())
	mark := func(b, n uint64) {
		if b < uint64(s.FirstDataBlock) || n == 0 || b+n > s.BlocksCount {
			return
		}
		first, last := s.clusterOf(b), s.clusterOf(b+n-1)
		implied.addRange(first, last-first+1, nil)
	}
	for g := range c.groups {
		d := &c.groups[g]
		if d.Flags&groupBlockUninit == 0 {
			continue
		}
		c.eachSuper(uint32(g), mark)
		mark(d.BlockBitmap, 1)
		mark(d.InodeBitmap, 1)
		mark(d.InodeTable, uint64(s.itableBlocks))
	}
	return implied
}

// readBitmap reads a bitmap into w.buf. One that was never written is all zeros.
func (w *worker) readBitmap(d *descriptor, block uint64, uninit uint16) (written bool) {
	// What a descriptor with a wrong checksum says of uninitialised bitmaps is not believed.
	if w.c.sb.groupCsum && d.Flags&uninit != 0 && !d.badChecksum {
		clear(w.buf)
		return false
	}
	if err := w.c.readBlock(block, w.buf); err != nil {
		w.c.fail(err)
		return false
	}
	return true
}

// padded says whether all bytes are ones.
func padded(p []byte) bool {
	for _, b := range p {
		if b != 0xff {
			return false
		}
	}
	return true
}

// difference is what a bitmap and the truth do not agree on.
type difference struct {
	unmarked, unused           uint32 // in use and not marked; marked and not in use
	firstUnmarked, firstUnused uint64
}

func (d *difference) add(base uint64, marked, used uint64) {
	if x := used &^ marked; x != 0 {
		if d.unmarked == 0 {
			d.firstUnmarked = base + uint64(bits.TrailingZeros64(x))
		}
		d.unmarked += uint32(bits.OnesCount64(x))
	}
	if x := marked &^ used; x != 0 {
		if d.unused == 0 {
			d.firstUnused = base + uint64(bits.TrailingZeros64(x))
		}
		d.unused += uint32(bits.OnesCount64(x))
	}
}

// lowBits are the n lowest of 64.
func lowBits(n uint32) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return 1<<n - 1
}

func (w *worker) checkBlockBitmap(g uint32, implied *bitset) (free uint32) {
	c, s, d, o := w.c, w.c.sb, &w.c.groups[g], groupObject(g)
	written := w.readBitmap(d, d.BlockBitmap, groupBlockUninit)
	if c.failed.Load() {
		return 0
	}
	first, n := uint64(g)*uint64(s.ClustersPerGroup), s.groupClusters(g)
	size := s.ClustersPerGroup / 8
	var diff difference
	for i := uint32(0); i < s.ClustersPerGroup; i += 64 {
		at := first + uint64(i)
		mask := lowBits(s.ClustersPerGroup - i)
		marked := binary.LittleEndian.Uint64(w.buf[i/8:])&mask | implied.window(at)&lowBits(n-min(n, i))
		binary.LittleEndian.PutUint64(w.buf[i/8:], binary.LittleEndian.Uint64(w.buf[i/8:])&^mask|marked)
		inGroup := lowBits(n - min(n, i))
		diff.add(at, marked&inGroup, c.taken.window(at)&inGroup)
		free += uint32(bits.OnesCount64(^marked & inGroup))
	}
	block := func(cluster uint64) uint64 { return uint64(s.FirstDataBlock) + cluster<<s.clusterShift }
	if diff.unmarked != 0 {
		c.report(CodeBlockBitmap, o, "%d clusters are in use and not marked, the first at block %d", diff.unmarked, block(diff.firstUnmarked))
	}
	if diff.unused != 0 {
		c.report(CodeBlockBitmap, o, "%d clusters are marked and not in use, the first at block %d", diff.unused, block(diff.firstUnused))
	}
	if written && !padded(w.buf[size:]) || !tailPadded(w.buf, n, s.ClustersPerGroup) {
		c.report(CodeBlockBitmap, o, "the end of the block bitmap, which stands for no block, is not filled with ones")
	}
	if s.metadataCsum && d.Flags&groupBlockUninit == 0 {
		c.checkBitmapChecksum(CodeBlockBitmapChecksum, g, w.buf[:size], d.BlockBitmapCsum)
	}
	return free
}

// tailPadded says whether the bits from n up to end are ones.
func tailPadded(p []byte, n, end uint32) bool {
	for ; n < end; n++ {
		if p[n/8]>>(n%8)&1 == 0 {
			return false
		}
	}
	return true
}

func (c *checker) checkBitmapChecksum(code Code, g uint32, p []byte, have uint32) {
	sum := crc32c(c.sb.csumSeed, p)
	if c.sb.descSize < 64 {
		sum &= 0xffff
	}
	if sum != have {
		c.report(code, groupObject(g), "the bitmap's checksum is 0x%08x, not 0x%08x", have, sum)
	}
}

func (w *worker) checkInodeBitmap(g uint32) (free, dirs uint32) {
	c, s, d, o := w.c, w.c.sb, &w.c.groups[g], groupObject(g)
	written := w.readBitmap(d, d.InodeBitmap, groupInodeUninit)
	if c.failed.Load() {
		return 0, 0
	}
	n, size := s.InodesPerGroup, s.InodesPerGroup/8
	if s.metadataCsum && d.Flags&groupInodeUninit == 0 {
		c.checkBitmapChecksum(CodeInodeBitmapChecksum, g, w.buf[:size], d.InodeBitmapCsum)
	}
	if written && !padded(w.buf[size:]) {
		c.report(CodeInodeBitmap, o, "the end of the inode bitmap, which stands for no inode, is not filled with ones")
	}
	if s.groupCsum && d.Flags&groupInodeUninit != 0 {
		clear(w.buf)
	}
	facts := c.facts[g].Load()
	var diff difference
	for i := uint32(0); i < n; i += 64 {
		mask := lowBits(n - i)
		marked := binary.LittleEndian.Uint64(w.buf[i/8:]) & mask
		used, dir := facts.window(i, n)
		diff.add(uint64(g)*uint64(n)+uint64(i)+1, marked, used)
		free += uint32(bits.OnesCount64(^marked & mask))
		dirs += uint32(bits.OnesCount64(marked & dir))
	}
	if diff.unmarked != 0 {
		c.report(CodeInodeBitmap, o, "%d inodes are in use and not marked, the first is %d", diff.unmarked, diff.firstUnmarked)
	}
	if diff.unused != 0 {
		c.report(CodeInodeBitmap, o, "%d inodes are marked and not in use, the first is %d", diff.unused, diff.firstUnused)
	}
	return free, dirs
}

// window returns which of the 64 inodes from the i-th of a group on are in use, and which are directories.
func (f *groupFacts) window(i, n uint32) (used, dirs uint64) {
	if f == nil {
		return 0, 0
	}
	for j, kind := range f.kinds[i:min(i+64, n)] {
		if kind != kindNone {
			used |= 1 << j
		}
		if kind == kindDir {
			dirs |= 1 << j
		}
	}
	return used, dirs
}
