package audit

// This file reads little-endian fields one after the other.

import "encoding/binary"

// cursor goes through a structure front to back. The callers hand it buffers of fixed sizes, larger than what they read.
type cursor struct{ rest []byte }

func (c *cursor) skip(n int) { c.rest = c.rest[n:] }

func (c *cursor) bytes(n int) []byte {
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) u8() uint8   { return c.bytes(1)[0] }
func (c *cursor) u16() uint16 { return binary.LittleEndian.Uint16(c.bytes(2)) }
func (c *cursor) u32() uint32 { return binary.LittleEndian.Uint32(c.bytes(4)) }
func (c *cursor) u64() uint64 { return binary.LittleEndian.Uint64(c.bytes(8)) }

// wide joins the halves of a field whose upper half came later into the format.
func wide(lo, hi uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }
