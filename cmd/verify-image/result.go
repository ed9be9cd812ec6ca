package main

// This file is what comes out: the JSON object, which docs/verify-image.md describes, and the text.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"boringboot/internal/show"
	"boringboot/verify"
)

// result is the object of --json.
type result struct {
	Version   string            `json:"verify_image"`
	Image     string            `json:"image"`
	Format    string            `json:"format"` // raw, zstd, xz, gzip, bzip2
	Root      rootResult        `json:"root"`
	Compared  string            `json:"compared"` // contents, bootstrap, structure
	Verdict   string            `json:"verdict"`  // verified, findings, unjudged
	Readers   []verify.Reader   `json:"readers"`
	Files     []verify.File     `json:"files"`
	Structure *verify.Structure `json:"structure,omitempty"` // absent with --contents-only
	Findings  []verify.Finding  `json:"findings"`
}

type rootResult struct {
	Table     string `json:"table"`               // mbr, gpt, none
	Partition int    `json:"partition,omitempty"` // absent without a table
	Start     int64  `json:"start"`               // bytes
	Size      int64  `json:"size"`                // bytes
	Type      string `json:"type"`                // ext4, ext3, ext2
	Label     string `json:"label,omitempty"`
	UUID      string `json:"uuid"`
}

// fill takes over a report, and the error that came with it where the image could not be judged.
func (r *result) fill(report *verify.Report, err error) {
	r.Readers, r.Files, r.Findings = report.Readers, report.Files, report.Findings
	switch {
	case err != nil:
		r.Verdict = "unjudged"
	case r.sound(report):
		r.Verdict = "verified"
	default:
		r.Verdict = "findings"
	}
}

// sound says whether nothing is wrong. Where no files were asked for, there are no readers to confirm them.
func (r *result) sound(report *verify.Report) bool {
	if r.Compared == comparedStructure {
		return r.Structure != nil && report.Sound()
	}
	return report.OK()
}

// present writes the result to where the options want it.
func present(o settings, r *result, report *verify.Report) error {
	switch {
	case o.out.JSON:
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	case o.out.Quiet:
		return report.WriteFindings(os.Stderr, verify.TextOptions{Color: colored(os.Stderr)})
	}
	return text(os.Stdout, o, r, report)
}

func text(w io.Writer, o settings, r *result, report *verify.Report) error {
	where := "the whole image"
	if r.Root.Partition != 0 {
		where = fmt.Sprintf("partition %d", r.Root.Partition)
	}
	if o.out.Verbose {
		fmt.Fprintf(w, "root: %s, %s %q, %d bytes from byte %d\n", where, r.Root.Type, r.Root.Label, r.Root.Size, r.Root.Start)
	}
	if err := report.WriteText(w, verify.TextOptions{Verbose: o.out.Verbose, Color: colored(os.Stdout)}); err != nil {
		return err
	}
	if r.Verdict != "verified" {
		return nil // the error line says it
	}
	how := "every byte compared"
	switch r.Compared {
	case comparedBootstrap:
		how = "without secrets to compare with"
	case comparedStructure:
		s := r.Structure
		_, err := fmt.Fprintf(w, "%s: clean, %d of %d inodes and %d of %d blocks in use\n", show.Printable(r.Image),
			uint64(s.Inodes)-s.FreeInodes, s.Inodes, s.Blocks-s.FreeBlocks, s.Blocks)
		return err
	}
	_, err := fmt.Fprintf(w, "%s: verified, %s\n", show.Printable(r.Image), how)
	return err
}

// colored says whether escape sequences are wanted on f: a terminal that knows them, and no wish to the contrary (no-color.org).
func colored(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
