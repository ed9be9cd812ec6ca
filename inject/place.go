package inject

// This file finds where a path leads inside the image: symbolic links on the way are followed, never out of it.

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"

	"boringboot/ext4"
	"boringboot/internal/filemode"
)

// maxLinks is how many symbolic links are followed on one path, the kernel's own limit (MAXSYMLINKS in include/linux/namei.h).
const maxLinks = 40

// place is where an absolute path leads: a directory that exists, the directories below it that do not, and the last name.
type place struct {
	dir     string   // absolute, free of symbolic links
	missing []string // names of directories to be made below dir, outermost first
	name    string
	above   []above // the directories that exist and are entered on the way, the root first
}

// above is a directory above a path, as it is in the image.
type above struct {
	path string // absolute, free of symbolic links
	stat *ext4.Stat
}

func (p place) path() string {
	return path.Join(append(append([]string{p.dir}, p.missing...), p.name)...)
}

// madeDirs yields the absolute paths of the directories that have to be made, outermost first, and what abs, the path that leads here, calls them.
func (p place) madeDirs(abs string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		names := split(path.Dir(abs)) // the missing ones are the last of them: what a link leads to is not made
		d, asked := p.dir, "/"+path.Join(names[:len(names)-len(p.missing)]...)
		for _, name := range p.missing {
			d, asked = path.Join(d, name), path.Join(asked, name)
			if !yield(d, asked) {
				return
			}
		}
	}
}

// fsName turns an absolute image path into a name as io/fs has it.
func fsName(p string) string {
	if p == "/" {
		return "."
	}
	return strings.TrimPrefix(p, "/")
}

// locate walks to abs in fsys. The last name is not followed. It fails where a parent is no directory, a link leads nowhere (what
// is made at its end could be hidden by whatever is mounted there), or links loop.
func locate(fsys *ext4.FS, abs string) (place, error) {
	parent, name := path.Split(abs)
	todo := split(parent)
	root, err := fsys.Lstat(".")
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", abs, err)
	}
	at, links := "/", 0
	entered := []above{{at, statOf(root)}}
	var via string // the last link that was followed, while its target is being walked
	viaLeft := 0   // names of todo that came before the target's end
	for len(todo) > 0 {
		next := todo[0]
		if len(todo) <= viaLeft {
			via = ""
		}
		if next == ".." { // from a link's target only; the root's parent is the root
			at, todo = path.Dir(at), todo[1:]
			continue
		}
		p := path.Join(at, next)
		info, err := fsys.Lstat(fsName(p))
		switch {
		case errors.Is(err, fs.ErrNotExist) && via != "":
			return place{}, fmt.Errorf("%s: the symbolic link %s leads to %s, which is not in this file system", abs, via, p)
		case errors.Is(err, fs.ErrNotExist):
			return place{dir: at, missing: todo, name: name, above: entered}, nil
		case err != nil:
			return place{}, fmt.Errorf("%s: %w", abs, err)
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return place{}, fmt.Errorf("%s: more than %d symbolic links on the way (a loop at %s?)", abs, maxLinks, p)
			}
			target, err := fsys.ReadLink(fsName(p))
			if err != nil {
				return place{}, fmt.Errorf("%s: %w", abs, err)
			}
			if path.IsAbs(target) {
				at = "/"
			}
			if via == "" {
				viaLeft = len(todo) - 1
			}
			via = p
			todo = append(split(target), todo[1:]...)
		case !info.IsDir():
			return place{}, fmt.Errorf("%s: %s is not a directory but a %s", abs, p, filemode.Kind(info.Mode()))
		default:
			at, todo = p, todo[1:]
			entered = append(entered, above{at, statOf(info)})
		}
	}
	return place{dir: at, name: name, above: entered}, nil
}

// statOf returns what ext4's FileInfo has beyond io/fs.
func statOf(info fs.FileInfo) *ext4.Stat { return info.Sys().(*ext4.Stat) }

// split returns p's names, without empty ones and ".".
func split(p string) []string {
	var names []string
	for _, n := range strings.Split(p, "/") {
		if n != "" && n != "." {
			names = append(names, n)
		}
	}
	return names
}
