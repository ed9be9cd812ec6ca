// The directories above a wanted path: whoever may write to one of them may replace what is below it.

package verify

import (
	"cmp"
	"fmt"
	"slices"

	"boringboot/internal/manifest"
)

// ancestors collects the directories that one reader went through.
type ancestors struct {
	places map[string]attr
	stuck  map[string]error    // where it could not go on
	owners map[string][]uint32 // of the wanted paths below, by directory
}

func newAncestors() *ancestors {
	return &ancestors{places: map[string]attr{}, stuck: map[string]error{}, owners: map[string][]uint32{}}
}

func (a *ancestors) add(w *way, want *manifest.Entry) {
	for _, d := range w.dirs {
		a.places[d.path] = d.attr
		// A directory that may be anybody's says nothing about whose the ones above it should be.
		if !keeps(want) && !slices.Contains(a.owners[d.path], want.UID) {
			a.owners[d.path] = append(a.owners[d.path], want.UID)
		}
	}
	if w.stuck != nil {
		a.stuck[w.stuckAt] = w.stuck
	}
}

// owned is a directory's mode and owner, for readers to be compared by.
func (a attr) owned() string { return fmt.Sprintf("%04o %d:%d", a.mode, a.uid, a.gid) }

// views judges them: a directory above a path belongs to root, or to the owner of everything wanted below it, and nobody else may
// write to it. That the sticky bit keeps others from removing a file is no excuse: they may make one where it is missing.
func (a *ancestors) views(reader string, want []manifest.Entry) []view {
	var all []view
	for path, err := range a.stuck {
		all = append(all, view{reader: reader, place: place{path: path}, err: err})
	}
	for path, at := range a.places {
		v := view{reader: reader, place: place{path, at}, known: true}
		asIs := slices.ContainsFunc(want, func(e manifest.Entry) bool { return e.Path == path && keeps(&e) })
		if at.uid != 0 && slices.ContainsFunc(a.owners[path], func(owner uint32) bool { return owner != at.uid }) {
			f := fault{codeParentOwner, Error, fmt.Sprintf("a directory above a wanted file belongs to %d:%d, who may replace what is in it", at.uid, at.gid)}
			if asIs {
				f.soften("and it was taken as it is")
			}
			v.faults = append(v.faults, f)
		}
		if at.mode&0o022 != 0 {
			f := fault{codeParentWritable, Error, fmt.Sprintf("a directory above a wanted file has the mode %04o: others than its owner may replace what is in it", at.mode)}
			switch {
			case asIs:
				f.soften("and it was taken as it is")
			case asksFor(want, path, at.mode):
				f.soften("as the manifest has it")
			}
			v.faults = append(v.faults, f)
		}
		// What the readers say of it is compared as a whole; there is nothing to compare it with.
		v.digest = at.owned()
		all = append(all, v)
	}
	slices.SortFunc(all, func(x, y view) int { return cmp.Compare(x.path, y.path) })
	return all
}

// keeps says whether a wanted directory was there before: whoever put something below it has decided to leave it as it is.
func keeps(e *manifest.Entry) bool { return e.Kind == manifest.Directory && e.KeepAttr }

// soften makes a fault a warning, for a reason.
func (f *fault) soften(why string) {
	f.severity = Warning
	f.text += ", " + why
}

// asksFor says whether the manifest itself gives the directory this mode.
func asksFor(want []manifest.Entry, path string, mode uint16) bool {
	return slices.ContainsFunc(want, func(e manifest.Entry) bool {
		return e.Kind == manifest.Directory && e.Path == path && unixMode(e.Mode) == mode
	})
}
