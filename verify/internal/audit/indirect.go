package audit

// This file judges maps by blocks: twelve direct ones, then trees of one to three levels.

import "encoding/binary"

// checkBlockMap judges the map of the inode in hand, and claims what it maps.
func (w *worker) checkBlockMap() {
	k := &w.contents
	w.checkDirect(k.in.Block[:directBlocks*4], 0)
	logical, reach := uint64(directBlocks), uint64(w.c.sb.blockSize/4)
	for level := range 3 {
		if b := binary.LittleEndian.Uint32(k.in.Block[(directBlocks+level)*4:]); b != 0 {
			if !w.checkIndirect(uint64(b), logical, level) {
				k.broken = true
			}
		}
		logical += reach
		reach *= uint64(w.c.sb.blockSize / 4)
	}
	w.settle()
}

// checkIndirect judges block b, below which there are level levels more, and what it maps from logical on.
func (w *worker) checkIndirect(b, logical uint64, level int) bool {
	c, s, k := w.c, w.c.sb, &w.contents
	w.settle()
	if !c.validBlock(b) {
		w.fault("block %d is named as an indirect one, and there is no such block", b)
		return false
	}
	if k.tooBig() {
		w.fault("indirect block %d makes the file too big", b)
	} else {
		if k.in.ino != resizeInode || level == 1 { // whose single indirect blocks are spare descriptor blocks
			w.claim(b, 1)
		}
		k.clusters++
		k.previous = b
	}
	if k.in.ino != resizeInode && c.isSystem(b) {
		w.fault("block %d is named as an indirect one, and is the file system's own", b)
		return false
	}
	if !w.enter(b) {
		return false
	}
	list := w.mapWalker().node(level)
	if err := c.readBlock(b, list); err != nil {
		c.fail(err)
		return false
	}
	if level == 0 {
		w.checkDirect(list, logical)
		return true
	}
	reach := uint64(1)
	for range level {
		reach *= uint64(s.blockSize / 4)
	}
	for ; len(list) >= 4; list, logical = list[4:], logical+reach {
		if b := binary.LittleEndian.Uint32(list); b != 0 && !w.checkIndirect(uint64(b), logical, level-1) {
			return false
		}
	}
	return true
}

// tooBig says whether one more cluster is more than such a map may have.
func (k *contents) tooBig() bool { return (k.dir || k.reg) && k.clusters+1 >= k.maxBlocks }

// checkDirect judges a list of data blocks.
func (w *worker) checkDirect(list []byte, logical uint64) {
	c, s, k := w.c, w.c.sb, &w.contents
	lastOfDir := ^uint64(0)
	if k.dir && !s.hasIncompat(incompatLargedir) && k.in.sizeHigh == 0 {
		lastOfDir = 1 << (21 - s.LogBlockSize)
	}
	for ; len(list) >= 4; list, logical = list[4:], logical+1 {
		b := uint64(binary.LittleEndian.Uint32(list))
		switch {
		case b == 0:
			continue
		case !c.validBlock(b):
			w.fault("logical block %d is mapped to block %d, which there is not", logical, b)
			continue
		case logical > lastOfDir || k.tooBig():
			w.fault("logical block %d is too much for such a file", logical)
			continue
		case !k.dir && !k.reg && logical > 0:
			w.fault("a symlink with more than one block")
			continue
		}
		p := &k.pending
		if p.length > 0 && b == p.physical+p.length && logical == p.logical+p.length {
			p.length++
			if b&uint64(s.clusterRatio-1) == 0 || k.in.ino == resizeInode {
				k.clusters++
			}
			continue
		}
		w.settle()
		*p = run{logical: logical, physical: b, length: 1}
		if !w.sameCluster(b, logical) || k.in.ino == resizeInode { // which counts blocks whatever a cluster is
			k.clusters++
		}
	}
}

// sameCluster says whether a block goes on with the cluster of the block before, at the place where it belongs.
func (w *worker) sameCluster(b, logical uint64) bool {
	s, k := w.c.sb, &w.contents
	mask := uint64(s.clusterRatio) - 1
	return mask != 0 && k.previous != 0 && s.clusterOf(b) == s.clusterOf(k.previous) && b&mask == logical&mask
}

// settle claims the blocks in one piece that were met last. Those of the resize inode are claimed as descriptors.
func (w *worker) settle() {
	s, k := w.c.sb, &w.contents
	p := k.pending
	if p.length == 0 {
		return
	}
	k.pending = run{}
	if k.dir {
		w.addRun(p)
	}
	if k.in.ino != resizeInode {
		if !w.sameCluster(p.physical, p.logical) {
			w.claim(p.physical, p.length)
		} else if b := (s.clusterOf(p.physical) + 1) << s.clusterShift; b < p.physical+p.length {
			w.claim(b, p.physical+p.length-b)
		}
	}
	k.last, k.previous = p.logical+p.length-1, p.physical+p.length-1
}
