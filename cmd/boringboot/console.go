package main

// This file is what the user sees. Results go to standard output, everything on the way to standard error.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"boringboot/inject"
	"boringboot/internal/diskimage"
	"boringboot/internal/options"
	"boringboot/internal/progress"
	"boringboot/internal/show"
)

type console struct {
	flags    options.Output
	out, err io.Writer
	progress diskimage.Progress
}

func newConsole(f options.Output) *console {
	c := &console{flags: f, out: os.Stdout, err: os.Stderr}
	c.progress = progress.New(os.Stderr, f.Quiet)
	return c
}

// step says what is being done, in one line.
func (c *console) step(format string, args ...any) {
	if !c.flags.Quiet {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}

// childOutput is where a child process may talk.
func (c *console) childOutput() io.Writer {
	if c.flags.Quiet {
		return io.Discard
	}
	return c.err
}

// finish prints a job's result; with --quiet its warnings alone, on standard error.
func (c *console) finish(r result) error {
	if c.flags.JSON {
		return c.json(r)
	}
	if c.flags.Quiet {
		_, err := io.WriteString(c.err, r.warnings())
		return err
	}
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range r.Files {
		if !c.flags.Verbose && f.Action == string(inject.Keep) && f.Kind == "directory" {
			continue
		}
		path := f.Path
		if f.Actual != "" {
			path += " (" + f.Actual + ")"
		}
		if f.Link != "" {
			path += " = " + f.Link
		}
		by := "not written"
		if !r.DryRun {
			by = "confirmed by " + strings.Join(f.ConfirmedBy, ", ")
		}
		fmt.Fprintf(tw, "%s\t%s %d:%d\t%s\t%s\n", show.Printable(path), f.Mode, f.UID, f.GID, f.Action, by)
	}
	tw.Flush()
	for _, rd := range r.Readers {
		if rd.Reason != "" {
			fmt.Fprintf(&b, "%s could not read this image: %s\n", rd.Name, rd.Reason)
		}
	}
	b.WriteString(r.warnings())
	if c.flags.Verbose || r.DryRun {
		fmt.Fprintf(&b, "space: %d of %d free blocks of %d bytes and %d of %d free inodes needed\n",
			r.Root.NeedBlocks, r.Root.FreeBlocks, r.Root.BlockSize, r.Root.NeedInodes, r.Root.FreeInodes)
	}
	target := r.Dest
	if target == "" {
		target = r.Image
	}
	switch {
	case r.DryRun:
		fmt.Fprintf(&b, "%s: it fits; nothing was written\n", show.Printable(target))
	case !r.Changed && r.Dest == "":
		fmt.Fprintf(&b, "%s: everything was there already; verified\n", show.Printable(target))
	default:
		fmt.Fprintf(&b, "%s: done and verified\n", show.Printable(target))
	}
	if r.SSH != nil {
		fmt.Fprintf(&b, "SSH host key %s\n", r.SSH.Fingerprint)
		if r.SSH.KnownHosts != "" {
			fmt.Fprintf(&b, "known_hosts line:\n%s\n", r.SSH.KnownHosts)
		}
	}
	_, err := io.WriteString(c.out, b.String())
	return err
}

// warnings are lines for people.
func (r *result) warnings() string {
	var b strings.Builder
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", show.Printable(strings.TrimPrefix(w.Path+": "+w.Message, ": ")))
	}
	return b.String()
}

func (c *console) json(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
