// The verdict: every wanted path through every reader, and what follows from what they say.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"boringboot/internal/manifest"
	"boringboot/verify/internal/ext4ro"
)

// ErrNoReader says that no reader could read the image: nothing can be said about it.
var ErrNoReader = errors.New("no reader can read this image")

// Contents reads every wanted path back from the file system that starts at offset 0 of root and is at most size bytes long, and
// compares it with what is wanted.
//
// A directory above a wanted path that is not root's, or that others may write to, is an error. It is a warning where the directory is
// among what is wanted with KeepAttr: then it must be a directory, and if its Mode is 0, its mode and owner are what they are.
//
// The error is not nil where the image cannot be judged: it is no ext4, it is truncated, its superblock is damaged, the disk
// failed, the content to compare with could not be read, ctx was cancelled, or no reader is left (ErrNoReader; the report then says
// why each of them could not). What is wrong with an image that can be judged is in the report.
func Contents(ctx context.Context, root io.ReaderAt, size int64, want []manifest.Entry) (*Report, error) {
	return judge(ctx, root, size, want, compareContent)
}

// judge applies the rule. The content of files is left to check.
func judge(ctx context.Context, disk io.ReaderAt, size int64, want []manifest.Entry, check contentCheck) (*Report, error) {
	ro, err := ext4ro.Open(newBudget(ctx, disk, size), size)
	if err != nil {
		return nil, err
	}
	witnesses := hear(ctx, disk, size, want, check)
	defer func() {
		for _, w := range witnesses {
			w.reader.close()
		}
	}()
	hearTheSpared(witnesses, want, check)
	j := &judgement{want: want, report: NewReport()}
	left := 0
	for _, w := range witnesses {
		if failed := w.budget.failed(); failed != nil {
			return nil, fmt.Errorf("reading the image: %w", failed)
		}
		if w.refused != nil {
			j.report.Readers = append(j.report.Readers, Reader{w.name, reason(w.refused)})
			continue
		}
		left++
		j.report.Readers = append(j.report.Readers, Reader{Name: w.name})
		if w.err != nil {
			err = w.err
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	j.flags(ro)
	for _, w := range witnesses {
		switch {
		case isDamage(w.refused):
			j.find(codeDamaged, Error, "", "%s finds it damaged: %s", w.name, reason(w.refused))
		case w.refused != nil && w.own:
			j.find(codeNotAudited, Error, "", "%s could not judge it: %s", w.name, reason(w.refused))
		case w.reader != nil && w.own:
			j.report.Findings = append(j.report.Findings, w.reader.lib.(*auditor).findings...)
		}
	}
	if left == 0 {
		j.find(codeNoReader, Error, "", "no reader can read this image, so nothing is confirmed")
		return j.report, fmt.Errorf("%w: %s", ErrNoReader, j.report.reasons())
	}
	j.weigh(witnesses)
	for _, w := range witnesses {
		if w.own && w.refused == nil {
			if err := j.otherNames(ctx, disk, size, w); err != nil {
				return nil, err
			}
		}
	}
	return j.report, nil
}

// witness is one reader's account.
type witness struct {
	name    string
	own     bool    // it is our own decoder
	reader  *reader // nil where it refused
	budget  *budget
	refused error  // why it cannot read the image
	err     error  // what kept it from looking that is no fault of its own
	wanted  []view // of the wanted paths, in their order
	above   []view // of the directories above them
}

// hear has all readers look at the image, each on its own, at the same time.
func hear(ctx context.Context, disk io.ReaderAt, size int64, want []manifest.Entry, check contentCheck) []*witness {
	witnesses := make([]*witness, len(openers))
	var all sync.WaitGroup
	for i, o := range openers {
		w := &witness{name: o.name, own: o.own, budget: newBudget(ctx, disk, size)}
		witnesses[i] = w
		all.Go(func() {
			r, err := openReader(o, w.budget)
			if err != nil {
				w.refused = err
				return
			}
			w.reader = r
			w.err = w.look(r, want, check)
		})
	}
	all.Wait()
	return witnesses
}

// hearTheSpared has readers that were spared a path look at all of them, whatever that costs, where no other could read that path.
func hearTheSpared(witnesses []*witness, want []manifest.Entry, check contentCheck) {
	for _, w := range witnesses {
		if w.reader == nil || w.err != nil || !slices.ContainsFunc(w.unread(), func(i int) bool { return unreadByAll(witnesses, i) }) {
			continue
		}
		w.reader.patient = true
		w.err = w.look(w.reader, want, check)
	}
}

// unread lists the wanted paths that the reader was spared.
func (w *witness) unread() (spared []int) {
	for i, v := range w.wanted {
		if errors.Is(v.err, errSpared) {
			spared = append(spared, i)
		}
	}
	return spared
}

// unreadByAll says whether no reader could read a wanted path.
func unreadByAll(witnesses []*witness, i int) bool {
	return !slices.ContainsFunc(witnesses, func(w *witness) bool { return i < len(w.wanted) && w.wanted[i].err == nil })
}

// look goes through the wanted paths.
func (w *witness) look(r *reader, want []manifest.Entry, check contentCheck) error {
	w.wanted = nil
	dirs := newAncestors()
	for i := range want {
		if err := r.budget.ctx.Err(); err != nil {
			return err
		}
		v, way, err := lookAt(r, &want[i], check)
		if err != nil {
			return err
		}
		w.wanted = append(w.wanted, v)
		dirs.add(way, &want[i])
	}
	w.above = dirs.views(r.name, want)
	w.compareLinks(want)
	return nil
}

// compareLinks has each wanted path that is another name of an earlier one be that: the same inode.
func (w *witness) compareLinks(want []manifest.Entry) {
	at := map[string]view{}
	for i, e := range want {
		if e.Link == "" {
			at[e.Path] = w.wanted[i]
			continue
		}
		v, first := &w.wanted[i], at[e.Link]
		if v.known && first.known && v.attr.ino != first.attr.ino {
			v.fault(codeWrongLink, "it is a file of its own, not another name of %s", e.Link)
		}
	}
}

// lookAt has one reader look at one wanted path.
func lookAt(r *reader, want *manifest.Entry, check contentCheck) (view, *way, error) {
	v := view{reader: r.name}
	way, err := r.walk(want.Path)
	var o *obstacle
	switch {
	case errors.As(err, &o):
		v.fault(o.code, "%s", o.text)
		return v, way, nil
	case err != nil:
		v.err, v.behind = err, way.stuck != nil
		return v, way, nil
	}
	v.place, v.known = way.last, true
	compareAttr(&v, want)
	if want.Kind == manifest.File && v.attr.kind == kindFile {
		err = check(r, way, want, &v)
	}
	return v, way, err
}

// judgement is a report in the making.
type judgement struct {
	want   []manifest.Entry
	report *Report
}

func (j *judgement) find(code, severity, path, format string, args ...any) {
	j.report.Findings = append(j.report.Findings, Finding{Code: code, Severity: severity, Path: path, Message: fmt.Sprintf(format, args...)})
}

// flags looks at what the superblock says of the whole.
func (j *judgement) flags(ro *ext4ro.FS) {
	if ro.FeatureIncompat&ext4ro.IncompatRecover != 0 {
		j.find(codeNeedsRecovery, Error, "", "the journal holds changes that were not written back (needs_recovery), so what is read is not what will be mounted")
	}
	if ro.State&ext4ro.StateErrors != 0 {
		j.find(codeErrorsFlag, Error, "", "the file system is marked as having errors")
	}
}

// view is what one reader says of one path.
type view struct {
	reader string
	place          // what is there; its path is without symlinks on the way
	known  bool    // place was read
	faults []fault // it contradicts
	err    error   // it could not be read
	behind bool    // because of a directory above
	digest string  // of what is not known beforehand, and compared between readers
}

// fault is a difference between what is wanted and what one reader says.
type fault struct {
	code, severity, text string
}

func (v *view) fault(code, format string, args ...any) {
	v.faults = append(v.faults, fault{code, Error, fmt.Sprintf(format, args...)})
}

// contradicts says whether the reader found something wrong, warnings aside.
func (v *view) contradicts() bool {
	return slices.ContainsFunc(v.faults, func(f fault) bool { return f.severity == Error })
}

// row collects the views of one path.
type row struct {
	path  string
	want  *manifest.Entry // nil: a directory above one
	views []view
}

// weigh brings together what the readers say of each path.
func (j *judgement) weigh(witnesses []*witness) {
	wanted := make([]*row, len(j.want))
	own := map[string]*row{}
	for i := range j.want {
		wanted[i] = &row{path: j.want[i].Path, want: &j.want[i]}
		own[j.want[i].Path] = wanted[i]
	}
	above := map[string]*row{}
	for _, w := range witnesses {
		if w.refused != nil {
			continue
		}
		for i, v := range w.wanted {
			wanted[i].views = append(wanted[i].views, v)
		}
		for _, v := range w.above {
			// A directory that is wanted itself has one row, and is compared with what is wanted of it.
			if r := own[v.path]; r != nil {
				last := &r.views[len(r.views)-1]
				last.faults = append(last.faults, v.faults...)
				continue
			}
			if above[v.path] == nil {
				above[v.path] = &row{path: v.path}
			}
			above[v.path].views = append(above[v.path].views, v)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(above)) {
		j.settle(above[path])
	}
	for _, r := range wanted {
		j.settle(r)
	}
}

// settle weighs what the readers say of one path: at least one confirms it, and none contradicts.
func (j *judgement) settle(r *row) {
	file := File{Path: r.path, Kind: kindDirectory, Above: r.want == nil, ConfirmedBy: []string{}}
	if r.want != nil {
		file.describe(r.want)
	}
	var faults []fault
	by := map[fault][]string{}
	var described, split bool // split: the readers do not agree
	judges, digest := 0, ""
	for _, v := range r.views {
		if v.known && !described {
			described = true
			file.see(v.attr, r.want != nil && r.want.Secret)
		}
		if v.err == nil && v.digest != "" {
			if digest == "" {
				digest = v.digest
			}
			split = split || v.digest != digest
		}
		switch {
		case v.err != nil:
			file.NotReadBy = append(file.NotReadBy, Reader{v.reader, reason(v.err)})
			switch {
			case v.behind: // it is told of what is on the way
			case isDamage(v.err):
				j.find(codeDamaged, Error, r.path, "%s finds it damaged: %s", v.reader, reason(v.err))
			case v.reader == ownName:
				j.find(codeNotAudited, Error, r.path, "%s could not judge it: %s", v.reader, reason(v.err))
			}
		case !v.contradicts():
			file.ConfirmedBy = append(file.ConfirmedBy, v.reader)
		}
		if v.err == nil || v.contradicts() {
			judges++
		}
		for _, f := range v.faults {
			if by[f] == nil {
				faults = append(faults, f)
			}
			by[f] = append(by[f], v.reader)
		}
	}
	for _, f := range faults {
		text := f.text
		if len(by[f]) < judges {
			split = true
			text += " (so says " + strings.Join(by[f], " and ") + ")"
		}
		j.find(f.code, f.severity, r.path, "%s", text)
	}
	if split {
		j.find(codeDisagree, Error, r.path, "the readers do not agree: one of them is wrong, or the image is ambiguous")
	}
	if judges == 0 && len(r.views) > 0 {
		j.find(codeUnconfirmed, Error, r.path, "no reader could read it")
	}
	j.report.Files = append(j.report.Files, file)
}
