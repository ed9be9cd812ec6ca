package audit_test

// This file damages journals.

import (
	"testing"

	"boringboot/verify/internal/audit"
)

// setJournal changes fields of the journal's superblock, 32 bits each, and makes its checksum right where it has one.
func setJournal(fields map[int]uint32) func(c *canvas) {
	return func(c *canvas) {
		block := c.journalBlock()
		for off, v := range fields {
			c.write(block*c.block+off, be.AppendUint32(nil, v))
		}
		sealJournal(block)(c)
	}
}

func (l *layout) journalBlock() int {
	_, data := l.mapOf(l.journal)
	return data[0].block
}

// badSum damages the journal's checksum.
func badSum(c *canvas) { c.write(c.journalBlock()*c.block+0xFC, []byte{1, 2, 3, 4}) }

const (
	crcType  = 4 << 24 // s_checksum_type of CRC-32C, with the padding behind it
	csumV2   = 0x8
	csumV3   = 0x10
	fastBit  = 0x20
	hasBit   = 0x4
	needsBit = 0x4
)

func TestJournals(t *testing.T) {
	journal, recovery := audit.CodeJournal, audit.CodeNeedsRecovery
	runSystemCases(t, recipeNamed(t, "debian-1k"), []systemCase{
		{"an undamaged one", nothing, "", warns},
		{"another magic", setJournal(map[int]uint32{0: 1}), journal, fails},
		{"the first version", setJournal(map[int]uint32{4: 3, 0x40: 0}), "", warns},
		{"the first version with features", setJournal(map[int]uint32{4: 3, 0x28: 0x100}), journal, warns},
		{"the first version with users", setJournal(map[int]uint32{4: 3, 0x40: 5}), journal, warns},
		{"a descriptor block", setJournal(map[int]uint32{4: 1}), journal, fails},
		{"a version that is to come", setJournal(map[int]uint32{4: 6}), journal, fails},
		{"two users", setJournal(map[int]uint32{0x40: 2}), journal, fails},
		{"no user", setJournal(map[int]uint32{0x40: 0}), "", warns},
		{"an unknown incompatible feature", setJournal(map[int]uint32{0x28: 0x40}), journal, fails},
		{"an unknown read-only feature", setJournal(map[int]uint32{0x2C: 1}), journal, fails},
		{"an unknown compatible feature", setJournal(map[int]uint32{0x24: 2}), "", warns},
		{"features of the kernel", setJournal(map[int]uint32{0x28: 0x7, 0x24: 1}), "", warns},
		{"checksums of version 2", setJournal(map[int]uint32{0x28: csumV2, 0x50: crcType}), "", warns},
		{"checksums of version 3", setJournal(map[int]uint32{0x28: csumV3, 0x50: crcType}), "", warns},
		{"checksums of two versions", setJournal(map[int]uint32{0x28: csumV2 | csumV3, 0x50: crcType}), journal, fails},
		{"checksums of the first and the third version", setJournal(map[int]uint32{0x24: 1, 0x28: csumV3, 0x50: crcType}), journal, fails},
		{"checksums of another type", setJournal(map[int]uint32{0x28: csumV3, 0x50: 1 << 24}), journal, fails},
		{"a wrong checksum", all(setJournal(map[int]uint32{0x28: csumV3, 0x50: crcType}), badSum), journal, fails},
		{"a wrong checksum that does not count", badSum, "", warns},
		{"blocks of another size", setJournal(map[int]uint32{0xC: 2048}), journal, fails},
		{"fewer blocks than the file has", setJournal(map[int]uint32{0x10: 1024}), "", warns},
		{"no blocks", setJournal(map[int]uint32{0x10: 0}), "", warns},
		{"more blocks than the file has", setJournal(map[int]uint32{0x10: 1 << 20}), journal, fails},
		{"fast commits in most of it", setJournal(map[int]uint32{0x28: fastBit, 0x54: 1000}), journal, fails},
		{"more fast commits than blocks", setJournal(map[int]uint32{0x28: fastBit, 0x54: 1 << 20}), "", warns},
		{"changes that nobody says are there", setJournal(map[int]uint32{0x1C: 1}), journal, warns},
		{"changes", all(setJournal(map[int]uint32{0x1C: 1}), changeSuper(incompatAt, needsBit, 0)), recovery, warns},
		{"nothing in it, and the mark", changeSuper(incompatAt, needsBit, 0), recovery, warns},
		{"given up, and something in it", all(setJournal(map[int]uint32{0x20: 5}), changeSuper(incompatAt, needsBit, 0)), recovery, warns},
		{"the feature taken away", changeSuper(compatAt, 0, hasBit), journal, warns},
		{"the feature and the number taken away", all(changeSuper(compatAt, 0, hasBit), setSuper(map[int]uint32{journalInumAt: 0})), audit.CodeReservedInode, fails},
		{"the number taken away", setSuper(map[int]uint32{journalInumAt: 0}), journal, fails},
		{"no journal, and it has to be replayed", all(changeSuper(compatAt, 0, hasBit), changeSuper(incompatAt, needsBit, 0), setSuper(map[int]uint32{journalInumAt: 0})), journal, fails},
		{"a number beyond the last inode", setSuper(map[int]uint32{journalInumAt: 1 << 30}), journal, fails},
		{"a directory", setSuper(map[int]uint32{journalInumAt: 2}), journal, fails},
		{"a short file", setSuper(map[int]uint32{journalInumAt: 12}), journal, fails},
		{"a device that is elsewhere", setSuper(map[int]uint32{journalUUIDAt: 7}), journal, fails},
		{"a device's number alone", setSuper(map[int]uint32{0xE4: 0x801}), "", warns},
		// Extents are of no use without i_flags, which the superblock does not keep.
		{"no links, extents", setLinks(8, 0), journal, fails},
		{"an encrypted one", setInode(8, map[int]uint32{0x20: 0x80800}), journal, fails},
		{"another copy of the inode", setSuper(map[int]uint32{jnlBlocksAt + 12: 77}), journal, warns},
	})
}

func TestJournalsInIndirectBlocks(t *testing.T) {
	journal := audit.CodeJournal
	forgetBackup := func(c *canvas) {
		c.write(superAt+jnlBackupAt+1, []byte{0})
		sealSuper(superAt)(c)
	}
	runSystemCases(t, recipeNamed(t, "ext3"), []systemCase{
		{"an undamaged one", nothing, "", warns},
		{"no links, and a copy of the inode", setLinks(8, 0), journal, warns},
		{"no links, and no copy", all(setLinks(8, 0), forgetBackup), journal, fails},
		{"encrypted, and a copy of the inode", setInode(8, map[int]uint32{0x20: 0x800}), journal, warns},
		{"no links, and a short copy", all(setLinks(8, 0), setSuper(map[int]uint32{jnlBlocksAt + 64: 1 << 19})), journal, fails},
		{"no links, and a copy with a hole", all(setLinks(8, 0), setSuper(map[int]uint32{jnlBlocksAt + 20: 0})), journal, fails},
		{"no links, and a copy that begins elsewhere", all(setLinks(8, 0), setSuper(map[int]uint32{jnlBlocksAt: 3})), journal, fails},
		{"longer than its blocks", setInode(8, map[int]uint32{4: 64 << 20}), journal, warns},
		{"longer than its blocks, and no copy", all(setInode(8, map[int]uint32{4: 64 << 20}), forgetBackup), journal, fails},
		{"longer than an int can say", setInode(8, map[int]uint32{4: 3 << 30}), "", warns},
	})
}

// TestJournalsThatWereGivenUp has an error in each. With blocks of 1 KiB e2fsck has forgotten that it could not write the number away.
func TestJournalsThatWereGivenUp(t *testing.T) {
	runSystemCases(t, recipeNamed(t, "debian-4k"), []systemCase{{"e2fsck remembers", setJournal(map[int]uint32{0x20: 5}), audit.CodeJournal, fails}})
	s := newSubject(t, recipeNamed(t, "debian-1k"))
	setJournal(map[int]uint32{0x20: 5})(&s.canvas)
	list, err := ours(s.data, audit.Options{})
	if err != nil || len(list) != 1 || list[0].Code != audit.CodeJournal || list[0].Severity != fails {
		t.Errorf("%v, %v", list, err)
	}
}
