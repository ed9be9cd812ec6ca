// The report for people: a table of the files and who confirmed them, then what is wrong.

package verify

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// TextOptions say how a report is written for people.
type TextOptions struct {
	Verbose bool // the directories above as well, and why a reader did not read a path
	Color   bool // escape sequences; for a terminal only
}

// WriteText writes the table of files and the findings.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range r.Files {
		if f.Above && !o.Verbose {
			continue
		}
		by := "confirmed by " + strings.Join(f.ConfirmedBy, ", ")
		if len(f.ConfirmedBy) == 0 {
			by = "not confirmed"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s %d:%d\t%s\n", printable(f.Path), f.Kind, f.Mode, f.UID, f.GID, by)
		if !o.Verbose {
			continue
		}
		for _, n := range f.NotReadBy {
			fmt.Fprintf(tw, "  not read by %s: %s\n", n.Name, n.Reason)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, n := range r.Readers {
		if n.Reason != "" {
			fmt.Fprintf(&b, "%s could not read this image: %s\n", n.Name, n.Reason)
		}
	}
	r.writeFindings(&b, o.Color)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteFindings writes the findings only, a line each.
func (r *Report) WriteFindings(w io.Writer, o TextOptions) error {
	var b strings.Builder
	r.writeFindings(&b, o.Color)
	_, err := io.WriteString(w, b.String())
	return err
}

// SGR parameters of the severities.
const (
	red    = "31"
	yellow = "33"
)

func (r *Report) writeFindings(b *strings.Builder, color bool) {
	for _, f := range r.Findings {
		severity, sgr := f.Severity, red
		if f.Severity == Warning {
			sgr = yellow
		}
		if color {
			severity = "\x1b[" + sgr + "m" + severity + "\x1b[0m"
		}
		fmt.Fprintf(b, "%s: %s [%s]\n", severity, f, f.Code)
	}
}
