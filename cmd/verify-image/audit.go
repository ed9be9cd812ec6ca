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
	img, err := diskimage.Open(ctx, o.image, progress.New(os.Stderr, o.out.Quiet))
	if err != nil {
		return err
	}
	defer img.Close()
	res := &result{Version: cli.Version(), Image: o.image, Format: string(img.Format()), Compared: want.compared}
	report, err := judge(ctx, img, o, want, res)
	if report == nil {
		return err
	}
	res.fill(report, err)
	if showErr := present(o, res, report); showErr != nil {
		return fmt.Errorf("writing the result: %w", showErr)
	}
	if err != nil {
		return err
	}
	if !report.OK() {
		return cli.Findings(fmt.Errorf("%s: %s", o.image, report.Summary()))
	}
	return nil
}

// judge finds the root file system and reads it back.
func judge(ctx context.Context, img *diskimage.Image, o settings, want *wanted, res *result) (*verify.Report, error) {
	table, err := partition.Read(img, img.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.image, err)
	}
	root, err := table.Root(partition.Selector(o.root))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.image, err)
	}
	res.Root = rootResult{
		Table: string(table.Scheme), Partition: root.Number, Start: root.Start, Size: root.Size,
		Type: root.FileSystem.Type, Label: root.FileSystem.Label, UUID: root.FileSystem.UUID,
	}
	section := img.Section(root.Start, root.Size)
	check := verify.Bootstrap
	if want.compared == comparedContents {
		check = verify.Contents
	}
	report, err := check(ctx, section, section.Size(), want.entries)
	if err != nil {
		return report, fmt.Errorf("%s: %w", o.image, err)
	}
	return report, nil
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
)

// gather reads the manifest and, where they are named, the secrets.
func gather(ctx context.Context, o settings) (*wanted, error) {
	m, dir, err := o.manifest.Load(ctx)
	if err != nil {
		return nil, err
	}
	if o.secrets == "" {
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
