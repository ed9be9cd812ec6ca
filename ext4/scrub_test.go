package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boringboot/internal/testimage"
)

// secretIn is an image whose journal has had a secret in every form in which it can: the data of a file, a name, a target, an
// attribute, data in an inode; some in directories and files that stay, some in the log alone.
func secretIn(t *testing.T, profile, features, options string) string {
	t.Helper()
	p := testimage.ProfileNamed(profile)
	if features != "" {
		p.Features += "," + features
	}
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 16 << 20, Inodes: 400})
	dir := testimage.MountWith(t, path, 0, options)
	mustDo(t,
		synced(filepath.Join(dir, "file"), []byte(strings.Repeat("SECRET-data ", 400))),
		synced(filepath.Join(dir, "small"), []byte("SECRET-small")),
		synced(filepath.Join(dir, "SECRET-name"), nil),
		os.Symlink("SECRET-target", filepath.Join(dir, "link")),
		os.Symlink(strings.Repeat("SECRET-long ", 20), filepath.Join(dir, "long")),
		syncDir(dir),
	)
	testimage.Unmount(t, dir)
	testimage.DebugfsWrite(t, path, 0, "ea_set /small user.key SECRET-attribute")
	return path
}

func TestNothingOfWhatIsTakenAwayStaysInTheJournal(t *testing.T) {
	for _, c := range []struct{ profile, features, options string }{
		{"nixos-4k", "", "data=journal"},
		{"debian-1k", "inline_data", "data=journal"},
		{"no-checksums-2k", "fast_commit", "data=ordered"},
	} {
		for _, how := range []string{"in place", "on a copy"} {
			t.Run(strings.Join([]string{c.profile, c.features, how}, " "), func(t *testing.T) {
				path := secretIn(t, c.profile, c.features, c.options)
				testimage.Check(t, path, 0)
				opts := []UpdateOption{}
				if how == "on a copy" {
					opts = append(opts, WithoutJournal())
				}
				r := newRecorder(t, path)
				if !bytes.Contains(r.now, []byte("SECRET-data")) {
					t.Fatal("there is no secret")
				}
				fsys, err := Open(r)
				mustDo(t, err)
				mustUpdate(t, fsys, func(tx *Tx) error {
					return errors.Join(
						tx.WriteFile("file", bytes.NewReader([]byte("harmless")), Attr{Mode: 0o600}),
						tx.WriteFile("small", bytes.NewReader(nil), Attr{Mode: 0o600}),
						tx.Remove("SECRET-name"), tx.Remove("link"), tx.Remove("long"),
					)
				}, opts...)
				for at := 0; ; {
					i := bytes.Index(r.now[at:], []byte("SECRET"))
					if i < 0 {
						break
					}
					at += i + 1
					t.Errorf("at byte %d: %.20q", at-1, r.now[at-1:])
				}
				writeImage(t, path, r.now)
			})
		}
	}
}

// What the common job costs stays as it is: nothing of the log is read, and five syncs.
func TestAnUpdateThatOnlyAddsLeavesTheLogAlone(t *testing.T) {
	path := secretIn(t, "nixos-4k", "", "data=journal")
	r := &readCounter{recorder: newRecorder(t, path)}
	fsys, err := Open(r)
	mustDo(t, err)
	before := r.bytes
	mustUpdate(t, fsys, func(tx *Tx) error {
		err := tx.MkdirAll("var/lib/bootstrap", Attr{Mode: 0o755})
		for i := range 3 {
			err = errors.Join(err, tx.WriteFile(fmt.Sprintf("var/lib/bootstrap/%d", i), bytes.NewReader(pattern(400, byte(i))), Attr{Mode: 0o600}))
		}
		return err
	})
	if read := r.bytes - before; read > 256<<10 {
		t.Errorf("the update read %d bytes", read)
	}
	if len(r.syncs) != 5 {
		t.Errorf("%d syncs, want five", len(r.syncs))
	}
	writeImage(t, path, r.now)
	testimage.Fsck(t, path, 0)
}

// Data that are kept in an inode are in one place when the update is done: the log's copy of the inode is gone.
func TestDataInAnInodeAreNotInTheLogAsWell(t *testing.T) {
	p := testimage.ProfileNamed("debian-4k")
	p.Features += ",inline_data"
	path := testimage.Ext4(t, testimage.Options{Profile: p, StorePaths: -1, Size: 16 << 20, Inodes: 400})
	testimage.Check(t, path, 0)
	r := newRecorder(t, path)
	fsys, err := Open(r)
	mustDo(t, err)
	mustUpdate(t, fsys, func(tx *Tx) error {
		return tx.WriteFile("secret.env", bytes.NewReader([]byte("SECRET-inline")), Attr{Mode: 0o600})
	})
	if n := bytes.Count(r.now, []byte("SECRET-inline")); n != 1 {
		t.Errorf("the data are in the image %d times", n)
	}
	writeImage(t, path, r.now)
}

// readCounter is a recorder that counts what is read.
type readCounter struct {
	*recorder
	bytes int
}

func (c *readCounter) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += len(p)
	return c.recorder.ReadAt(p, off)
}
