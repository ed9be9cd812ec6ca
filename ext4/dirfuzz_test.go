package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"boringboot/internal/testimage"

	"github.com/google/go-cmp/cmp"
)

// fuzzedDirectory is an image without checksums, with a directory of an index and leaves, and where its blocks are.
func fuzzedDirectory(f *testing.F) (image []byte, blocks []int) {
	tree, path := f.TempDir(), filepath.Join(f.TempDir(), "image")
	err := errors.Join(os.WriteFile(filepath.Join(tree, "f"), nil, 0o644), os.MkdirAll(filepath.Join(tree, "d/sub"), 0o755))
	for i := range 40 {
		err = errors.Join(err, os.Link(filepath.Join(tree, "f"), filepath.Join(tree, "d", fuzzName(i))))
	}
	if err != nil {
		f.Fatal(err)
	}
	out, err := testimage.Command(f, "mke2fs", "-q", "-t", "ext4", "-b", "1024", "-I", "256", "-N", "64", "-d", tree,
		"-O", "^has_journal,^metadata_csum,^resize_inode,uninit_bg,64bit,dir_index", path, "512k").CombinedOutput()
	if err != nil {
		f.Fatalf("mke2fs: %v\n%s", err, out)
	}
	if out, err := testimage.Command(f, "e2fsck", "-fyD", path).CombinedOutput(); err != nil && !strings.Contains(string(out), "MODIFIED") {
		f.Fatalf("e2fsck: %v\n%s", err, out)
	}
	if image, err = os.ReadFile(path); err != nil {
		f.Fatal(err)
	}
	fsys, err := Open(&recorder{old: image, now: bytes.Clone(image), failAt: -1})
	if err != nil {
		f.Fatal(err)
	}
	loc, err := fsys.view.locate("d", true)
	if err != nil || !fsys.view.hashed(loc.node) {
		f.Fatalf("no index: %v", err)
	}
	count, err := fsys.view.dirBlocks(loc.node)
	if err != nil {
		f.Fatal(err)
	}
	for fb := range count {
		at, _, _, err := fsys.view.dirBlock(loc.node, fb)
		if err != nil {
			f.Fatal(err)
		}
		blocks = append(blocks, int(at)*1024)
	}
	return image, blocks
}

func fuzzName(i int) string { return fmt.Sprintf("%03d-%s", i, strings.Repeat("n", i*7%200)) }

// FuzzDirectory damages the blocks of a hashed directory that no checksum protects, then adds, removes and renames in it: an error
// leaves the image as it was, and what succeeds leaves the names that there were and that were added, each of which is found.
func FuzzDirectory(f *testing.F) {
	testimage.Require(f, "mke2fs", "e2fsck")
	image, blocks := fuzzedDirectory(f)
	patch := func(block, off uint16, data string) []byte {
		b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, block), off)
		return append(b, (data + "\x00\x00\x00\x00")[:4]...)
	}
	f.Add(patch(0, 24+4, "\x02\x08\x00\x00"))
	f.Add(patch(0, 24+6, "\x01\x00\x00\x00"))
	f.Add(append(patch(0, 32+8+4, "\x01"), patch(1, 4, "\x00\x04\x04\x01")...))
	f.Add(patch(2, 0, "\x00"))
	f.Fuzz(func(t *testing.T, patches []byte) {
		r := &recorder{old: image, now: bytes.Clone(image), failAt: -1}
		for len(patches) >= 8 && len(patches) <= 12*8 {
			at := blocks[int(binary.LittleEndian.Uint16(patches))%len(blocks)] + int(binary.LittleEndian.Uint16(patches[2:]))%1020
			copy(r.now[at:], patches[4:8])
			patches = patches[8:]
		}
		damaged := bytes.Clone(r.now)
		start := time.Now()
		before, readErr := namesOf(r)
		fsys, err := Open(r)
		if err == nil {
			err = fsys.Update(func(tx *Tx) error {
				for i := range 12 {
					if err := tx.Link("f", "d/new-"+fuzzName(i)); err != nil {
						return err
					}
				}
				return errors.Join(tx.Remove("d/"+fuzzName(3)), tx.Remove("d/"+fuzzName(17)), tx.Rename("d/"+fuzzName(5), "d/"+fuzzName(155)),
					tx.Remove("d/sub"), tx.Mkdir("d/sub2", Attr{Mode: 0o755}))
			}, AcceptRisk())
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
		if err != nil {
			if !bytes.Equal(damaged, r.now) {
				t.Errorf("an error, and the image was changed: %v", err)
			}
			return
		}
		if readErr != nil {
			return // names that were not touched may be damaged still
		}
		gone := []string{fuzzName(3), fuzzName(17), fuzzName(5), "sub"}
		want := append(slices.DeleteFunc(before, func(name string) bool { return slices.Contains(gone, name) }), fuzzName(155), "sub2")
		for i := range 12 {
			want = append(want, "new-"+fuzzName(i))
		}
		slices.Sort(want)
		got, err := namesOf(r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("the names that should be there (-) and those that are (+), %v:\n%s", err, diff)
		}
		for _, name := range want {
			if !strings.HasPrefix(name, "new-") && name != fuzzName(155) && name != "sub2" {
				continue // one that was there may be in a leaf where it is not looked for
			}
			if _, err := fsys.Lstat("d/" + name); err != nil {
				t.Errorf("%q is not found: %v", name, err)
			}
		}
	})
}

func namesOf(dev Device) ([]string, error) {
	fsys, err := Open(dev)
	if err != nil {
		return nil, err
	}
	list, err := fsys.ReadDir("d")
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	return got, err
}
