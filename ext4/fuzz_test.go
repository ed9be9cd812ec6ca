package ext4

import (
	"bytes"
	"errors"
	"flag"
	"hash/crc32"
	"io/fs"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"boringboot/ext4/internal/blocks"
)

// Limits of what one image may cost, whatever it holds.
const (
	mostFuzzTime  = 10 * time.Second
	mostFuzzBytes = 256 << 20 // allocated in all, which is more than is in use at once
)

func cacheOf(dev Device, g *geometry) *blocks.Cache {
	return blocks.NewCache(dev, g.blockSize, g.blocks)
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// fuzzedUpdates are a little of every operation; each is an update of its own.
var fuzzedUpdates = []func(tx *Tx) error{
	func(tx *Tx) error {
		return tx.WriteFile("a/file", bytes.NewReader(pattern(3000, 2)), Attr{Mode: 0o600})
	},
	func(tx *Tx) error { return tx.MkdirAll("a/b/c/d/e", Attr{Mode: 0o700}) },
	func(tx *Tx) error { return tx.Symlink("t", "a/b/new", Attr{}) },
	func(tx *Tx) error { return tx.Chmod("link", 0o600) },
	func(tx *Tx) error { return tx.Chmod("a/small", 0o600) },
	func(tx *Tx) error { return tx.Chown("a/small", 5, 6) },
	func(tx *Tx) error { return tx.Link("a/small", "t/linked") },
	func(tx *Tx) error { return tx.Rename("a/b/"+strings.Repeat("c", 40), "t/renamed") },
	func(tx *Tx) error { return tx.Rename("a/gone/d", "t/moved") },
	func(tx *Tx) error { return tx.SetXattr("a/small", "user.added", pattern(300, 1)) },
	func(tx *Tx) error { return tx.SetXattr("a/b", "user.large", pattern(650, 1)) },
	func(tx *Tx) error { return tx.RemoveXattr("a/again", "user.large") },
	func(tx *Tx) error { return tx.Truncate("a/sparse", 12_000) },
	func(tx *Tx) error { return tx.Truncate("a/small", 5000) },
	func(tx *Tx) error { return tx.Remove("a/long") },
	func(tx *Tx) error { return tx.RemoveAll("a/gone") },
	func(tx *Tx) error {
		var err error
		for i := range 12 {
			err = errors.Join(err, tx.Link("a/again", "a/b/"+strings.Repeat(string(rune('A'+i)), 100)))
		}
		return err
	},
	func(tx *Tx) error { return tx.RemoveAll("a") },
}

// FuzzImage damages the metadata of images, also so that its checksums are right. Whatever it is, reading and updates end in time,
// in bounded memory and without a panic; an error leaves the image as it was; and where e2fsck found nothing before, because what
// was damaged means nothing, it finds nothing afterwards.
func FuzzImage(f *testing.F) {
	images := fuzzedImages(f)
	for i := range images {
		f.Add(uint8(i), false, []byte(nil))
		f.Add(uint8(i), true, images[i].patch(f, "superblock", 0x18, "\x06"))
		f.Add(uint8(i), true, images[i].patch(f, "descriptor 0", 0x0C, "\x00\x00\xff\xff"))
		f.Add(uint8(i), true, images[i].patch(f, "inode 2", 4, "\x00\x00\xff\xff"))
	}
	f.Add(uint8(0), false, images[0].patch(f, "inode 13: directory block", 24, "\x0e\x00\x00\x00\x0c\x00\x00\x01")) // a name of no bytes
	f.Add(uint8(4), true, images[4].patch(f, "mmp", 4, "\x01\x00\x00\x00"))
	f.Add(uint8(5), false, images[5].patch(f, "journal block 1", 12, "\x00\x00\xff\x00"))
	f.Add(uint8(7), false, images[7].patch(f, "journal block 0", 0x1C, "\x00\x00\x00\x01"))
	fuzzing := flag.Lookup("test.fuzz").Value.String() != "" // and not the seeds only
	f.Fuzz(func(t *testing.T, which uint8, seal bool, patches []byte) {
		im := images[int(which)%len(images)]
		damaged := im.damage(patches, seal)
		r := &readOnly{memDevice{bytes.Clone(damaged)}, 0}
		start, before := time.Now(), allocated()
		changed, failed := im.use(t, r)
		if took := time.Since(start); took > mostFuzzTime {
			t.Errorf("it took %v", took)
		}
		if n := allocated() - before; n > mostFuzzBytes {
			t.Errorf("%d bytes were allocated", n)
		}
		if len(patches) < patchSize && failed != nil {
			t.Fatalf("%s: without damage: %v", im.name, failed)
		}
		if changed == 0 || fuzzing && len(patches) >= patchSize && crc32.ChecksumIEEE(patches)%4 != 0 { // e2fsck takes longer than all else
			return
		}
		if after := im.judged(t, r.data); after != nil && (len(patches) < patchSize || im.judged(t, damaged) == nil) {
			t.Errorf("%s: %d updates have made an image wrong in which e2fsck found nothing: %v", im.name, changed, after)
		}
	})
}

// use reads all that there is and does the updates. It says how many have changed the image, and how others failed.
func (im *fuzzedImage) use(t *testing.T, r *readOnly) (changed int, failed error) {
	t.Helper()
	fsys, err := Open(r)
	if err != nil {
		return 0, mustBeOfAKind(t, err)
	}
	readEverything(t, fsys)
	for i, update := range fuzzedUpdates {
		writes := r.writes
		opts := []UpdateOption{WithTime(writeTime), AcceptRisk()}
		if i%3 == 2 {
			opts = append(opts, WithoutJournal())
		}
		err := fsys.Update(update, opts...)
		switch {
		case err == nil && r.writes > writes:
			changed++
		case err != nil && r.writes > writes:
			t.Errorf("%s: update %d: an error, and the image was changed: %v", im.name, i, err)
		}
		failed = errors.Join(failed, mustBeOfAKind(t, err))
	}
	return changed, failed
}

// mustBeOfAKind: an error that does not come from the device is of a kind that says what is wrong.
func mustBeOfAKind(t *testing.T, err error) error {
	t.Helper()
	if err == nil {
		return nil
	}
	for _, kind := range []error{ErrCorrupt, ErrUnsupported, ErrNeedsRecovery, ErrInUse, ErrNoSpace, ErrNotDir, ErrIsDir, ErrNotEmpty, ErrLoop, ErrNameTooLong,
		ErrTooManyLinks, ErrTooLarge, ErrNoXattr, fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, fs.ErrPermission} {
		if errors.Is(err, kind) {
			return err
		}
	}
	t.Errorf("error %v is of no kind", err)
	return err
}

func readEverything(t *testing.T, fsys *FS) {
	t.Helper()
	fsys.Info()
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			mustBeOfAKind(t, err)
			return nil
		}
		info, err := fsys.Lstat(name)
		if err == nil && d.Type().IsRegular() && info.Size() < 1<<20 {
			_, err = fsys.ReadFile(name)
		}
		mustBeOfAKind(t, err)
		if d.Type() == fs.ModeSymlink {
			_, err := fsys.ReadLink(name)
			mustBeOfAKind(t, err)
			return nil
		}
		names, err := fsys.ListXattr(name)
		mustBeOfAKind(t, err)
		for _, attr := range names {
			_, err := fsys.Xattr(name, attr)
			mustBeOfAKind(t, err)
		}
		return nil
	})
}
