package inject

// This file is about files that have several names in a tree, and shall have them in the image.

import (
	"errors"
	"fmt"
	"io/fs"

	"boringboot/internal/filemode"
	"boringboot/internal/manifest"
)

// decideLink compares an entry that is another name of an earlier one with what is at its place. A file of its own is replaced where it
// has the same content: nothing is lost. Mode and owner are those of the earlier entry.
func (p *Plan) decideLink(e manifest.Entry, actual string, look bool) (Step, error) {
	step := Step{Entry: e, Actual: actual, Action: Make}
	i, found := p.step[e.Link]
	if !found {
		return step, fmt.Errorf("%s: it is another name of %s, which does not come before it", e.Path, e.Link)
	}
	first := p.Steps[i]
	step.linkTo = first.Actual
	if !look {
		return step, nil
	}
	info, err := p.fsys.Lstat(fsName(actual))
	if errors.Is(err, fs.ErrNotExist) {
		return step, nil
	}
	if err != nil {
		return step, fmt.Errorf("%s: %w", e.Path, err)
	}
	if !info.Mode().IsRegular() {
		return step, fmt.Errorf("%s: there is a %s already, not a %s", e.Path, filemode.Kind(info.Mode()), e.Kind)
	}
	if first.Action == Keep || first.Action == Attr {
		there, err := p.fsys.Lstat(fsName(first.Actual))
		if err != nil {
			return step, fmt.Errorf("%s: %w", e.Link, err)
		}
		if statOf(there).Ino == statOf(info).Ino {
			step.Action = Keep
			return step, nil
		}
	}
	same, err := p.sameContent(e, actual, info.Size())
	if err != nil {
		return step, fmt.Errorf("%s: %w", e.Path, err)
	}
	if !same && !p.opts.Overwrite {
		return step, &ExistsError{Path: e.Path}
	}
	step.Action = Replace
	return step, nil
}
