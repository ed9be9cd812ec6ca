// What a path in an image may look like, and which paths of one manifest exclude each other.
package manifest

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrPath: a path that no image can have, or should not have.
var ErrPath = errors.New("unusable path")

const (
	maxName = 255  // EXT4_NAME_LEN of fs/ext4/ext4.h, in bytes
	maxPath = 4095 // PATH_MAX of include/uapi/linux/limits.h without the NUL
)

// CheckPath says why p is not the path of something to inject: it must be absolute and already clean, since a path that
// had to be repaired is one that somebody meant differently.
func CheckPath(p string) error {
	fail := func(why string) error { return fmt.Errorf("%w: %q %s", ErrPath, shorten(p), why) }
	switch {
	case p == "":
		return fail("is empty")
	case p[0] != '/':
		return fail("is not absolute")
	case p == "/":
		return fail("is the root of the image, which is there already")
	case len(p) > maxPath:
		return fail(fmt.Sprintf("has %d bytes, at most %d are possible", len(p), maxPath))
	case strings.HasSuffix(p, "/"):
		return fail("ends in a slash")
	}
	if err := checkText(p); err != "" {
		return fail(err)
	}
	for _, name := range strings.Split(p[1:], "/") {
		switch {
		case name == "":
			return fail("has two slashes in a row")
		case name == "." || name == "..":
			return fail("has " + name + " in it")
		case len(name) > maxName:
			return fail(fmt.Sprintf("has a name of %d bytes, at most %d are possible", len(name), maxName))
		}
	}
	if path.Clean(p) != p {
		return fail("is not clean")
	}
	return nil
}

// checkTarget says why t cannot be what a symlink points to.
func checkTarget(t string) error {
	fail := func(why string) error { return fmt.Errorf("symlink target %q %s", shorten(t), why) }
	switch {
	case t == "":
		return fail("is empty")
	case len(t) > maxPath:
		return fail(fmt.Sprintf("has %d bytes, at most %d are possible", len(t), maxPath))
	}
	if err := checkText(t); err != "" {
		return fail(err)
	}
	return nil
}

// checkText says what in s neither a person nor a shell could type back; "": nothing. ext4 itself forbids only NUL.
func checkText(s string) string {
	switch {
	case strings.IndexByte(s, 0) >= 0:
		return "holds a NUL"
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return "holds a control character"
	}
	return ""
}

// shorten cuts what an error quotes.
func shorten(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// checkTogether refuses two items with one path, and an item below one that is no directory.
func checkTogether(items []Item) error {
	byPath := make(map[string]Item, len(items))
	for _, it := range items {
		if other, twice := byPath[it.Path]; twice {
			return fmt.Errorf("%s: %w: it is in the manifest already%s", it.name(), ErrPath, other.at())
		}
		byPath[it.Path] = it
	}
	for _, it := range items {
		for dir := path.Dir(it.Path); dir != "/"; dir = path.Dir(dir) {
			if above, there := byPath[dir]; there && above.From.Source != Dir {
				what := "a file"
				if above.From.Source == Link {
					what = "a symlink"
				}
				return fmt.Errorf("%s: %w: %s, which is above it, is %s of the same manifest", it.name(), ErrPath, dir, what)
			}
		}
	}
	return nil
}

// at is where an item stands in its text, for the end of a sentence.
func (it Item) at() string {
	if it.where == "" {
		return ""
	}
	return " (" + it.where + ")"
}
