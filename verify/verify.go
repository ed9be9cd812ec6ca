// The verdict: every wanted path through every reader, and what follows from what they say.

package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"boringboot/internal/manifest"
	"boringboot/verify/internal/ext4ro"
)

// ErrNoReader says that no reader could read the image: nothing can be said about it.
var ErrNoReader = errors.New("no reader can read this image")

// Contents reads every wanted path back from the file system that starts at offset 0 of root and is at most size bytes long, and
// compares it with what is wanted.
//
// The error is not nil where the image cannot be judged: it is no ext4, it is truncated, its superblock is damaged, the disk
// failed, the content to compare with could not be read, ctx was cancelled, or no reader is left (ErrNoReader; the report then says
// why each of them could not). What is wrong with an image that can be judged is in the report.
func Contents(ctx context.Context, root io.ReaderAt, size int64, want []manifest.Entry) (*Report, error) {
	return judge(ctx, root, size, want, compareContent)
}

// judge applies the rule. The content of files is left to check.
func judge(ctx context.Context, disk io.ReaderAt, size int64, want []manifest.Entry, check contentCheck) (*Report, error) {
	j := &judgement{want: want, check: check, report: &Report{Readers: []Reader{}, Files: []File{}, Findings: []Finding{}}}
	first := newBudget(ctx, disk, size)
	ro, err := ext4ro.Open(first, size)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	budgets := []*budget{first}
	for _, o := range openers {
		b := newBudget(ctx, disk, size)
		budgets = append(budgets, b)
		r, err := openReader(o, b)
		if err != nil {
			j.report.Readers = append(j.report.Readers, Reader{o.name, reason(err)})
			continue
		}
		j.report.Readers = append(j.report.Readers, Reader{Name: o.name})
		j.readers = append(j.readers, r)
	}
	j.flags(ro)
	err = j.paths(ctx)
	for _, b := range budgets {
		if failed := b.failed(); failed != nil {
			return j.report, fmt.Errorf("verify: reading the image: %w", failed)
		}
	}
	switch {
	case ctx.Err() != nil:
		return j.report, fmt.Errorf("verify: %w", ctx.Err())
	case err != nil:
		return j.report, fmt.Errorf("verify: %w", err)
	}
	if len(j.readers) == 0 {
		j.find(codeNoReader, Error, "", "no reader can read this image, so nothing is confirmed")
		return j.report, fmt.Errorf("verify: %w: %s", ErrNoReader, j.report.reasons())
	}
	return j.report, nil
}

// judgement is a report in the making.
type judgement struct {
	want    []manifest.Entry
	check   contentCheck
	readers []*reader
	report  *Report
}

func (j *judgement) find(code, severity, path, format string, args ...any) {
	j.report.Findings = append(j.report.Findings, Finding{code, severity, path, fmt.Sprintf(format, args...)})
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
	attr   attr
	known  bool    // attr was read
	faults []fault // it contradicts
	err    error   // it could not be read
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

// paths has every reader look at every path.
func (j *judgement) paths(ctx context.Context) error {
	wanted := make([]*row, len(j.want))
	for i := range j.want {
		wanted[i] = &row{path: j.want[i].Path, want: &j.want[i]}
	}
	above := map[string]*row{}
	for _, r := range j.readers {
		dirs := newAncestors()
		for _, w := range wanted {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, way, err := j.look(r, w.want)
			if err != nil {
				return err
			}
			w.views = append(w.views, v)
			dirs.add(way, w.want)
		}
		for _, v := range dirs.views(r.name, j.want) {
			// A directory that is wanted itself has one row.
			if i := slices.IndexFunc(j.want, func(e manifest.Entry) bool { return e.Path == v.path }); i >= 0 {
				own := &wanted[i].views[len(wanted[i].views)-1]
				own.faults = append(own.faults, v.faults...)
				continue // what the readers say of it is compared with what is wanted
			}
			if above[v.path] == nil {
				above[v.path] = &row{path: v.path}
			}
			above[v.path].views = append(above[v.path].views, v.view)
		}
	}
	var rows []*row
	for _, a := range above {
		rows = append(rows, a)
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.path, b.path) })
	for _, r := range append(rows, wanted...) {
		j.settle(r)
	}
	return nil
}

// look has one reader look at one wanted path.
func (j *judgement) look(r *reader, want *manifest.Entry) (view, *way, error) {
	v := view{reader: r.name}
	way, err := r.walk(want.Path)
	var o *obstacle
	switch {
	case errors.As(err, &o):
		v.fault(o.code, "%s", o.text)
		return v, way, nil
	case err != nil:
		v.err = err
		return v, way, nil
	}
	v.attr, v.known = way.last.attr, true
	compareAttr(&v, want)
	if want.Kind == manifest.File && v.attr.kind == kindFile {
		err = j.check(r, way, want, &v)
	}
	return v, way, err
}

// settle weighs what the readers say of one path: at least one confirms it, and none contradicts.
func (j *judgement) settle(r *row) {
	file := File{Path: r.path, Kind: kindDirectory, Above: r.want == nil, ConfirmedBy: []string{}}
	if r.want != nil {
		file.describe(r.want)
	}
	var faults []fault
	by := map[fault][]string{}
	var described, split bool
	judges, digest := 0, ""
	for _, v := range r.views {
		if v.known && !described {
			described = true
			file.see(v.attr)
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
