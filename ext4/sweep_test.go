package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"

	"boringboot/ext4/internal/format"
	"boringboot/internal/testimage"
)

// A sweep spoils an image field by field. Where the kernel does not mount what comes of it, or e2fsck complains, neither an update
// that has nothing to do nor one that has may succeed, and no byte is written. Where the judges have no objection and there is an
// update, they must have none afterwards.

type sweptField struct {
	name string
	at   int // bytes from the structure's start
	size int // bytes
}

type sweep struct {
	t       *testing.T
	path    string
	clean   []byte
	excused map[string]string // by the field's name: why an update is made although a judge complains
	// By the field's name: why it is not looked at before something is changed. An update that has something to do is refused.
	deferred map[string]string
	order    binary.ByteOrder
}

func newSweep(t *testing.T, o testimage.Options) *sweep {
	t.Helper()
	testimage.RequireRoot(t)
	path := testimage.Ext4(t, o)
	clean, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &sweep{t: t, path: path, clean: clean, order: binary.LittleEndian}
}

// fields sets each field of a structure to 0, to all ones, and to one more than it is; seal makes checksums right again.
func (s *sweep) fields(fields []sweptField, base int, seal func(image []byte)) {
	s.t.Helper()
	for _, f := range fields {
		for _, how := range []string{"0", "all ones", "one more"} {
			image := bytes.Clone(s.clean)
			s.set(image[base+f.at:][:f.size], how)
			seal(image)
			if !bytes.Equal(image, s.clean) {
				s.judge(f.name, f.name+": "+how, image)
			}
		}
	}
}

func (s *sweep) set(b []byte, how string) {
	for i := range b {
		switch how {
		case "0":
			b[i] = 0
		case "all ones":
			b[i] = 0xFF
		}
	}
	if how != "one more" {
		return
	}
	for i := range b {
		if s.order == binary.ByteOrder(binary.BigEndian) {
			i = len(b) - 1 - i
		}
		if b[i]++; b[i] != 0 {
			break
		}
	}
}

// judge compares what we say of an image with what the judges say.
func (s *sweep) judge(field, what string, image []byte) {
	s.t.Helper()
	r := &recorder{old: image, now: image, failAt: -1}
	nothing := updateOf(r, func(tx *Tx) error { return nil })
	if len(r.log) != 0 {
		s.t.Errorf("%s: %d writes of an update that has nothing to do", what, len(r.log))
	}
	if nothing != nil && !errors.Is(nothing, ErrCorrupt) && !errors.Is(nothing, ErrUnsupported) && !errors.Is(nothing, ErrNeedsRecovery) {
		s.t.Errorf("%s: an error of no kind: %v", what, nothing)
	}
	if nothing != nil {
		return // refused: whatever the judges say
	}
	objection := s.objection(image)
	if objection != nil {
		if reason, ok := s.excused[field]; ok {
			s.t.Logf("%s: excused: %s", what, reason)
			return
		}
		if _, ok := s.deferred[field]; ok {
			r := &recorder{old: image, now: bytes.Clone(image), failAt: -1}
			if err := updateOf(r, injection); err == nil || len(r.log) != 0 {
				s.t.Errorf("%s: an update: %v, %d writes, but %v", what, err, len(r.log), objection)
			}
			return
		}
		s.t.Errorf("%s: taken for good, but %v", what, objection)
		return
	}
	r = &recorder{old: bytes.Clone(image), now: bytes.Clone(image), failAt: -1}
	if err := updateOf(r, injection); err != nil {
		if len(r.log) != 0 {
			s.t.Errorf("%s: %d writes before %v", what, len(r.log), err)
		}
		return
	}
	if err := s.objection(r.now); err != nil {
		s.t.Errorf("%s: after an update: %v", what, err)
	}
}

func updateOf(r *recorder, fn func(tx *Tx) error) error {
	fsys, err := Open(r)
	if err != nil {
		return err
	}
	return fsys.Update(fn, WithTime(writeTime))
}

// objection is what e2fsck or the kernel has against an image.
func (s *sweep) objection(image []byte) error {
	s.t.Helper()
	writeImage(s.t, s.path, image)
	if err := testimage.FsckErr(s.path, 0); err != nil {
		return err
	}
	if err := testimage.MountErr(s.t, s.path); err != nil {
		return err
	}
	mounted, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	sb := format.Superblock(mounted[format.SuperblockOffset:][:format.SuperblockSize])
	if state := format.SState.Get(sb); state&format.StateErrors != 0 {
		return fmt.Errorf("the kernel found errors (s_state %#x)", state)
	}
	return nil
}
