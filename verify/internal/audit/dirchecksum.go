package audit

// This file checks the checksums of directory blocks: leaves keep theirs in a false last entry, nodes of the hash tree behind their table.

import "encoding/binary"

// tailState is what is found where the checksum of a leaf should be.
type tailState int

const (
	tailFound tailState = iota
	tailMissing
	tailUnclear // the chain of entries does not lead there
)

// findTail goes along the chain of a block to its last 12 bytes. It takes lengths as they are written: 65536 never leads there.
func findTail(b []byte) tailState {
	top := len(b) - entryTail
	at := 0
	for at < top {
		n := int(binary.LittleEndian.Uint16(b[at+4:]))
		if n < entryHeader || n&3 != 0 {
			return tailUnclear
		}
		at += n
	}
	tail := b[top:]
	switch {
	case at > len(b):
		return tailUnclear
	case at != top, binary.LittleEndian.Uint32(tail) != 0, binary.LittleEndian.Uint16(tail[4:]) != entryTail,
		binary.LittleEndian.Uint16(tail[6:]) != 0xDE00: // det_reserved_name_len and det_reserved_ft
		return tailMissing
	}
	return tailFound
}

// dirChecksumOK says whether a block of a directory has the right checksum; seed is the inode's.
func dirChecksumOK(b []byte, seed uint32) (bool, tailState) {
	tail := findTail(b)
	if tail == tailFound {
		return crc32c(seed, b[:len(b)-entryTail]) == binary.LittleEndian.Uint32(b[len(b)-4:]), tail
	}
	return nodeChecksumOK(b, seed), tail
}

// nodeChecksumOK checks a block as a node of the hash tree. One that does not look like a node has no right checksum.
func nodeChecksumOK(b []byte, seed uint32) bool {
	table, ok := findTable(b)
	if !ok {
		return false
	}
	limit, count := int(binary.LittleEndian.Uint16(b[table:])), int(binary.LittleEndian.Uint16(b[table+2:]))
	room := (len(b) - table) / indexEntry
	if count > room || table+limit*indexEntry > len(b)-indexTail {
		return false
	}
	tail := b[table+limit*indexEntry:]
	sum := crc32c(seed, b[:table+count*indexEntry])
	sum = crc32c(sum, tail[:4]) // dt_reserved
	return crc32cZeros(sum, 4) == binary.LittleEndian.Uint32(tail[4:])
}

// findTable returns where the table of a node begins, of the root or of one below it.
func findTable(b []byte) (int, bool) {
	switch binary.LittleEndian.Uint16(b[4:]) {
	case uint16(len(b)): // an unused entry as long as the block
		if len(b) < 65536 && binary.LittleEndian.Uint16(b[6:]) == 0 {
			return nodeTable, true
		}
	case entryMin: // "."; and ".." takes the rest
		if int(binary.LittleEndian.Uint16(b[16:])) == len(b)-entryMin &&
			binary.LittleEndian.Uint32(b[rootInfo:]) == 0 && b[rootInfo+5] == rootInfoLength {
			return rootInfo + rootInfoLength, true
		}
	}
	return 0, false
}
