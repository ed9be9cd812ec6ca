package ext4

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"boringboot/ext4/internal/format"
)

// records are fast commits without the journal that they are in.
type records []format.FastCommitRecord

func (list records) Each(visit func(r format.FastCommitRecord) error) error {
	for _, r := range list {
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}

// FuzzFastCommitReplay replays any records whose tags and lengths are right. It ends, an error is of a kind, and afterwards the
// transaction's counts of what is free are those of its bitmaps.
func FuzzFastCommitReplay(f *testing.F) {
	images := []*fuzzedImage{makeFuzzedImage(f, fuzzedKinds[0]), contentsImage(f, 256), makeFuzzedImage(f, fuzzedKinds[1]), makeFuzzedImage(f, fuzzedKinds[3])}
	fsys, err := Open(&memDevice{images[0].data})
	if err != nil {
		f.Fatal(err)
	}
	number := func(name string) uint32 {
		loc, err := fsys.view.locate(name, false)
		if err != nil {
			f.Fatal(err)
		}
		return uint32(loc.node.ino)
	}
	words := func(list ...uint32) (b []byte) {
		for _, w := range list {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	inode := func(ino uint32, change func(in format.Inode)) []byte {
		n, err := fsys.view.rawInode(Ino(ino))
		if err != nil {
			f.Fatal(err)
		}
		in := format.Inode(bytes.Clone(n.Inode[:160]))
		change(in)
		return fcRecord(format.FCInode, append(words(ino), in...))
	}
	file, dir, fresh := number("a/file"), number("t"), uint32(60)
	regular := func(in format.Inode) { format.ILinksCount.Set(in, 1) }
	for i := range images {
		f.Add(uint8(i), slices.Concat(
			inode(file, func(in format.Inode) {}), fcRecord(format.FCAddRange, words(file, 20, 2, 400)), fcRecord(format.FCDelRange, words(file, 1, 2))))
		f.Add(uint8(i), slices.Concat(
			fcRecord(format.FCInode, append(words(fresh), inode(file, regular)[8:]...)), fcRecord(format.FCCreate, append(words(dir, fresh), "new"...)),
			fcRecord(format.FCAddRange, words(fresh, 0, 3, 300)), fcRecord(format.FCUnlink, append(words(dir, fresh), "new"...))))
		f.Add(uint8(i), slices.Concat(
			fcRecord(format.FCInode, append(words(fresh), inode(dir, regular)[8:]...)), fcRecord(format.FCCreate, append(words(dir, fresh), "sub"...)),
			fcRecord(format.FCLink, append(words(dir, file), "linked"...)), fcRecord(format.FCLink, append(words(fresh, file), "below"...))))
		f.Add(uint8(i), slices.Concat(fcRecord(format.FCUnlink, append(words(number("a"), file), "file"...)), inode(file, func(in format.Inode) { format.ILinksCount.Set(in, 0) })))
	}
	f.Fuzz(func(t *testing.T, which uint8, area []byte) {
		im := images[int(which)%len(images)]
		fsys, err := Open(&readOnly{memDevice{im.data}, 0})
		if err != nil {
			t.Fatal(err)
		}
		var list records
		for len(list) < 200 {
			r, rest, ok := format.NextFastCommitRecord(area, fsys.view.inodeSize)
			if !ok {
				break
			}
			list, area = append(list, r), rest
		}
		start, before := time.Now(), allocated()
		tx := newTx(fsys.view, fsys.cache, writeTime)
		err = mustBeOfAKind(t, tx.replayFastCommits(list))
		if took := time.Since(start); took > mostFuzzTime {
			t.Errorf("it took %v", took)
		}
		if n := allocated() - before; n > mostFuzzBytes {
			t.Errorf("%d bytes were allocated", n)
		}
		if err != nil {
			return
		}
		var freeBlocks, freeInodes uint64
		for g := range tx.groups {
			d, err := tx.desc(g)
			if err != nil {
				t.Fatal(err)
			}
			freeBlocks += uint64(d.FreeBlocks()) * uint64(tx.clusterBlocks)
			freeInodes += uint64(d.FreeInodes())
			free := uint32(0)
			block, err := tx.src.Block(d.BlockBitmap())
			if err != nil {
				t.Fatal(err)
			}
			for i := range tx.groupClusters(g) {
				if !bitmap(block).get(i) {
					free++
				}
			}
			if tx.flags(d)&format.BGBlockUninit == 0 && free != d.FreeBlocks() {
				t.Errorf("group %d: %d clusters are free, its descriptor says %d", g, free, d.FreeBlocks())
			}
		}
		if freeBlocks != tx.sb.FreeBlocks() || freeInodes != uint64(format.SFreeInodesCount.Get(tx.sb)) {
			t.Errorf("%d blocks and %d inodes are free, the superblock says %d and %d", freeBlocks, freeInodes, tx.sb.FreeBlocks(), format.SFreeInodesCount.Get(tx.sb))
		}
	})
}
