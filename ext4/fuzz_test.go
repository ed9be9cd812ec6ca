package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"boringboot/internal/testimage"
)

// FuzzImage damages an image that has no checksums to hide behind: patches of an offset (four bytes, of which the place within
// what is in use is made) and eight bytes. Whatever they are, reading and an update end in time, do not panic, and an error
// leaves the image as it was.
func FuzzImage(f *testing.F) {
	testimage.Require(f, "mke2fs")
	tree := f.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(tree, "a/b/c"), 0o755),
		os.WriteFile(filepath.Join(tree, "a/file"), pattern(5000, 1), 0o644),
		os.Symlink("/a/file", filepath.Join(tree, "link")),
		os.Symlink(string(bytes.Repeat([]byte("t"), 100)), filepath.Join(tree, "a/long")),
	} {
		if err != nil {
			f.Fatal(err)
		}
	}
	path := filepath.Join(f.TempDir(), "image")
	out, err := testimage.Command(f, "mke2fs", "-q", "-t", "ext4", "-b", "1024", "-I", "256", "-N", "64", "-d", tree,
		"-O", "^has_journal,^metadata_csum,^resize_inode,uninit_bg,64bit,dir_index", path, "256k").CombinedOutput()
	if err != nil {
		f.Fatalf("mke2fs: %v\n%s", err, out)
	}
	// An index, so that there is one to damage.
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		f.Fatal(err)
	}
	fsys, err := Open(fileDevice{file})
	if err != nil {
		f.Fatal(err)
	}
	err = fsys.Update(func(tx *Tx) error {
		for i := range 30 {
			if err := tx.Symlink("t", "a/b/"+string(bytes.Repeat([]byte{byte('a' + i)}, 40)), Attr{}); err != nil {
				return err
			}
		}
		return nil
	}, AcceptRisk())
	if err != nil {
		f.Fatal(err)
	}
	file.Close()
	image, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	patch := func(off uint32, data string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, off), (data + "\x00\x00\x00\x00\x00\x00\x00\x00")[:8]...)
	}
	f.Add(patch(1024+0x18, "\x06"))
	f.Add(patch(2048, "\x00\x00\x00\x00\xff\xff\xff\xff"))
	f.Add(append(patch(0, ""), patch(20*1024, "\x0a\xf3\x05\x00\x04\x00\x05\x00")...))
	f.Fuzz(func(t *testing.T, patches []byte) {
		r := &recorder{old: image, now: bytes.Clone(image), failAt: -1}
		for len(patches) >= 12 && len(patches) <= 20*12 {
			off := int(binary.LittleEndian.Uint32(patches)) % (len(image) - 8)
			copy(r.now[off:], patches[4:12])
			patches = patches[12:]
		}
		damaged := bytes.Clone(r.now)
		start := time.Now()
		fsys, err := Open(r)
		if err == nil {
			fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.Type() == 0 {
					fsys.ReadFile(path)
				}
				return nil
			})
			err = fsys.Update(func(tx *Tx) error {
				return errors.Join(
					tx.WriteFile("a/file", bytes.NewReader(pattern(3000, 2)), Attr{Mode: 0o600}),
					tx.MkdirAll("a/b/c/d/e", Attr{Mode: 0o700}),
					tx.Symlink("t", "a/b/new", Attr{}),
					tx.Chmod("link", 0o600),
				)
			}, AcceptRisk())
		}
		if err != nil && !bytes.Equal(damaged, r.now) {
			t.Errorf("an error, and the image was changed: %v", err)
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
