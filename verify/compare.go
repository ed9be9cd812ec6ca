// The comparison of what a reader says with what is wanted: attributes, then every byte.

package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"boringboot/internal/manifest"
)

// contentCheck looks at the content of a regular file. Its error is for what is not the image's fault; a reader's trouble and the
// image's faults go into the view.
type contentCheck func(r *reader, w *way, want *manifest.Entry, v *view) error

// wantedKind translates a manifest's kind.
func wantedKind(k manifest.Kind) string {
	switch k {
	case manifest.File:
		return kindFile
	case manifest.Directory:
		return kindDirectory
	case manifest.Symlink:
		return kindSymlink
	}
	return kindOther
}

// compareAttr compares type, mode, owner and target. The mode of a symlink means nothing and is not compared.
func compareAttr(v *view, want *manifest.Entry) {
	if kind := wantedKind(want.Kind); v.attr.kind != kind {
		v.fault(codeWrongType, "it is a %s, not a %s", v.attr.kind, kind)
		return
	}
	if keeps(want) && want.Mode == 0 {
		v.digest = v.attr.owned() // nobody knew what it was: there is nothing to compare it with but what the other readers say
		return
	}
	if mode := unixMode(want.Mode); want.Kind != manifest.Symlink && v.attr.mode != mode {
		v.fault(codeWrongMode, "its mode is %04o, not %04o", v.attr.mode, mode)
	}
	if v.attr.uid != want.UID || v.attr.gid != want.GID {
		v.fault(codeWrongOwner, "it belongs to %d:%d, not to %d:%d", v.attr.uid, v.attr.gid, want.UID, want.GID)
	}
	if want.Kind == manifest.Symlink && v.attr.target != want.Target {
		v.fault(codeWrongTarget, "it points elsewhere: its target is %d bytes long, the wanted one %d, and they part at byte %d",
			len(v.attr.target), len(want.Target), commonPrefix(v.attr.target, want.Target))
	}
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// compareContent compares a file's size and every byte with the wanted content.
func compareContent(r *reader, w *way, want *manifest.Entry, v *view) error {
	if want.Content == nil {
		return fmt.Errorf("%s: there is no content to compare with", want.Path)
	}
	if size := want.Content.Size(); v.attr.size != size {
		if want.Secret {
			v.fault(codeWrongSize, "it is not as long as what is wanted")
		} else {
			v.fault(codeWrongSize, "it is %d bytes long, not %d", v.attr.size, size)
		}
		return nil
	}
	got, err := r.content(w)
	if err != nil {
		v.err = err
		return nil
	}
	at, err := firstDifference(got, want.Content, v.attr.size)
	var unread wantError
	switch {
	case errors.As(err, &unread):
		return fmt.Errorf("%s: reading the wanted content: %w", want.Path, err)
	case err != nil:
		v.err = err
	case at >= 0:
		v.fault(codeWrongContent, "its content differs from what is wanted, first at byte %d", at)
	}
	return nil
}

// wantError marks an error of the content that is compared with.
type wantError struct{ error }

func (e wantError) Unwrap() error { return e.error }

const compareChunk = 64 << 10

// firstDifference compares size bytes of got and want, and returns the offset of the first that differs, or −1. A got that ends
// early differs where it ends, and one that goes on differs at size.
func firstDifference(got io.Reader, want io.ReaderAt, size int64) (int64, error) {
	chunk := min(compareChunk, size+1)
	a, b := make([]byte, chunk), make([]byte, chunk)
	var done int64
	for done < size {
		n := int(min(chunk, size-done))
		if m, err := want.ReadAt(b[:n], done); m < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, wantError{err}
		}
		m, err := readFull(got, a[:n])
		if err != nil && err != io.EOF {
			return 0, err
		}
		for i := range m {
			if a[i] != b[i] {
				return done + int64(i), nil
			}
		}
		if m < n {
			return done + int64(m), nil
		}
		if !bytes.Equal(a[:n], b[:n]) { // cannot be, unless the loop above is broken
			return done, nil
		}
		done += int64(n)
	}
	more, err := readFull(got, a[:1])
	if err != nil && err != io.EOF {
		return 0, err
	}
	if more > 0 {
		return size, nil
	}
	return -1, nil
}

// maxEmptyReads is how often a reader may return nothing without saying why.
const maxEmptyReads = 100

// readFull reads until p is full or got ends (io.EOF), and does not wait for a reader that never says either.
func readFull(got io.Reader, p []byte) (int, error) {
	n := 0
	for empty := 0; n < len(p); {
		m, err := got.Read(p[n:])
		n += m
		if err != nil {
			return n, err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyReads {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}
