package audit

// This file goes along the chain of entries of a directory's block, and judges each entry.

import (
	"bytes"
	"encoding/binary"
)

const (
	entryHeader    = 8  // inode, rec_len, name_len, file_type
	entryMin       = 12 // the shortest entry: a name of one byte, on a multiple of 4
	entryTail      = 12 // the false entry at the end of a block that holds its checksum
	entryHashes    = 8  // after the name, in directories that are encrypted and fold cases
	minCipherName  = 16 // an encrypted name is at least one block of AES
	rootIno        = 2
	encodingStrict = 1 // s_encoding_flags: names that are not text are refused
)

// recLen reads rec_len. In blocks of 64 KiB it cannot say 65536 and says 65535 or 0.
func recLen(b []byte, blockSize int) int {
	n := int(binary.LittleEndian.Uint16(b[4:]))
	if blockSize < 65536 {
		return n
	}
	if n == 65535 || n == 0 {
		return blockSize
	}
	return n&^3 | n&3<<16
}

// entry is an entry of a directory.
type entry struct {
	ino      uint32
	rec      int // its length, with what is unused behind the name
	name     []byte
	fileType fileKind
	at       int    // offset in the block
	pos      int    // its place in the directory: 0 is for ".", 1 for "..", and blocks after the first begin with 2
	hash     uint32 // where the directory keeps it
}

// entries goes along the chain in b, from the byte start on; pos is the place of the first entry. It says no where the chain is broken.
func (s *dirScan) entries(b []byte, start, pos int, block uint64) bool {
	for at := start; ; pos++ {
		extra := 0
		if pos > 1 && s.hashInEntry {
			extra = entryHashes
		}
		if len(b)-at < entryHeader {
			return s.broken(block, at, "has no room for an entry")
		}
		rec, nameLen := recLen(b[at:], s.blockSize), int(b[at+6])
		need := (entryHeader+nameLen+3)&^3 + extra
		switch {
		case rec > len(b)-at:
			return s.broken(block, at, "is longer than what is left of the block")
		case rec < entryMin+extra || rec&3 != 0:
			return s.broken(block, at, "has an impossible length")
		case need > rec:
			return s.broken(block, at, "is shorter than its name")
		}
		e := entry{
			ino: binary.LittleEndian.Uint32(b[at:]), rec: rec, name: b[at+entryHeader : at+entryHeader+nameLen],
			fileType: fileKind(b[at+7]), at: at, pos: pos,
		}
		if extra != 0 {
			e.hash = binary.LittleEndian.Uint32(b[at+need-extra:])
		}
		switch pos {
		case 0:
			// "." and ".." end in a zero byte, which the chain has room for.
			s.checkDot(&e, b[at+9] == 0)
		case 1:
			s.checkDotDot(&e, b[at+10] == 0)
		}
		if e.ino != 0 {
			s.checkEntry(&e, block)
		}
		if at += rec; at == len(b) {
			return true
		}
	}
}

// broken reports a chain that does not lead to the block's end. What comes after is not looked at.
func (s *dirScan) broken(block uint64, at int, what string) bool {
	s.c.lostNames.set()
	s.c.report(CodeDirectoryEntry, s.object, "block %d: the entry at offset %d %s", block, at, what)
	return false
}

func (s *dirScan) checkDot(e *entry, terminated bool) {
	switch {
	case e.ino == 0:
		s.c.report(CodeDirectoryEntry, s.object, `"." is missing`)
	case len(e.name) != 1 || e.name[0] != '.':
		s.c.report(CodeDirectoryEntry, s.object, `the first entry is not "."`)
	case !terminated:
		s.c.report(CodeDirectoryEntry, s.object, `"." does not end in a zero byte`)
	case e.ino != s.d.ino:
		s.c.report(CodeDirectoryEntry, s.object, `"." names inode %d`, e.ino)
	}
	if e.rec > 2*entryMin {
		s.c.warn(CodeDirectoryEntry, s.object, `the entry of "." takes %d bytes`, e.rec)
	}
}

func (s *dirScan) checkDotDot(e *entry, terminated bool) {
	switch {
	case e.ino == 0:
		s.c.report(CodeDirectoryEntry, s.object, `".." is missing`)
	case len(e.name) != 2 || e.name[0] != '.' || e.name[1] != '.':
		s.c.report(CodeDirectoryEntry, s.object, `the second entry is not ".."`)
	case !terminated:
		s.c.report(CodeDirectoryEntry, s.object, `".." does not end in a zero byte`)
	default:
		s.d.dotdot.Store(e.ino)
	}
}

// checkEntry judges an entry that names an inode, and counts the name.
func (s *dirScan) checkEntry(e *entry, block uint64) {
	c := s.c
	kind := c.kind(e.ino)
	if what := s.wrongInode(e, kind); what != "" {
		c.report(CodeDirectoryEntry, s.object, "block %d: the entry at offset %d, of inode %d, %s", block, e.at, e.ino, what)
		if !s.mayBeNamed(e.ino) {
			return
		}
	}
	s.checkType(e, kind, block)
	if what := s.wrongName(e, kind); what != "" {
		c.report(CodeDirectoryEntry, s.object, "block %d: the entry at offset %d %s", block, e.at, what)
	}
	if s.leaf != nil {
		s.leaf.hashed(s.hashOf(e))
	}
	if e.pos > 1 && kind == kindDir {
		if d := c.directory(e.ino); d != nil {
			c.namings.add(d, naming{s.d.ino, uint32(block), uint32(e.at)})
		}
	}
	c.named(e.ino)
	s.noteName(e)
}

// mayBeNamed says whether an inode is one that entries may name at all.
func (s *dirScan) mayBeNamed(ino uint32) bool {
	sb := s.c.sb
	return (ino == rootIno || ino >= sb.firstInode) && ino <= sb.InodesCount &&
		ino != sb.QuotaInums[0] && ino != sb.QuotaInums[1] && ino != sb.QuotaInums[2] && ino != sb.OrphanFileInum
}

// wrongInode says what is wrong with the inode that an entry names, "" if nothing is.
func (s *dirScan) wrongInode(e *entry, kind fileKind) string {
	if !s.mayBeNamed(e.ino) {
		return "names an inode that no entry may name"
	}
	if e.pos > 1 {
		switch {
		case e.ino == s.d.ino:
			return "is a link to the directory itself"
		case len(e.name) == 1 && e.name[0] == '.':
			return `is another "."`
		case len(e.name) == 2 && e.name[0] == '.' && e.name[1] == '.':
			return `is another ".."`
		case e.ino == rootIno:
			return "is a link to the root directory"
		case len(e.name) == 0:
			return "has an empty name"
		}
	}
	sb := s.c.sb
	g := sb.groupOfInode(e.ino)
	desc := &s.c.groups[g]
	switch {
	case desc.Flags&groupInodeUninit != 0:
		return "names an inode of a group whose inode table is marked uninitialised"
	case e.ino >= (g+1)*sb.InodesPerGroup+1-desc.ItableUnused:
		return "names an inode of the part of its group that is marked unused"
	case kind == kindNone:
		return "names an inode that is not in use"
	}
	return ""
}

// checkType compares the type in the entry with the inode's.
func (s *dirScan) checkType(e *entry, kind fileKind, block uint64) {
	switch {
	case !s.hasTypes:
		if e.fileType != 0 {
			s.c.report(CodeDirectoryEntry, s.object, "block %d: the entry at offset %d has a file type, which this file system does not keep", block, e.at)
		}
	case e.fileType == kind || kind == kindNone: // what is not in use has been told
	case kind == kindOdd && e.fileType == 0:
	case e.fileType == 0: // lookups do not mind, and e2fsck sets it in passing
		s.untyped++
	default:
		s.c.report(CodeDirectoryEntry, s.object, "block %d: the entry at offset %d says type %d, and inode %d has type %d", block, e.at, e.fileType, e.ino, kind)
	}
}

// wrongName says what is wrong with an entry's name, "" if nothing is.
func (s *dirScan) wrongName(e *entry, kind fileKind) string {
	switch {
	case s.policy != policyNone:
		if e.pos > 1 {
			return s.wrongCipherName(e, kind)
		}
		return ""
	case s.strictText && !validText(e.name):
		return "has a name that is not UTF-8"
	case bytes.IndexByte(e.name, '/') >= 0 || bytes.IndexByte(e.name, 0) >= 0:
		return "has a slash or a zero byte in its name"
	}
	return ""
}

// wrongCipherName is wrongName for entries of encrypted directories. Their files are encrypted under the same policy.
func (s *dirScan) wrongCipherName(e *entry, kind fileKind) string {
	if len(e.name) < minCipherName {
		return "has an encrypted name that is too short"
	}
	id := s.c.policyOf(e.ino)
	if id == s.policy {
		return ""
	}
	if id != policyNone {
		return "names an inode with another encryption policy than the directory's"
	}
	if e.fileType != 0 {
		kind = e.fileType
	}
	if kind == kindRegular || kind == kindDir || kind == kindSymlink {
		return "names an inode that is not encrypted, in an encrypted directory"
	}
	return ""
}
