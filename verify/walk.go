// The way to a path: one name after the other, symlinks followed inside the image, every directory noted.

package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"boringboot/verify/internal/ext4ro"
)

// maxLinks is how many symlinks the kernel follows on one path (MAXSYMLINKS).
const maxLinks = 40

// place is what is at a path that has no symlinks on the way. "/" is the root.
type place struct {
	path string
	attr
}

func (p place) join(name string) string { return strings.TrimSuffix(p.path, "/") + "/" + name }

// way is how one reader got to a path.
type way struct {
	dirs []place // the directories that were entered, the root first; one may come twice
	last place   // what is there, a symlink not followed

	stuckAt string // where the reader could go no further, if that was on the way
	stuck   error
}

// obstacle says that a path leads nowhere, which is a fault of the image, not of the reader.
type obstacle struct {
	code string
	text string
}

func (o *obstacle) Error() string { return o.text }

// walk goes to an absolute, clean path. The error is an *obstacle where there is nothing, and the reader's own trouble otherwise. The
// way is as far as it went.
func (r *reader) walk(path string) (*way, error) {
	w := &way{}
	root, err := r.root()
	if err != nil {
		return w, err
	}
	w.last = place{"/", root}
	here := []place{w.last} // from the root down to where we are
	rest := split(path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		dir := here[len(here)-1]
		if dir.kind != kindDirectory {
			return w, &obstacle{codeNotDirectory, fmt.Sprintf("%s on the way is a %s, not a directory", dir.path, dir.kind)}
		}
		w.dirs = append(w.dirs, dir)
		if name == ".." {
			here = here[:max(1, len(here)-1)]
			w.last = here[len(here)-1]
			continue
		}
		at := dir.join(name)
		a, err := r.lookup(here, name)
		if errors.Is(err, fs.ErrNotExist) {
			if at == path {
				return w, &obstacle{codeMissing, "it is not there"}
			}
			return w, &obstacle{codeMissing, fmt.Sprintf("it is not there: %s is missing", at)}
		}
		if err != nil {
			if len(rest) > 0 {
				w.stuckAt, w.stuck = at, err
			}
			return w, fmt.Errorf("%s: %w", at, err)
		}
		w.last = place{at, a}
		if a.kind != kindSymlink || len(rest) == 0 {
			here = append(here, w.last)
			continue
		}
		if links++; links > maxLinks {
			return w, &obstacle{codeLoop, fmt.Sprintf("more than %d symlinks on the way", maxLinks)}
		}
		if a.target == "" {
			return w, fmt.Errorf("%s: a symlink to nothing", at)
		}
		if strings.HasPrefix(a.target, "/") {
			here = here[:1]
		}
		rest = slices.Concat(split(a.target), rest)
	}
	return w, nil
}

// lookup is child with a memory: every path goes through the same few directories.
func (r *reader) lookup(here []place, name string) (attr, error) {
	dir := here[len(here)-1]
	at := dir.join(name)
	if got, ok := r.known[at]; ok {
		return got.attr, got.err
	}
	if err := r.spare(here); err != nil {
		return attr{}, err
	}
	r.budget.grow(cost(here)) // some libraries start at the root each time
	a, err := r.child(strings.TrimPrefix(dir.path, "/"), dir.ino, name)
	r.known[at] = found{a, err}
	return a, err
}

// cost is what reading these directories takes, in bytes. Those that are too large are not read.
func cost(dirs []place) int64 {
	var n int64
	for _, d := range dirs {
		n += min(d.size, ext4ro.MaxDirectory)
	}
	return n
}

// found is what lookup remembers.
type found struct {
	attr attr
	err  error
}

// split returns the names of a path.
func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
}
