// Our own decoder as a reader: it reads what the libraries cannot (data in inodes, descriptors that are spread over the groups), and it
// judges what it meets on the way as strictly as the kernel and e2fsck, so it finds damage that the libraries read past.

package verify

import (
	"errors"
	"fmt"
	"io"

	"boringboot/verify/internal/ext4ro"
)

// ownName is what our own decoder is called in reports.
const ownName = "boringboot audit"

// auditor is the library interface over internal/ext4ro.
type auditor struct {
	b        *budget
	ro       *ext4ro.Audit
	findings []Finding
}

// openOwn judges the file system as a whole before anything of it is read.
func openOwn(b *budget, ro *ext4ro.FS) (library, error) {
	l := &auditor{b: b, ro: ext4ro.NewAudit(ro)}
	if err := l.ro.Whole(); err != nil {
		return nil, asDamage(err)
	}
	l.noteDamage("", l.ro.Take())
	return l, nil
}

// openOwnReader opens our own decoder to walk in a file system with, for those who look for something else than a witness. It has to be
// closed.
func openOwnReader(b *budget) (*reader, error) {
	ro, err := ext4ro.Open(b, b.size)
	if err != nil {
		return nil, err
	}
	r := &reader{opener: opener{name: ownName, own: true}, budget: b, ro: ro, known: map[string]found{}}
	if r.lib, err = openOwn(b, ro); err != nil {
		return nil, err
	}
	return r, nil
}

// asDamage marks errors that say that the image is damaged.
func asDamage(err error) error {
	if errors.Is(err, ext4ro.ErrCorrupt) {
		return damageError{err}
	}
	return err
}

// noteDamage reports damage of what is at path, each once: several ways may lead to one object.
func (l *auditor) noteDamage(path string, all []ext4ro.Damage) {
	for _, d := range all {
		f := Finding{Code: codeDamaged, Severity: Error, Path: path, Message: fmt.Sprintf("%s finds it damaged: %s", ownName, d)}
		known := false
		for _, other := range l.findings {
			known = known || other.Message == f.Message
		}
		if !known {
			l.findings = append(l.findings, f)
		}
	}
}

func (l *auditor) root() (attr, error) {
	in, err := l.ro.Inode(ext4ro.RootIno)
	if err == nil && in.Mode&ext4ro.ModeType == ext4ro.ModeDir {
		_, err = l.ro.Directory(ext4ro.RootIno)
	}
	l.noteDamage("/", l.ro.Take())
	if err != nil {
		return attr{}, asDamage(err)
	}
	return l.attr(in)
}

func (l *auditor) child(dir string, dirIno uint32, name string) (attr, error) {
	if in, err := l.ro.Inode(dirIno); err == nil {
		l.b.grow(int64(min(in.Size, ext4ro.MaxOwnDirectory))) // it reads a directory whole, once
	}
	in, err := l.ro.Child(dirIno, name, func(d []ext4ro.Damage) { l.noteDamage("/"+dir, d) })
	l.noteDamage(place{path: "/" + dir}.join(name), l.ro.Take())
	if err != nil {
		return attr{}, asDamage(err)
	}
	return l.attr(in)
}

func (l *auditor) attr(in *ext4ro.Inode) (attr, error) {
	a := attr{ino: in.Ino, kind: kindOf(in.Mode), size: int64(in.Size), mode: in.Mode & 0o7777, uid: in.UID, gid: in.GID, links: in.Links}
	if a.kind != kindSymlink {
		return a, nil
	}
	var err error
	a.target, err = l.ro.Target(in)
	return a, asDamage(err)
}

func (l *auditor) content(_ *way, a attr) (io.Reader, error) {
	in, err := l.ro.Inode(a.ino)
	if err != nil {
		return nil, asDamage(err)
	}
	c, err := l.ro.Content(in)
	return c, asDamage(err)
}
