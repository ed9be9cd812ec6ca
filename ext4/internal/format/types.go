// Package format has the on-disk structures of ext4 and jbd2 as views over bytes: a field is an offset and a width, it is
// patched in place, and bytes that no field names survive. No input and output, no allocation by a field's value.
//
// The source for every offset is the kernel's documentation, Documentation/filesystems/ext4 (globals.rst, dynamic.rst), and
// fs/ext4/ext4.h for what it leaves out. ext4 is little-endian, the journal (jbd2) is big-endian.
package format

// This file has the integer types that must not be mixed and the field types that the views are made of.

import "encoding/binary"

// FSBlock is a block's number in the file system, FileBlock a block's number in one file, Ino an inode's number (the first
// is 1) and Group a block group's.
type (
	FSBlock   uint64
	FileBlock uint32
	Ino       uint32
	Group     uint32
)

// U8, U16, U32 and U64 are little-endian fields: the value is the field's offset in bytes within its structure.
type (
	U8  int
	U16 int
	U32 int
	U64 int
)

func (o U8) Get(b []byte) uint8      { return b[o] }
func (o U8) Set(b []byte, v uint8)   { b[o] = v }
func (o U16) Get(b []byte) uint16    { return binary.LittleEndian.Uint16(b[o:]) }
func (o U16) Set(b []byte, v uint16) { binary.LittleEndian.PutUint16(b[o:], v) }
func (o U32) Get(b []byte) uint32    { return binary.LittleEndian.Uint32(b[o:]) }
func (o U32) Set(b []byte, v uint32) { binary.LittleEndian.PutUint32(b[o:], v) }
func (o U64) Get(b []byte) uint64    { return binary.LittleEndian.Uint64(b[o:]) }
func (o U64) Set(b []byte, v uint64) { binary.LittleEndian.PutUint64(b[o:], v) }

// B16, B32 and B64 are big-endian fields, as the journal has them.
type (
	B16 int
	B32 int
	B64 int
)

func (o B16) Get(b []byte) uint16    { return binary.BigEndian.Uint16(b[o:]) }
func (o B16) Set(b []byte, v uint16) { binary.BigEndian.PutUint16(b[o:], v) }
func (o B32) Get(b []byte) uint32    { return binary.BigEndian.Uint32(b[o:]) }
func (o B32) Set(b []byte, v uint32) { binary.BigEndian.PutUint32(b[o:], v) }
func (o B64) Get(b []byte) uint64    { return binary.BigEndian.Uint64(b[o:]) }
func (o B64) Set(b []byte, v uint64) { binary.BigEndian.PutUint64(b[o:], v) }
