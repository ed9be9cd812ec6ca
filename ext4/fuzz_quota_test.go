package ext4

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"boringboot/ext4/internal/format"
)

// FuzzQuota puts any bytes into the blocks of a quota file and counts: it ends, an error is of a kind, and what was counted is there
// and can be taken back.
func FuzzQuota(f *testing.F) {
	im := makeFuzzedImage(f, fuzzedKinds[1])
	fsys, err := Open(&memDevice{im.data})
	if err != nil {
		f.Fatal(err)
	}
	n, err := fsys.view.quotaInode(0)
	if err != nil {
		f.Fatal(err)
	}
	var blocks []int
	if err := fsys.view.walkMap(n, func(e format.Extent) error {
		for i := range int(e.Len) {
			blocks = append(blocks, (int(e.Start)+i)*1024)
		}
		return nil
	}, nil); err != nil || len(blocks) < 6 {
		f.Fatalf("blocks %v of the quota file: %v", blocks, err)
	}
	f.Add(uint8(0), uint16(24), []byte{3}, uint32(1001), int32(4096))
	f.Add(uint8(0), uint16(28), []byte{2}, uint32(1000), int32(-512))
	f.Add(uint8(1), uint16(0), []byte{1, 0, 0, 0}, uint32(0), int32(1))
	f.Add(uint8(4), uint16(0), []byte{3, 0, 0, 0, 1, 0, 0, 0, 255}, uint32(256), int32(1))
	f.Fuzz(func(t *testing.T, block uint8, off uint16, change []byte, id uint32, bytesMore int32) {
		data := bytes.Clone(im.data)
		at := blocks[int(block)%len(blocks)]
		for i, c := range change {
			if o := int(off)%1024 + i; o < 1024 {
				data[at+o] ^= c
			}
		}
		r := &recorder{now: data, failAt: -1}
		fsys, err := Open(r)
		if mustBeOfAKind(t, err) != nil {
			return
		}
		start := time.Now()
		tx := newTx(fsys.view, fsys.cache, writeTime)
		quota, err := tx.openQuota(0)
		if mustBeOfAKind(t, err) != nil {
			return
		}
		usage := func(id uint32) (c charge, err error) {
			e, err := quota.find(id)
			if err != nil || e == nil {
				return c, err
			}
			return charge{int64(format.DQBCurspace.Get(e)), int64(format.DQBCurinodes.Get(e))}, nil
		}
		for _, who := range []uint32{id, id + 1, id ^ 1<<31, 1000, id} {
			before, err := usage(who)
			if mustBeOfAKind(t, err) != nil {
				continue
			}
			change := charge{int64(bytesMore), 1}
			if err := quota.count(who, change); mustBeOfAKind(t, err) != nil {
				break // the transaction would be given up
			}
			after, err := usage(who)
			if err != nil || after != before.plus(change, 1) {
				t.Fatalf("%d had %+v, and with %+v %+v: %v", who, before, change, after, err)
			}
			if err := quota.count(who, charge{}.plus(change, -1)); err != nil {
				mustBeOfAKind(t, err)
				break
			}
			if after, err := usage(who); err != nil || after != before {
				t.Fatalf("%d had %+v and has %+v: %v", who, before, after, err)
			}
		}
		writes := len(r.log)
		err = fsys.Update(func(tx *Tx) error {
			return errors.Join(tx.Chown("a/small", id, 1), tx.Chown("a/file", 3, id), tx.RemoveAll("a/b"))
		}, AcceptRisk())
		if mustBeOfAKind(t, err) != nil && len(r.log) > writes {
			t.Errorf("an error, and the image was changed: %v", err)
		}
		if took := time.Since(start); took > mostFuzzTime {
			t.Errorf("it took %v", took)
		}
	})
}
