package audit

// This file reads lists of extended attributes, in inodes and in blocks: for those who want a value, and so strictly as e2fsck's library
// reads them.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	attributeMagic     = 0xEA020000
	attributeEntrySize = 16
	attributeHeader    = 32      // of a block
	attributeMaxSize   = 1 << 24 // EXT2_XATTR_SIZE_MAX
	maxReferredValue   = 1 << 16 // of a value in an inode of its own, as the library reads them
)

// attributeEntry is an entry of a list; what is behind it in the list comes along.
type attributeEntry []byte

func (e attributeEntry) nameLen() int   { return int(e[0]) }
func (e attributeEntry) index() uint8   { return e[1] }
func (e attributeEntry) offset() int    { return int(binary.LittleEndian.Uint16(e[2:])) }
func (e attributeEntry) inode() uint32  { return binary.LittleEndian.Uint32(e[4:]) }
func (e attributeEntry) size() uint32   { return binary.LittleEndian.Uint32(e[8:]) }
func (e attributeEntry) hash() uint32   { return binary.LittleEndian.Uint32(e[12:]) }
func (e attributeEntry) length() int    { return (e.nameLen() + attributeEntrySize + 3) &^ 3 }
func (e attributeEntry) name() []byte   { return e[attributeEntrySize:][:e.nameLen()] }
func (e attributeEntry) ends() bool     { return binary.LittleEndian.Uint32(e) == 0 }
func (e attributeEntry) nameRoom() int  { return (e.nameLen() + 3) &^ 3 }
func (e attributeEntry) valueRoom() int { return (int(e.size()) + 3) &^ 3 }

// hashes computes what e_hash has to be: of the name, and of the value where it is in the list. Kernels up to 6.2 took the name's bytes
// for signed ones on most machines; both are right.
func (e attributeEntry) hashes(value []byte) (unsigned, signed uint32) {
	for _, b := range e.name() {
		unsigned = unsigned<<5 ^ unsigned>>27 ^ uint32(b)
		signed = signed<<5 ^ signed>>27 ^ uint32(int8(b))
	}
	if e.inode() != 0 || e.size() == 0 {
		return unsigned, signed
	}
	for value = value[:e.valueRoom()]; len(value) >= 4; value = value[4:] {
		word := binary.LittleEndian.Uint32(value)
		unsigned, signed = hashWord(unsigned, word), hashWord(signed, word)
	}
	return unsigned, signed
}

func hashWord(hash, word uint32) uint32 { return hash<<16 ^ hash>>16 ^ word }

// attributePrefixes are what e_name_index stands for.
var attributePrefixes = map[uint8]string{
	1: "user.", 2: "system.posix_acl_access", 3: "system.posix_acl_default", 4: "trusted.", 6: "security.", 7: "system.", 8: "system.richacl", 10: "gnu.",
}

// attributeError is what is wrong with a list.
type attributeError struct{ what string }

func (e *attributeError) Error() string { return e.what }

func badAttributes(format string, args ...any) error {
	return &attributeError{fmt.Sprintf(format, args...)}
}

// isIO says whether an error is one of reading, and none of what was read.
func isIO(err error) bool {
	var bad *attributeError
	return err != nil && !errors.As(err, &bad)
}

// attributeFault reports a list that cannot be read, or ends the audit where it is the disk that cannot.
func (w *worker) attributeFault(in *inode, code Code, err error) {
	if isIO(err) {
		w.c.fail(err)
		return
	}
	w.c.report(code, inodeObject(in.ino), "its attributes cannot be read: %v", err)
}

// fullNameIs compares as strings are compared in C: a NUL ends a name.
func fullNameIs(e attributeEntry, name string) bool {
	rest, ok := bytes.CutPrefix([]byte(name), []byte(attributePrefixes[e.index()]))
	if !ok {
		return false
	}
	got, _, _ := bytes.Cut(e.name(), []byte{0})
	return bytes.Equal(got, rest)
}

// inodeList reads the list in the inode, if there is one.
func (w *worker) inodeList(in *inode, visit func(e attributeEntry, value []byte) error) error {
	extra := int(in.ExtraIsize)
	if extra < 2 || w.c.sb.inodeSize <= goodOldInodeSize+extra+4 {
		return nil
	}
	if extra&3 != 0 {
		return badAttributes("i_extra_isize is %d", extra)
	}
	area := in.raw[goodOldInodeSize+extra:]
	if binary.LittleEndian.Uint32(area) != attributeMagic {
		return nil
	}
	return w.readList(in, area[4:], area[4:], visit)
}

// blockList reads the list in a block.
func (w *worker) blockList(in *inode, b uint64, visit func(e attributeEntry, value []byte) error) error {
	c := w.c
	if !c.validBlock(b) {
		return badAttributes("block %d of attributes is not there", b)
	}
	if err := c.readBlock(b, w.buf); err != nil {
		return err
	}
	block := w.buf
	switch {
	case binary.LittleEndian.Uint32(block) != attributeMagic || binary.LittleEndian.Uint32(block[8:]) != 1:
		return badAttributes("the header of block %d of attributes is damaged", b)
	case !c.sb.attributeSumOK(b, block):
		return badAttributes("the checksum of block %d of attributes is wrong", b)
	}
	return w.readList(in, block[attributeHeader:], block, visit)
}

// readList reads the entries of a list; values are relative to base.
func (w *worker) readList(in *inode, list, base []byte, visit func(e attributeEntry, value []byte) error) error {
	// Where the entries end, values may begin.
	entriesEnd := 0
	for remain := len(list); remain >= attributeEntrySize && !attributeEntry(list[entriesEnd:]).ends(); {
		e := attributeEntry(list[entriesEnd:])
		remain -= attributeEntrySize
		if e.nameRoom() > remain {
			return badAttributes("a name of %d bytes does not fit in", e.nameLen())
		}
		remain -= e.nameRoom()
		entriesEnd += e.length()
	}
	entriesEnd += len(base) - len(list)
	remain, at := len(list), 0
	for remain >= attributeEntrySize && !attributeEntry(list[at:]).ends() {
		e := attributeEntry(list[at:])
		remain -= attributeEntrySize + e.nameRoom()
		if remain < 0 {
			return badAttributes("a name of %d bytes does not fit in", e.nameLen())
		}
		var value []byte
		if e.inode() == 0 {
			size, from := int(min(e.size(), 1<<30)), e.offset()
			switch {
			case size > remain:
				return badAttributes("a value of %d bytes does not fit in", e.size())
			case from+size > len(base), size > 0 && from < entriesEnd+4:
				return badAttributes("a value at %d, outside of the place for values", from)
			}
			remain -= size
			value = base[min(from, len(base)):][:size]
		} else if err := w.checkReference(in, e); err != nil {
			return err
		}
		if e.hash() != 0 {
			ok, err := w.hashOK(in, e, base)
			if err != nil {
				return err
			}
			if !ok {
				return badAttributes("the hash of an attribute is wrong")
			}
		}
		if err := visit(e, value); err != nil {
			return err
		}
		at += e.length()
	}
	return nil
}

// checkReference judges an attribute whose value is in an inode of its own, as far as the library does before it reads it.
func (w *worker) checkReference(in *inode, e attributeEntry) error {
	if !w.c.sb.hasIncompat(incompatEaInode) {
		return badAttributes("a value in inode %d, without the feature ea_inode", e.inode())
	}
	if e.offset() != 0 || e.size() > maxReferredValue {
		return badAttributes("a value of %d bytes at %d in inode %d", e.size(), e.offset(), e.inode())
	}
	child, err := w.referred(e)
	if err != nil {
		return err
	}
	if child.has(flagInlineData) || !child.has(flagEaInode) || child.Links == 0 || child.Size != uint64(e.size()) {
		return badAttributes("inode %d does not hold a value of %d bytes", e.inode(), e.size())
	}
	return nil
}

// referred reads the inode that holds a value.
func (w *worker) referred(e attributeEntry) (*inode, error) {
	if !w.c.sb.validInode(e.inode()) {
		return nil, badAttributes("a value in inode %d, which there is not", e.inode())
	}
	if w.otherRaw == nil {
		w.otherRaw = make([]byte, w.c.sb.inodeSize)
	}
	return &w.other, w.c.readInode(e.inode(), &w.other, w.otherRaw)
}

// hashOK compares the hash of an attribute, wherever its value is.
func (w *worker) hashOK(in *inode, e attributeEntry, base []byte) (bool, error) {
	unsigned, signed := uint32(0), uint32(0)
	if e.inode() == 0 {
		if e.size() > 0 && e.offset()+e.valueRoom() > len(base) {
			return false, nil // the library reads a few bytes beyond; what is there is nobody's
		}
		var value []byte
		if e.size() > 0 {
			value = base[e.offset():]
		}
		unsigned, signed = e.hashes(value)
		return e.hash() == unsigned || e.hash() == signed, nil
	}
	child, err := w.referred(e)
	if err != nil {
		return false, err
	}
	return referenceHashOK(e, child) || oldReference(in, child), nil
}

// referenceHashOK compares the hash of an attribute whose value is in child: that of the value is in i_atime.
func referenceHashOK(e attributeEntry, child *inode) bool {
	unsigned, signed := e.hashes(nil)
	return e.hash() == hashWord(unsigned, child.Atime) || e.hash() == hashWord(signed, child.Atime)
}

// oldReference says whether child holds values in the manner of Lustre, before hashes: it names its owner in i_mtime and i_generation.
func oldReference(in, child *inode) bool {
	return child.Mtime == in.ino && child.Generation == in.Generation
}
