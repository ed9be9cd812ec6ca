// Superblock and group descriptors, explained: which of their fields an update touches.

package verify

import (
	"bytes"

	"boringboot/verify/internal/audit"
	"boringboot/verify/internal/ext4ro"
)

// systemBlock explains a change in the blocks of superblocks and descriptors.
func (e *explainer) systemBlock(o audit.Owner, b uint64, old, now []byte) error {
	size := int64(e.is.BlockSize)
	const superAt, superSize = 1024, 1024
	first := int64(b) * size
	if first <= superAt && superAt < first+size {
		in := int(superAt - first)
		if !bytes.Equal(old[:in], now[:in]) || !bytes.Equal(old[in+superSize:], now[in+superSize:]) {
			e.unexplained("a change beside the superblock")
		}
		if !ext4ro.SameSuperblock(old[in:][:superSize], now[in:][:superSize]) {
			e.unexplained("what was changed of the superblock besides its counts and times")
		}
		return nil
	}
	if n, ok := e.fsIs.DescriptorsIn(b); ok {
		desc := int(e.fsIs.DescSize)
		for i := 0; i+desc <= len(now); i += desc {
			if !ext4ro.SameDescriptor(old[i:][:desc], now[i:][:desc]) {
				e.unexplained("what was changed of the descriptor of group %d besides its counts, flags and checksums", n+uint32(i/desc))
			}
		}
		return nil
	}
	e.unexplained("a change in block %d, a copy of the superblock or of descriptors in group %d", b, o.Number)
	return nil
}
