package inject

// This file is about the directories above what is injected: whoever may write to one of them may replace what is below it.

import (
	"fmt"
	"slices"

	"boringboot/internal/manifest"
)

// UnsafeParentError says that others than root, or than the owner of what is injected, may replace it.
type UnsafeParentError struct {
	Path string // what is injected
	Dir  string // the directory above it, as it is in the image
	Why  string
}

func (e *UnsafeParentError) Error() string {
	return fmt.Sprintf("%s: the directory %s above it %s, who may replace it", e.Path, e.Dir, e.Why)
}

// checkAbove refuses to put what not everybody may read below a directory that others may write to, unless that directory is
// allowed. For the rest such a directory is accepted, and the verifier warns of it.
func (p *Plan) checkAbove(e manifest.Entry, at place) error {
	private := e.Secret || e.Kind == manifest.File && e.Mode&0o004 == 0
	for _, d := range at.above {
		why := ""
		switch {
		case d.stat.UID != 0 && d.stat.UID != e.UID:
			why = fmt.Sprintf("belongs to user %d", d.stat.UID)
		case d.stat.Mode&0o022 != 0:
			why = fmt.Sprintf("has mode %04o: it is open to others", d.stat.Mode&0o7777)
		default:
			continue
		}
		if private && !p.allowed(d.path) {
			return &UnsafeParentError{Path: e.Path, Dir: d.path, Why: why}
		}
		p.accepted[d.path] = true
	}
	return nil
}

// allowed reports whether dir is at or below one of the directories that --allow names.
func (p *Plan) allowed(dir string) bool {
	return slices.ContainsFunc(p.opts.Allow, func(a string) bool { return within(dir, a) })
}
