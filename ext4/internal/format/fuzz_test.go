package format_test

import (
	"bytes"
	"slices"
	"testing"

	"boringboot/ext4/internal/format"
)

// Decoders see any bytes: they end, do not panic, and what they accepted is the same bytes when it is encoded again.

func block(f *testing.F, build func(b []byte)) []byte {
	f.Helper()
	b := make([]byte, 1024)
	build(b)
	return b
}

func FuzzExtentNode(f *testing.F) {
	f.Add(block(f, func(b []byte) {
		n := format.ExtentNode(b)
		n.Init(0)
		n.SetEntries(2)
		n.SetExtent(0, format.Extent{Block: 0, Len: 7, Start: 1000})
		n.SetExtent(1, format.Extent{Block: 9, Len: 32767, Start: 1 << 40, Unwritten: true})
	}))
	f.Add(block(f, func(b []byte) {
		n := format.ExtentNode(b)
		n.Init(2)
		n.SetEntries(1)
		n.SetIndex(0, 5, 1<<33)
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := format.ExtentNode(b)
		if len(b) < format.ExtentEntry || n.Check(n.Depth()) != nil {
			return
		}
		old := bytes.Clone(b)
		for i := range n.Entries() {
			if n.Depth() > 0 {
				first, child := n.Index(i)
				clone := format.ExtentNode(bytes.Clone(b))
				clone.SetIndex(i, first, child)
				if f2, c2 := clone.Index(i); f2 != first || c2 != child {
					t.Fatalf("index %d: %d %d became %d %d", i, first, child, f2, c2)
				}
				continue
			}
			n.SetExtent(i, n.Extent(i))
		}
		n.ChecksumOK(1)
		if n.Depth() == 0 && !bytes.Equal(old, b) {
			t.Fatalf("re-encoding changed\n%x\ninto\n%x", old, b)
		}
	})
}

func FuzzDirBlock(f *testing.F) {
	f.Add(block(f, func(b []byte) {
		d := format.DirBlock(b)
		d.Put(0, 12, 2, format.FTDir, ".")
		d.Put(12, 1000, 2, format.FTDir, "..")
		d.InitTail()
		d.SetChecksum(1)
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := format.DirBlock(b)
		d.HasTail()
		if d.HasTail() {
			d.ChecksumOK(1)
		}
		for off, n := 0, 0; off < len(b); n++ {
			e, err := d.At(off)
			if err != nil {
				return
			}
			if n > len(b) {
				t.Fatal("the entries do not end")
			}
			if e.Ino != 0 {
				old := bytes.Clone(b[off : off+8])
				d.SetRecLen(off, e.RecLen)
				d.SetIno(off, e.Ino, e.Type)
				if len(b) < 1<<16 && !bytes.Equal(old, b[off:off+8]) {
					t.Fatalf("re-encoding changed %x into %x", old, b[off:off+8])
				}
			}
			off += e.RecLen
		}
	})
}

func FuzzIndexNode(f *testing.F) {
	for _, csum := range []bool{false, true} {
		f.Add(block(f, func(b []byte) {
			d := format.DirBlock(b)
			d.Put(0, 12, 2, format.FTDir, ".")
			d.Put(12, 12, 2, format.FTDir, "..")
			x := format.InitDXRoot(b, csum, format.HashHalfMD4)
			x.Insert(0, 0, 1)
			x.Insert(1, 0x1000, 2)
		}), csum)
		f.Add(block(f, func(b []byte) {
			x := format.InitDXInner(b, csum)
			x.Insert(0, 0, 1)
		}), csum)
	}
	f.Fuzz(func(t *testing.T, b []byte, csum bool) {
		for _, parse := range []func([]byte, bool) (format.DXNode, error){format.DXRoot, format.DXInner} {
			x, err := parse(b, csum)
			if err != nil {
				continue
			}
			last := x.Count() - 1
			for _, hash := range []uint32{0, 1 << 20, 1<<32 - 1} {
				if at := x.Find(hash); at < 0 || at > last {
					t.Fatalf("Find(%#x) = %d of %d", hash, at, x.Count())
				}
			}
			if csum {
				x.ChecksumOK(1)
			}
			if !x.Full() && last > 0 { // taking an entry out and putting it back
				hash, at := x.Hash(last), x.Block(last)
				x.Truncate(last)
				x.Insert(last, hash, at)
				if x.Count() != last+1 || x.Hash(last) != hash || x.Block(last) != at {
					t.Fatalf("entry %d was %#x %d, is %#x %d", last, hash, at, x.Hash(last), x.Block(last))
				}
			}
		}
	})
}

func FuzzInode(f *testing.F) {
	f.Add(make([]byte, 128))
	f.Add(block(f, func(b []byte) { format.IExtraIsize.Set(b, 32); format.IMode.Set(b, format.ModeRegular) })[:256])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 128 && len(b) != 256 && len(b) != 1024 {
			return
		}
		in := format.Inode(b)
		old := bytes.Clone(b)
		in.ChecksumOK(1, 2)
		in.XattrArea()
		if list, err := in.Xattrs(); err == nil && len(list) > 0 {
			checkXattrs(t, list, func(list []format.Xattr) ([]format.Xattr, error) {
				again := format.Inode(bytes.Clone(b))
				again.SetXattrs(list)
				return again.Xattrs()
			})
		}
		in.SetSize(in.Size())
		in.SetUID(in.UID())
		in.SetGID(in.GID())
		in.SetRawBlocks(in.RawBlocks())
		in.SetFileACL(in.FileACL())
		in.SetAtime(in.Atime())
		in.SetMtime(in.Mtime())
		in.SetCtime(in.Ctime())
		if !bytes.Equal(old, b) {
			t.Fatalf("re-encoding changed\n%x\ninto\n%x", old, b)
		}
	})
}

// checkXattrs encodes a list again, which has to give the same attributes, in any order.
func checkXattrs(t *testing.T, list []format.Xattr, again func([]format.Xattr) ([]format.Xattr, error)) {
	t.Helper()
	same, err := again(list)
	if err != nil || len(same) != len(list) {
		t.Fatalf("%d attributes, encoded again %d: %v", len(list), len(same), err)
	}
	for _, x := range list {
		ok := slices.ContainsFunc(same, func(y format.Xattr) bool {
			return x.Is(y.Index, y.Name) && x.Inum == y.Inum && x.Size == y.Size && x.Hash == y.Hash && bytes.Equal(x.Value, y.Value)
		})
		if !ok {
			t.Fatalf("attribute %d %q is not the same when it was encoded again", x.Index, x.Name)
		}
		x.HashOK(1)
	}
}

func FuzzXattrBlock(f *testing.F) {
	f.Add(block(f, func(b []byte) { copy(b, "\x00\x00\x02\xea\x01\x00\x00\x00"); b[32], b[33] = 4, 2 }))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 1024 {
			return
		}
		x := format.XattrBlock(b)
		if x.Check() == nil {
			x.ChecksumOK(1, 2)
			if list, err := x.Xattrs(); err == nil {
				checkXattrs(t, list, func(list []format.Xattr) ([]format.Xattr, error) {
					again := format.XattrBlock(bytes.Clone(b))
					again.SetXattrs(slices.Clone(list))
					return again.Xattrs()
				})
			}
		}
	})
}
