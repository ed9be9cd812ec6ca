package main

// This file is the job that provision and inject share, from an open image on: find the root, plan, apply, read back.

import (
	"context"
	"errors"
	"fmt"

	"boringboot/ext4"
	"boringboot/inject"
	"boringboot/internal/cli"
	"boringboot/internal/diskimage"
	"boringboot/internal/manifest"
	"boringboot/partition"
	"boringboot/verify"
)

// image is what the job needs of an image, whether it is changed in place, a copy in the making, or only read.
type image interface {
	Size() int64 // bytes
	Section(off, n int64) *diskimage.Section
}

// job is one injection into one image.
type job struct {
	source  string // the path of the image, for errors
	sel     partition.Selector
	options inject.Options
	entries []manifest.Entry
	dryRun  bool
}

// outcome is what a job did, for people and for the receipt.
type outcome struct {
	root     partition.Partition
	table    *partition.Table
	info     ext4.Info      // before the change
	recovery *ext4.Recovery // what opening it recovered; nil: there was nothing to recover
	plan     *inject.Plan
	changes  bool           // the plan writes something
	report   *verify.Report // nil after a dry run
}

// run does the job. Until the plan is applied the image is untouched; an error after that says that it was changed.
func (j *job) run(ctx context.Context, img image) (*outcome, error) {
	out, err := j.plan(img)
	if err != nil {
		return nil, err
	}
	if j.dryRun {
		if err := j.able(ctx, img, out); err != nil {
			return out, err
		}
		return out, j.planError(out.plan.Rehearse())
	}
	return out, j.apply(ctx, img, out)
}

// plan finds the root and plans what is to be done to it. It reads only.
func (j *job) plan(img image) (*outcome, error) {
	table, err := partition.Read(img.Section(0, img.Size()), img.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.source, err)
	}
	root, err := table.Root(j.sel)
	switch {
	case errors.Is(err, partition.ErrTruncated):
		return nil, cli.WithHint(fmt.Errorf("%s: %w", j.source, err), "download or build it again; if it was made without its GPT's end: truncate -s +1M, then sgdisk -e")
	case err != nil:
		return nil, fmt.Errorf("%s: %w", j.source, err)
	}
	fsys, err := ext4.Open(img.Section(root.Start, root.Size))
	if err != nil {
		return nil, hintExt4(fmt.Errorf("%s: root file system%s: %w", j.source, ofPartition(root), err))
	}
	out := &outcome{root: root, table: table, info: fsys.Info(), recovery: fsys.Recovery()}
	if out.plan, err = inject.NewPlan(fsys, j.entries, j.options); err != nil {
		return nil, j.planError(err)
	}
	out.changes = out.plan.Changes()
	return out, nil
}

// apply carries a plan out and reads everything back. Reading back is not interrupted once an image was changed in place: it takes
// milliseconds, and the user has to know.
func (j *job) apply(ctx context.Context, img image, out *outcome) error {
	if err := j.able(ctx, img, out); err != nil {
		return err
	}
	if err := out.plan.Apply(); err != nil {
		return j.planError(err)
	}
	if !j.options.Copy {
		ctx = context.WithoutCancel(ctx)
	}
	if f, ok := img.(interface{ Forget() error }); ok {
		if err := f.Forget(); err != nil {
			return j.changed(out, err)
		}
	}
	section := img.Section(out.root.Start, out.root.Size)
	var err error
	out.report, err = verify.Contents(ctx, section, section.Size(), out.plan.Entries())
	if err != nil {
		return j.changed(out, err)
	}
	if !out.report.OK() {
		return cli.Findings(j.changed(out, errors.New(out.report.Summary())))
	}
	return nil
}

// able makes sure, before anything is written, that it could be read back. What was not unmounted says little before it is recovered.
func (j *job) able(ctx context.Context, img image, out *outcome) error {
	if err := ctx.Err(); err != nil || !out.changes || out.recovery != nil {
		return err
	}
	section := img.Section(out.root.Start, out.root.Size)
	err := verify.Able(ctx, section, section.Size(), out.plan.Sparse())
	if err != nil {
		return fmt.Errorf("%s: nothing was written, as it could not be read back: %w", j.source, err)
	}
	return nil
}

// changed says of an error in reading back what it means for the image.
func (j *job) changed(out *outcome, err error) error {
	if j.options.Copy || !out.changes {
		return fmt.Errorf("reading back: %w", err)
	}
	return fmt.Errorf("%s was changed, and reading back found: %w", j.source, err)
}

// ofPartition says which partition a file system is in, where there are any.
func ofPartition(root partition.Partition) string {
	if root.Number == 0 {
		return ""
	}
	return fmt.Sprintf(" (partition %d)", root.Number)
}

// planError names the image where an error is about its file system rather than about what is injected.
func (j *job) planError(err error) error {
	for _, kind := range []error{ext4.ErrNoSpace, ext4.ErrUnsupported, ext4.ErrCorrupt, ext4.ErrNeedsRecovery, ext4.ErrInUse} {
		if errors.Is(err, kind) {
			err = fmt.Errorf("%s: %w", j.source, err)
			break
		}
	}
	return hintPlan(err)
}

// hintPlan adds to a planning error what the user can do about it.
func hintPlan(err error) error {
	var refused *inject.RefusedError
	var unsafeParent *inject.UnsafeParentError
	var exists *inject.ExistsError
	var full *ext4.NoSpaceError
	switch {
	case errors.As(err, &refused):
		return cli.WithHint(err, "if that is meant, --allow %s lifts the refusal", refused.Prefix)
	case errors.As(err, &unsafeParent) && unsafeParent.Dir == "/":
		return cli.WithHint(err, "build the image with a root directory that is root's")
	case errors.As(err, &unsafeParent):
		return cli.WithHint(err, "give the file that owner (--file SRC:DEST:MODE:UID:GID, uid: in a manifest), or accept the directory with --allow %s", unsafeParent.Dir)
	case errors.As(err, &exists):
		return cli.WithHint(err, "--overwrite replaces it")
	case errors.As(err, &full) && full.Resource == "journal blocks":
		return cli.WithHint(err, "-o OUT writes a changed copy, which needs no journal")
	case errors.Is(err, ext4.ErrNoSpace):
		return cli.WithHint(err, "make the image larger where it is built; NixOS images are grown to the card at first boot only")
	}
	return hintExt4(err)
}

func hintExt4(err error) error {
	switch {
	case errors.Is(err, ext4.ErrNeedsRecovery):
		return cli.WithHint(err, "run e2fsck -p on the file system: it replays the journal and leaves it clean")
	case errors.Is(err, ext4.ErrHasErrors):
		return cli.WithHint(err, "run e2fsck -fy on the file system: it checks all of it and takes the mark away")
	case errors.Is(err, ext4.ErrCorrupt):
		return cli.WithHint(err, "build or download the image again; e2fsck -fn shows what is wrong with it")
	}
	return err
}
