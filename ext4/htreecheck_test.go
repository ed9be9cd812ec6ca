package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// An index that e2fsck complains of, wherever in the index it is, keeps names out of the directory.
func TestADirectoryWithADamagedIndexIsNotChanged(t *testing.T) {
	le32 := binary.LittleEndian.PutUint32
	get := binary.LittleEndian.Uint32
	const entry, first = 8, 32 // bytes of an entry; where those of the root begin
	cases := []struct {
		name   string
		damage func(root []byte)
		inLeaf bool // seen only in the leaves themselves, which are looked at when they are changed
	}{
		{"hashes out of order", func(b []byte) {
			x, y := get(b[first+2*entry:]), get(b[first+3*entry:])
			le32(b[first+2*entry:], y)
			le32(b[first+3*entry:], x)
		}, false},
		{"a leaf twice", func(b []byte) { copy(b[first+2*entry+4:][:4], b[first+3*entry+4:][:4]) }, false},
		{"the root as a leaf", func(b []byte) { le32(b[first+2*entry+4:], 0) }, false},
		{"a block beyond the end", func(b []byte) { le32(b[first+2*entry+4:], 500) }, false},
		{"a leaf that is missing", func(b []byte) { b[first+2]-- }, false},
		{"two leaves the other way round", func(b []byte) {
			x, y := get(b[first+2*entry+4:]), get(b[first+3*entry+4:])
			le32(b[first+2*entry+4:], y)
			le32(b[first+3*entry+4:], x)
		}, true},
		{"a level too many", func(b []byte) { b[30]++ }, false},
		{"three levels too many", func(b []byte) { b[30] += 3 }, false},
		{"no such hash", func(b []byte) { b[28] = 9 }, false},
		{"another hash", func(b []byte) { b[28] = format.HashTEA }, false},
		{"an unsigned hash, which s_flags has to say", func(b []byte) { b[28] = format.HashHalfMD4Unsigned }, false},
		{"a limit that is another block size's", func(b []byte) { b[first]++ }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path, d, v, r := damagedDir(t, 200)
			at, root, _, err := v.dirBlock(d, 0)
			if err != nil {
				t.Fatal(err)
			}
			if levels := format.DXLevels.Get(root); levels != 0 {
				t.Fatalf("%d levels", levels)
			}
			c.damage(r.now[int(at)*v.blockSize:][:v.blockSize])
			writeImage(t, path, r.now)
			if testimage.FsckErr(path, 0) == nil {
				t.Fatal("e2fsck has no objection: this is no damage")
			}
			fsys, err := Open(r)
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for i := range 50 {
				err := fsys.Update(func(tx *Tx) error {
					return tx.WriteFile(fmt.Sprintf("d/new-%d", i), bytes.NewReader(nil), Attr{Mode: 0o600})
				})
				if errors.Is(err, ErrCorrupt) {
					refused++
				} else if err != nil || !c.inLeaf {
					t.Errorf("WriteFile: %v", err)
				}
			}
			if refused == 0 {
				t.Error("no name was refused")
			}
		})
	}
}
