package format_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"boringboot/ext4/internal/format"
)

// Views of structures of a fixed size: setting each field to what it says changes nothing, and a checksum that was set is right.

func FuzzSuperblockView(f *testing.F) {
	f.Add(block(f, func(b []byte) {
		format.SMagic.Set(b, format.SuperblockMagic)
		format.SFeatureIncompat.Set(b, format.Incompat64Bit|format.IncompatCsumSeed)
		format.SWtimeHi.Set(b, 1)
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != format.SuperblockSize {
			return
		}
		s, old := format.Superblock(b), bytes.Clone(b)
		s.SetFreeBlocks(s.FreeBlocks())
		s.SetWtime(s.Wtime())
		if !bytes.Equal(old, b) {
			t.Fatal("setting what is there has changed it")
		}
		if name := s.VolumeName() + s.LastMounted(); len(name) > 80 || bytes.ContainsRune([]byte(name), 0) {
			t.Fatalf("names of %d bytes: %q", len(name), name)
		}
		if s.BlocksCount() > 1<<32-1 && !s.Has64() || s.ReservedBlocks() > 1<<32-1 && !s.Has64() {
			t.Fatal("high halves are in use without the 64bit feature")
		}
		s.Seed()
		s.HashSeed()
		s.SetChecksum()
		if !s.ChecksumOK() || !bytes.Equal(old[:format.SChecksum], b[:format.SChecksum]) {
			t.Fatal("the checksum that was set is wrong, or not all that was set")
		}
	})
}

func FuzzGroupDesc(f *testing.F) {
	f.Add(bytes.Repeat([]byte{7}, 32), uint32(0), false)
	f.Add(bytes.Repeat([]byte{255}, 64), uint32(1<<20), true)
	f.Fuzz(func(t *testing.T, b []byte, group uint32, metadata bool) {
		if len(b) != 32 && (len(b) < 64 || len(b) > 1024) {
			return
		}
		d, old := format.GroupDesc(b), bytes.Clone(b)
		d.SetFreeBlocks(d.FreeBlocks())
		d.SetFreeInodes(d.FreeInodes())
		d.SetUsedDirs(d.UsedDirs())
		d.SetItableUnused(d.ItableUnused())
		d.SetBlockBitmapCsum(d.BlockBitmapCsum())
		d.SetInodeBitmapCsum(d.InodeBitmapCsum())
		if !bytes.Equal(old, b) {
			t.Fatalf("setting what is there changed\n%x\ninto\n%x", old, b)
		}
		if len(b) == 32 && max(uint64(d.BlockBitmap()), uint64(d.InodeBitmap()), uint64(d.InodeTable())) > 1<<32-1 {
			t.Fatal("a short descriptor has high halves")
		}
		sum := format.GroupChecksum{Metadata: metadata, Seed: 1, UUID: []byte("0123456789abcdef")}
		was := sum.OK(format.Group(group), d)
		sum.Set(format.Group(group), d)
		if !sum.OK(format.Group(group), d) || was != bytes.Equal(old, b) {
			t.Fatal("the checksum that was set is wrong, or was right and is another")
		}
	})
}

func FuzzOrphanBlock(f *testing.F) {
	f.Add(block(f, func(b []byte) {
		binary.LittleEndian.PutUint32(b[8:], 12)
		binary.LittleEndian.PutUint32(b[len(b)-8:], 0x0B10CA04)
	}), uint64(1<<33))
	f.Fuzz(func(t *testing.T, b []byte, at uint64) {
		if len(b) < 1024 || len(b)%1024 != 0 || len(b) > 1<<16 {
			return
		}
		o := format.OrphanBlock(b)
		magic, list := o.MagicOK(), o.Inodes()
		if len(list) > (len(b)-8)/4 {
			t.Fatalf("%d inodes in %d bytes", len(list), len(b))
		}
		o.SetChecksum(1, format.FSBlock(at))
		if !o.ChecksumOK(1, format.FSBlock(at)) || o.ChecksumOK(2, format.FSBlock(at)) || o.MagicOK() != magic || len(o.Inodes()) != len(list) {
			t.Fatal("the checksum that was set is wrong, or not all that was set")
		}
		o.Empty()
		if len(o.Inodes()) != 0 || o.MagicOK() != magic {
			t.Fatal("it is not empty, or has lost its tail")
		}
	})
}

func FuzzMMP(f *testing.F) {
	f.Add(block(f, func(b []byte) {
		binary.LittleEndian.PutUint32(b, format.MMPMagic)
		format.MMPSeq.Set(b, format.MMPClean)
	}), uint32(7), "node")
	f.Fuzz(func(t *testing.T, b []byte, seed uint32, name string) {
		if len(b) != format.MMPSize {
			return
		}
		m, old := format.MMP(b), bytes.Clone(b)
		if len(m.Nodename()) > 64 || len(m.Bdevname()) > 32 {
			t.Fatalf("names %q and %q", m.Nodename(), m.Bdevname())
		}
		m.SetUser(name, name)
		m.KeepChecksum(seed)
		if !m.ChecksumOK(seed) || !bytes.Equal(old[512:], b[512:]) {
			t.Fatal("the checksum is wrong, or more than the first sector was changed")
		}
	})
}

func FuzzQuotaBlocks(f *testing.F) {
	f.Add(block(f, func(b []byte) {
		format.DQDHEntries.Set(b, 1)
		format.DQBID.Set(format.QuotaLeaf(b).Entry(0), 1000)
		format.DQBCurspace.Set(format.QuotaLeaf(b).Entry(0), 1<<40)
	}), uint32(1000))
	f.Fuzz(func(t *testing.T, b []byte, id uint32) {
		if len(b) != format.QuotaBlockSize {
			return
		}
		old := bytes.Clone(b)
		for depth := range format.QuotaTreeDepth {
			n := format.QuotaNode(b)
			n.SetRef(depth, id, n.Ref(depth, id))
		}
		for i := range format.QuotaLeafEntries {
			e := format.QuotaLeaf(b).Entry(i)
			if e.Unused() && (e.HasLimits() || format.DQBID.Get(e) != 0) {
				t.Fatalf("entry %d is unused and is not empty", i)
			}
			format.DQBCurspace.Set(e, format.DQBCurspace.Get(e))
		}
		if !bytes.Equal(old, b) {
			t.Fatal("setting what is there has changed it")
		}
		if format.QuotaNode(b).Empty() != bytes.Equal(b, make([]byte, len(b))) {
			t.Fatal("it is empty, and is not")
		}
	})
}
