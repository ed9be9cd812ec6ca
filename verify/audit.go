// The audit: our own decoder goes the same ways as the libraries, and judges what it meets as strictly as the kernel and e2fsck. It
// confirms nothing, and asks for no content: it finds damage that a library reads past.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"boringboot/internal/manifest"
	"boringboot/verify/internal/ext4ro"
)

// auditName is who finds what the audit finds.
const auditName = "boringboot audit"

// audit is what the audit found.
type audit struct {
	budget   *budget
	findings []Finding
}

// inspect audits the file system as a whole, and what is on the way to the wanted paths.
func inspect(ctx context.Context, disk io.ReaderAt, size int64, want []manifest.Entry) *audit {
	a := &audit{budget: newBudget(ctx, disk, size)}
	if err := a.look(want); err != nil {
		a.find(codeNotAudited, "", "%s could not judge it: %s", auditName, reason(err))
	}
	return a
}

func (a *audit) find(code, path, format string, args ...any) {
	f := Finding{code, Error, path, fmt.Sprintf(format, args...)}
	for _, known := range a.findings {
		if known.Message == f.Message {
			return // the same object, by another way
		}
	}
	a.findings = append(a.findings, f)
}

// damaged reports damage of what is at path.
func (a *audit) damaged(path string, all []ext4ro.Damage) {
	for _, d := range all {
		a.find(codeDamaged, path, "%s finds it damaged: %s", auditName, d)
	}
}

func (a *audit) look(want []manifest.Entry) error {
	ro, err := ext4ro.Open(a.budget, a.budget.size)
	if err != nil {
		return err
	}
	r := &reader{opener: opener{name: auditName, own: true}, budget: a.budget, ro: ro, known: map[string]found{}}
	lib := &auditor{a, ext4ro.NewAudit(ro)}
	r.lib = lib
	if _, err := guard(r, func() (struct{}, error) { return struct{}{}, lib.ro.Whole() }); err != nil {
		return err
	}
	a.damaged("", lib.ro.Take())
	for i := range want {
		w, err := r.walk(want[i].Path)
		var o *obstacle
		switch {
		case err == nil || errors.As(err, &o): // what is missing is for the libraries to say
		case errors.Is(err, ext4ro.ErrCorrupt):
			path := want[i].Path
			if w.stuckAt != "" {
				path = w.stuckAt
			}
			a.find(codeDamaged, path, "%s finds it damaged: %s", auditName, reason(err))
		default:
			a.find(codeNotAudited, want[i].Path, "%s could not judge it: %s", auditName, reason(err))
		}
		if r.dead != nil {
			return nil // and it was told why
		}
	}
	return nil
}

// auditor is the audit as a library, so that it goes the same ways.
type auditor struct {
	report *audit
	ro     *ext4ro.Audit
}

func (l *auditor) root() (attr, error) {
	in, err := l.ro.Inode(ext4ro.RootIno)
	if err == nil && in.Mode&ext4ro.ModeType == ext4ro.ModeDir {
		_, err = l.ro.Directory(ext4ro.RootIno)
	}
	l.report.damaged("/", l.ro.Take())
	if err != nil {
		return attr{}, err
	}
	return l.attr(in)
}

func (l *auditor) child(dir string, dirIno uint32, name string) (attr, error) {
	in, err := l.ro.Child(dirIno, name, func(d []ext4ro.Damage) { l.report.damaged("/"+dir, d) })
	l.report.damaged(place{path: "/" + dir}.join(name), l.ro.Take())
	if err != nil {
		return attr{}, err
	}
	return l.attr(in)
}

func (l *auditor) attr(in *ext4ro.Inode) (attr, error) {
	a := attr{ino: in.Ino, kind: kindOf(in.Mode), size: int64(in.Size), mode: in.Mode & 0o7777, uid: in.UID, gid: in.GID}
	if a.kind != kindSymlink {
		return a, nil
	}
	var err error
	a.target, err = l.ro.Target(in)
	return a, err
}

// content is not asked for: the libraries read it.
func (*auditor) content(*way, attr) (io.Reader, error) {
	return nil, errors.New("the audit reads no content")
}
