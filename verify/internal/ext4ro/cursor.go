// Package ext4ro is the auditor's own small decoder of ext4. FS says whether a superblock, an inode, the map of its blocks and the
// index of a directory have a shape that a library can be trusted with. Audit judges them object by object, as strictly as the kernel
// and e2fsck do: what is found is collected, so that more objects, up to all of them, are more calls.
//
// It is written from the kernel's description of the format (Documentation/filesystems/ext4) and reads structures from front
// to back, field after field, so that it shares neither code nor habit with the writer, which looks at fields by their offsets.
package ext4ro

import "encoding/binary"

// cursor reads little-endian fields one after the other. The callers hand it buffers of fixed sizes, larger than what they read.
type cursor struct{ rest []byte }

func (c *cursor) skip(n int) { c.rest = c.rest[n:] }

func (c *cursor) bytes(n int) []byte {
	b := c.rest[:n]
	c.skip(n)
	return b
}

func (c *cursor) u8() uint8   { return c.bytes(1)[0] }
func (c *cursor) u16() uint16 { return binary.LittleEndian.Uint16(c.bytes(2)) }
func (c *cursor) u32() uint32 { return binary.LittleEndian.Uint32(c.bytes(4)) }
func (c *cursor) u64() uint64 { return binary.LittleEndian.Uint64(c.bytes(8)) }

// wide joins the halves of a field whose upper half came later into the format.
func wide(lo, hi uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }
