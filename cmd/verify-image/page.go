package main

// This file keeps the page of --html: where it may go, which is found out before anything is judged, and what is on it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"boringboot/internal/atomicfile"
	"boringboot/internal/cli"
	"boringboot/internal/manifest"
	"boringboot/internal/needed"
	"boringboot/verify"
)

// checkPage fails where the page cannot be written, or would take the place of a file that the run needs. The manifest's relative
// paths start from dir. It leaves nothing behind.
func checkPage(o settings, m *manifest.Manifest, dir string) error {
	switch o.html {
	case "":
		return nil
	case "-":
		return cli.WithHint(errors.New("--html -: it is written to a file, not to standard output"), "./- is a file of that name")
	}
	files := []string{o.image, o.secrets, o.before, o.manifest.File}
	for _, it := range m.Files {
		switch file := filepath.FromSlash(it.From.File); {
		case it.From.Source != manifest.Age && it.From.Source != manifest.LocalFile:
		case filepath.IsAbs(file):
			files = append(files, file)
		default:
			files = append(files, filepath.Join(dir, file))
		}
	}
	if err := needed.Check("--html", o.html, files...); err != nil {
		return err
	}
	probe, err := atomicfile.Create(o.html, true)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	if err := probe.Abort(); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

// page writes the report as a page, where one was asked for. What the files' places tell is that of the image itself: damage that keeps
// them from being found is among the findings.
func (j *judgement) page(ctx context.Context, report *verify.Report) error {
	if j.o.html == "" {
		return nil
	}
	p := &verify.Page{Image: j.res.Image, Format: j.res.Format, Verdict: j.res.Verdict, Compared: j.res.Compared,
		Disk: j.disk, Table: j.res.Root.Table, Structure: j.res.Structure, Report: report}
	if places, err := j.disk.Places(ctx, report); err == nil {
		p.Places = places
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := p.WriteHTML(&b); err != nil {
		return err
	}
	return atomicfile.Write(j.o.html, b.Bytes(), 0o644)
}
