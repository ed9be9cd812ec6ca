package main

// This file does the work: gather what is wanted, open the image, find the root, judge it.

import (
	"context"
	"fmt"
	"os"

	"boringboot/internal/cli"
	"boringboot/internal/diskimage"
	"boringboot/internal/manifest"
	"boringboot/internal/progress"
	"boringboot/internal/secrets"
	"boringboot/partition"
	"boringboot/verify"
)

// audit judges an image and tells what it found. Its error is what the exit code stands for.
func audit(ctx context.Context, o settings) error {
	want, err := gather(ctx, o)
	if err != nil {
		return err
	}
	bar := progress.New(os.Stderr, o.out.Quiet)
	img, err := diskimage.Open(ctx, o.image, bar)
	if err != nil {
		return err
	}
	defer img.Close()
	res := &result{Version: cli.Version(), Image: o.image, Format: string(img.Format()), Compared: want.compared}
	j := &judgement{o: o, want: want, res: res}
	if o.before != "" {
		original, err := diskimage.Open(ctx, o.before, bar)
		if err != nil {
			return fmt.Errorf("--before: %w", err)
		}
		defer original.Close()
		j.original = original
	}
	report, err := j.judge(ctx, img)
	if report == nil {
		return err
	}
	res.fill(report, err)
	if pageErr := j.page(ctx, report); pageErr != nil {
		return fmt.Errorf("--html: %w", pageErr)
	}
	if showErr := present(o, res, report); showErr != nil {
		return fmt.Errorf("writing the result: %w", showErr)
	}
	if err != nil {
		return err
	}
	if !res.sound(report) {
		return cli.Findings(fmt.Errorf("%s: %s", o.image, report.Summary()))
	}
	return nil
}

// judgement is one image being judged.
type judgement struct {
	o        settings
	want     *wanted
	res      *result
	original *diskimage.Image // nil without --before
	disk     *verify.Disk     // once the root was found
}

// judge finds the root file system and has everything judged that was asked for.
func (j *judgement) judge(ctx context.Context, img *diskimage.Image) (*verify.Report, error) {
	at, err := find(j.o, j.o.image, img)
	if err != nil {
		return nil, err
	}
	disk := at.disk
	j.res.Root, j.disk = *at.root, disk
	section := img.Section(disk.Parts[disk.Root].Start, disk.Parts[disk.Root].Size)
	report := verify.NewReport()
	if !j.o.structureOnly {
		check := verify.Bootstrap
		if j.want.compared == comparedContents {
			check = verify.Contents
		}
		if report, err = check(ctx, section, section.Size(), j.want.entries); err != nil {
			if report != nil {
				report.Add(at.findings)
			}
			return report, fmt.Errorf("%s: %w", j.o.image, err)
		}
	}
	report.Add(at.findings)
	if j.o.contentsOnly {
		return report, nil
	}
	structure, err := verify.AuditStructure(ctx, section, section.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.o.image, err)
	}
	j.res.Structure = structure
	report.Add(structure.Findings)
	if j.o.structureOnly {
		return report, nil
	}
	leaks, err := verify.Leaks(ctx, disk, structure, j.want.entries)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.o.image, err)
	}
	report.Add(leaks)
	forecast, err := verify.Forecast(ctx, section, section.Size(), structure, j.want.entries)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.o.image, err)
	}
	report.Add(forecast)
	if j.original != nil {
		changes, err := j.changes(ctx, disk, structure)
		if err != nil {
			return nil, err
		}
		report.Add(changes)
	}
	return report, nil
}

// changes compares the image with its original.
func (j *judgement) changes(ctx context.Context, disk *verify.Disk, is *verify.Structure) ([]verify.Finding, error) {
	before, err := find(j.o, j.o.before, j.original)
	if err != nil {
		return nil, fmt.Errorf("--before: %w", err)
	}
	section := j.original.Section(before.root.Start, before.root.Size)
	was, err := verify.AuditStructure(ctx, section, section.Size())
	if err != nil {
		return nil, fmt.Errorf("--before: %s: %w", j.o.before, err)
	}
	findings, err := verify.Changes(ctx, before.disk, disk, was, is, j.want.entries)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", j.o.before, err)
	}
	return findings, nil
}

// located is where the root file system lies.
type located struct {
	disk     *verify.Disk
	root     *rootResult
	findings []verify.Finding // of the partition table
}

// find reads the partition table and finds the root. Where only the structure is asked for, an image without a table is a file system
// whatever its superblock says.
func find(o settings, name string, img *diskimage.Image) (*located, error) {
	table, err := partition.Read(img, img.Size())
	if err != nil {
		if o.structureOnly && verify.LooksLikeExt(img, img.Size()) {
			disk := &verify.Disk{Reader: img, Size: img.Size(), Parts: []verify.Part{{Size: img.Size()}}}
			return &located{disk: disk, root: &rootResult{Table: "none", Size: img.Size()}}, nil
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	root, err := table.Find(partition.Selector(o.root))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &verify.Disk{Reader: img, Size: img.Size()}
	for _, p := range table.Partitions {
		if p.Number == root.Number {
			d.Root = len(d.Parts)
		}
		d.Parts = append(d.Parts, verify.Part{Number: p.Number, Start: p.Start, Size: p.Size, Type: p.FileSystem.Type})
	}
	return &located{disk: d, findings: verify.AuditTable(table), root: &rootResult{
		Table: string(table.Scheme), Partition: root.Number, Start: root.Start, Size: root.Size,
		Type: root.FileSystem.Type, Label: root.FileSystem.Label, UUID: root.FileSystem.UUID,
	}}, nil
}

// wanted is what must be in the image.
type wanted struct {
	entries  []manifest.Entry
	compared string
}

// What the files of the image were compared with.
const (
	comparedContents  = "contents"  // the bytes that the secrets give
	comparedBootstrap = "bootstrap" // what can be known without secrets
	comparedStructure = "structure" // no files were asked for
)

// gather reads the manifest and, where they are named, the secrets. Before it does anything with those it finds out whether the page can
// be written.
func gather(ctx context.Context, o settings) (*wanted, error) {
	m, dir := &manifest.Manifest{}, ""
	if !o.structureOnly {
		var err error
		if m, dir, err = o.manifest.Load(ctx); err != nil {
			return nil, err
		}
	}
	if err := checkPage(o, m, dir); err != nil {
		return nil, err
	}
	switch {
	case o.structureOnly:
		return &wanted{compared: comparedStructure}, nil
	case o.secrets == "":
		return &wanted{m.Expect(), comparedBootstrap}, nil
	}
	file, err := secrets.Open(ctx, o.secrets)
	if err != nil {
		return nil, err
	}
	resolved, err := m.Resolve(ctx, manifest.Sources{Secrets: file, Age: secrets.DecryptAge, Dir: dir})
	if err != nil {
		return nil, err
	}
	return &wanted{resolved.Entries, comparedContents}, nil
}
