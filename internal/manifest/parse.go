// Parsing: a document becomes a Manifest, and whatever it says that no manifest says is an error with its line.
package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Parse reads a manifest, YAML or JSON. name is what errors call it, usually its path: "name:line: what is wrong". Errors
// are ErrManifest or ErrPath.
func Parse(name string, data []byte) (*Manifest, error) {
	doc, err := readDocument(data)
	if err != nil {
		return nil, located(name, err)
	}
	m, err := manifestFrom(name, doc)
	if err != nil {
		return nil, located(name, err)
	}
	if err := checkTogether(m.Files); err != nil {
		return nil, err // it names the item's place itself
	}
	return m, nil
}

// located puts the name, and the line where it is known, before an error.
func located(name string, err error) error {
	var at *lineError
	if errors.As(err, &at) {
		return fmt.Errorf("%s:%d: %w", name, at.line, at.err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func manifestFrom(name string, doc value) (*Manifest, error) {
	fields, err := doc.fields("a manifest", "version", "files")
	if err != nil {
		return nil, err
	}
	version, ok := fields["version"]
	if !ok {
		return nil, complain(doc.line, "version: 1 is missing")
	}
	if version.kind != aNumber || version.text != "1" {
		return nil, complain(version.line, "version must be 1, the number")
	}
	m := &Manifest{Version: 1}
	files, ok := fields["files"]
	if !ok {
		return nil, complain(doc.line, "files is missing")
	}
	if files.kind != aList {
		return nil, complain(files.line, "files is %s where it must be a list", files.kind)
	}
	if len(files.items) == 0 {
		return nil, complain(files.line, "files is empty: nothing would be injected, and nothing verified")
	}
	for _, v := range files.items {
		it, err := itemFrom(v)
		if err != nil {
			return nil, err
		}
		it.where = fmt.Sprintf("%s:%d", name, v.line)
		m.Files = append(m.Files, it)
	}
	return m, nil
}

func itemFrom(v value) (Item, error) {
	var it Item
	fields, err := v.fields("an item of files", "path", "from", "mode", "uid", "gid")
	if err != nil {
		return it, err
	}
	p, ok := fields["path"]
	if !ok {
		return it, complain(v.line, "path is missing")
	}
	if it.Path, err = p.str("path"); err != nil {
		return it, err
	}
	if err := CheckPath(it.Path); err != nil {
		return it, &lineError{p.line, err}
	}
	from, ok := fields["from"]
	if !ok {
		return it, complain(v.line, "%s: from is missing", shorten(it.Path))
	}
	if it.From, err = fromFrom(from); err != nil {
		return it, err
	}
	it.Mode = defaultMode(it.From.Source)
	if mode, ok := fields["mode"]; ok {
		if it.From.Source == Link {
			return it, complain(mode.line, "a symlink has no mode of its own")
		}
		if it.Mode, err = modeFrom(mode); err != nil {
			return it, err
		}
	}
	if id, ok := fields["uid"]; ok {
		if it.UID, err = ownerFrom("uid", id); err != nil {
			return it, err
		}
	}
	if id, ok := fields["gid"]; ok {
		if it.GID, err = ownerFrom("gid", id); err != nil {
			return it, err
		}
	}
	if err := it.check(); err != nil {
		return it, &lineError{v.line, fmt.Errorf("%s: %w", it.Path, err)}
	}
	return it, nil
}

// defaultMode is the mode of an item that names none: what came out of a secret is for its owner alone.
func defaultMode(s Source) fs.FileMode {
	switch s {
	case SSHPrivateKey, EnvironmentVars, Secret, Age:
		return 0o600
	case Dir:
		return 0o755
	case Link:
		return 0o777
	}
	return 0o644
}

func modeFrom(v value) (fs.FileMode, error) {
	if v.kind != aString {
		return 0, complain(v.line, `mode is %s where it must be octal digits in quotes: "0600"`, v.kind)
	}
	n, err := strconv.ParseUint(v.text, 8, 12)
	if err != nil || len(v.text) < 3 || len(v.text) > 4 {
		return 0, complain(v.line, `mode %q is not three or four octal digits, as in "0600"`, shorten(v.text))
	}
	mode := fs.FileMode(n) & fs.ModePerm
	for bit, m := range map[uint64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if n&bit != 0 {
			mode |= m
		}
	}
	return mode, nil
}

func ownerFrom(field string, v value) (uint32, error) {
	if v.kind != aNumber {
		return 0, complain(v.line, "%s is %s where it must be a number", field, v.kind)
	}
	// 0x10 and 010 would be numbers of YAML too, but nobody writes an owner so.
	n, err := strconv.ParseUint(v.text, 10, 32)
	if err != nil || n == noOwner || strconv.FormatUint(n, 10) != v.text {
		return 0, complain(v.line, "%s %s is not a number from 0 to %d", field, shorten(v.text), uint32(noOwner-1))
	}
	return uint32(n), nil
}

// fromFrom reads "from", a mapping of exactly one source.
func fromFrom(v value) (From, error) {
	sources := []Source{SSHPrivateKey, SSHPublicKeyOf, EnvironmentVars, Secret, Age, LocalFile, Text, Dir, Link}
	var names []string
	for _, s := range sources {
		names = append(names, string(s))
	}
	if _, err := v.fields("from", names...); err != nil {
		return From{}, err
	}
	if len(v.entries) != 1 {
		return From{}, complain(v.line, "from has %d sources where it must have one of %s", len(v.entries), strings.Join(names, ", "))
	}
	e := v.entries[0]
	f := From{Source: Source(e.key)}
	var err error
	switch f.Source {
	case SSHPrivateKey, SSHPublicKeyOf, Secret:
		f.Key, err = e.value.str(e.key)
	case EnvironmentVars:
		f.Vars, err = varsFrom(e.value)
	case Age, LocalFile:
		f.File, err = e.value.str(e.key)
	case Text:
		f.Text, err = e.value.str(e.key)
	case Link:
		f.Target, err = e.value.str(e.key)
	case Dir:
		if e.value.kind != aBoolean || e.value.text != "true" {
			err = complain(e.value.line, "directory can only be true")
		}
	}
	return f, err
}

func varsFrom(v value) ([]Variable, error) {
	if v.kind != aMapping {
		return nil, complain(v.line, "environment is %s where it must be a mapping of variables to keys", v.kind)
	}
	if err := v.noDuplicates(); err != nil {
		return nil, err
	}
	var vars []Variable
	for _, e := range v.entries {
		key, err := e.value.str(e.key)
		if err != nil {
			return nil, err
		}
		vars = append(vars, Variable{Name: e.key, Key: key})
	}
	return vars, nil
}

// fields returns the members of a mapping whose keys must be among known. what is what errors call it.
func (v value) fields(what string, known ...string) (map[string]value, error) {
	if v.kind != aMapping {
		return nil, complain(v.line, "%s is %s where it must be a mapping", what, v.kind)
	}
	if err := v.noDuplicates(); err != nil {
		return nil, err
	}
	fields := make(map[string]value)
	for _, e := range v.entries {
		if !slices.Contains(known, e.key) {
			return nil, complain(e.line, "%s has no key %q (it has %s)", what, shorten(e.key), strings.Join(known, ", "))
		}
		fields[e.key] = e.value
	}
	return fields, nil
}

func (v value) noDuplicates() error {
	lines := make(map[string]int)
	for _, e := range v.entries {
		if first, twice := lines[e.key]; twice {
			return complain(e.line, "the key %q is there twice, first on line %d", shorten(e.key), first)
		}
		lines[e.key] = e.line
	}
	return nil
}

// str returns the text of a string. A number is none: YAML would have taken 0123 or 1e5 for something else than its
// characters.
func (v value) str(what string) (string, error) {
	if v.kind != aString {
		return "", complain(v.line, "%s is %s where it must be a string (put it in quotes)", shorten(what), v.kind)
	}
	return v.text, nil
}
