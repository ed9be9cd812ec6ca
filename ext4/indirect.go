package ext4

// This file reads files of the old kind: 12 block numbers in i_block, then an indirect, a double and a triple indirect block
// of 32-bit numbers. Such files are read, not written yet.

import (
	"encoding/binary"

	"boringboot/ext4/internal/format"
)

const directBlocks = 12

// lookupIndirect finds the run that fb is in, one block long.
func (v *view) lookupIndirect(n node, fb FileBlock) (run, error) {
	slots := n.IBlock()
	per := uint64(v.blockSize / 4)
	if fb < directBlocks {
		return v.indirectRun(n, fb, le32(slots, int(fb)))
	}
	rest := uint64(fb) - directBlocks
	span := per // blocks below the pointer at this level
	for level := 1; level <= 3; level++ {
		if rest >= span {
			rest -= span
			span *= per
			continue
		}
		b := le32(slots, directBlocks+level-1)
		for b != 0 {
			if !v.validRange(FSBlock(b), 1) {
				return run{}, corruptf("inode %d: indirect block %d", n.ino, b)
			}
			block, err := v.src.Block(FSBlock(b))
			if err != nil {
				return run{}, err
			}
			span /= per
			b = le32(block, int(rest/span))
			rest %= span
			if span == 1 {
				break
			}
		}
		return v.indirectRun(n, fb, b)
	}
	return run{}, corruptf("inode %d: file block %d is beyond triple indirect blocks", n.ino, fb)
}

func (v *view) indirectRun(n node, fb FileBlock, b uint32) (run, error) {
	if b != 0 && !v.validRange(FSBlock(b), 1) {
		return run{}, corruptf("inode %d: file block %d at block %d", n.ino, fb, b)
	}
	return run{block: fb, count: 1, start: FSBlock(b)}, nil
}

func le32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }

// lookup finds the run that fb is in, by whichever map the inode has.
func (v *view) lookup(n node, fb FileBlock) (run, error) {
	if n.flag(format.InodeExtents) {
		return v.lookupExtent(n, fb)
	}
	return v.lookupIndirect(n, fb)
}
