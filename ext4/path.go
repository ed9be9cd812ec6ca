package ext4

// This file resolves paths inside the image: symlinks are followed, an absolute target starts at the image's root, and ".."
// at the root stays there, so no path leads out.

import (
	"io/fs"
	"strings"

	"boringboot/ext4/internal/format"
)

// maxSymlinks is how many symlinks one path may lead through (the kernel's MAXSYMLINKS).
const maxSymlinks = 40

// walker follows a path component by component.
type walker struct {
	v     *view
	at    []step // from the root to where the walk is; the root's name is empty
	rest  []string
	links int
}

type step struct {
	name string
	node node
}

// location is where a path leads to: the directory, the name in it and, if it exists, the inode.
// The root has no directory; its name is empty.
type location struct {
	dir    node
	name   string
	node   node
	exists bool
	path   string // with symlinks followed, "." for the root
	// missing is what is left of the path where a directory on the way is not there: the first one's name, and what follows.
	missing []string
}

// locate resolves name, a path as io/fs has it. follow says whether a symlink at its end is followed as well.
// A path that does not exist is no error here: exists is false and missing has at least one name.
func (v *view) locate(name string, follow bool) (location, error) {
	root, err := v.inode(format.RootIno)
	if err != nil {
		return location{}, err
	}
	if root.Type() != format.ModeDir {
		return location{}, corruptf("inode %d: the root is not a directory", root.ino)
	}
	w := walker{v: v, at: []step{{node: root}}}
	if name != "." {
		w.rest = strings.Split(name, "/")
	}
	return w.walk(follow)
}

func (w *walker) walk(follow bool) (location, error) {
	for len(w.rest) > 0 {
		name := w.rest[0]
		dir := w.at[len(w.at)-1].node
		if dir.Type() != format.ModeDir {
			return location{}, ErrNotDir
		}
		if name == "" || name == "." { // from a symlink's target
			w.rest = w.rest[1:]
			continue
		}
		if name == ".." {
			w.rest = w.rest[1:]
			if len(w.at) > 1 {
				w.at = w.at[:len(w.at)-1]
			}
			continue
		}
		if len(name) > format.MaxNameLen {
			return location{}, ErrNameTooLong
		}
		d, ok, err := w.v.find(dir, name)
		if err != nil {
			return location{}, err
		}
		if !ok {
			return w.notThere(dir)
		}
		child, err := w.v.named(d.Ino)
		if err == nil {
			err = w.v.checkEntry(dir, d, child)
		}
		if err != nil {
			return location{}, err
		}
		w.rest = w.rest[1:]
		if child.Type() == format.ModeSymlink && (follow || len(w.rest) > 0) {
			if err := w.followLink(child); err != nil {
				return location{}, err
			}
			continue
		}
		if err := w.enter(name, child); err != nil {
			return location{}, err
		}
	}
	loc := location{path: w.path(), exists: true}
	last := w.at[len(w.at)-1]
	loc.node, loc.name = last.node, last.name
	if len(w.at) > 1 {
		loc.dir = w.at[len(w.at)-2].node
	}
	return loc, nil
}

// enter takes a step down. A directory that lies within itself would let a walk of the tree go on for ever.
func (w *walker) enter(name string, child node) error {
	if child.Type() == format.ModeDir {
		for _, above := range w.at {
			if above.node.ino == child.ino {
				return corruptf("inode %d: a directory that is below itself", child.ino)
			}
		}
	}
	if child.Type() == format.ModeDir {
		if err := w.v.checkParent(child, w.at[len(w.at)-1].node.ino); err != nil {
			return err
		}
	}
	w.at = append(w.at, step{name, child})
	return nil
}

func (w *walker) followLink(link node) error {
	w.links++
	if w.links > maxSymlinks {
		return ErrLoop
	}
	target, err := w.v.target(link)
	if err != nil {
		return err
	}
	if strings.HasPrefix(target, "/") {
		w.at = w.at[:1]
	}
	w.rest = append(strings.Split(target, "/"), w.rest...)
	return nil
}

// notThere ends the walk at the first name that does not exist. What is left may not climb out of what is not there.
func (w *walker) notThere(dir node) (location, error) {
	var missing []string
	for _, name := range w.rest {
		switch {
		case name == "" || name == ".":
			continue
		case name == "..":
			return location{}, fs.ErrNotExist
		}
		missing = append(missing, name)
	}
	return location{dir: dir, name: missing[0], path: w.path(), missing: missing}, nil
}

func (w *walker) path() string {
	if len(w.at) == 1 {
		return "."
	}
	names := make([]string, 0, len(w.at)-1)
	for _, s := range w.at[1:] {
		names = append(names, s.name)
	}
	return strings.Join(names, "/")
}

// validPath tells what is a path of io/fs and can be one of a file system.
func validPath(name string) bool { return fs.ValidPath(name) && !strings.ContainsRune(name, 0) }

// checkPath refuses what is no such path; op is for the error.
func checkPath(op, name string) error {
	if !validPath(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// existing resolves a path that has to be there.
func (v *view) existing(op, name string, follow bool) (location, error) {
	if err := checkPath(op, name); err != nil {
		return location{}, err
	}
	loc, err := v.locate(name, follow)
	if err == nil && !loc.exists {
		err = fs.ErrNotExist
	}
	if err != nil {
		return location{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return loc, nil
}
