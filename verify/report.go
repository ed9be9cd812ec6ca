// The report: what was read by whom, what is wrong, and its two forms, text and JSON.

package verify

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"boringboot/internal/manifest"
)

// Report is what verification found. docs/verify-image.md describes its JSON form.
type Report struct {
	Readers  []Reader  `json:"readers"`
	Files    []File    `json:"files"` // the directories above first, then what is wanted, in the manifest's order
	Findings []Finding `json:"findings"`
}

// Reader is an implementation of ext4. Reason says why it could not read what it was asked for; empty: it could.
type Reader struct {
	Name   string `json:"name"`
	Reason string `json:"reason,omitempty"`
}

// File is a path and what the readers say of it. Where none could read it, the attributes are those that are wanted.
type File struct {
	Path        string   `json:"path"`
	Kind        string   `json:"kind"`           // "file", "directory", "symlink", "special file"
	Size        int64    `json:"size,omitempty"` // bytes; 0 where the content is secret, as its length tells something of it
	Mode        string   `json:"mode"`           // four octal digits
	UID         uint32   `json:"uid"`
	GID         uint32   `json:"gid"`
	Above       bool     `json:"above,omitempty"` // not wanted itself: a directory on the way to what is
	ConfirmedBy []string `json:"confirmed_by"`
	NotReadBy   []Reader `json:"not_read_by,omitempty"` // readers that read the image, but not this path, and why
}

// Severities of a finding.
const (
	Error   = "error"
	Warning = "warning"
)

// Finding is something that is wrong with the image. Its message is one sentence without any content of a file.
type Finding struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Path     string `json:"path,omitempty"`   // empty: the file system as a whole
	Object   string `json:"object,omitempty"` // of the structure: "inode 12", "group 3", "superblock"
	Message  string `json:"message"`
}

// Codes of findings, as docs/verify-image.md lists them. They do not change.
const (
	// Those of the partition table are in table.go.
	codeMissing        = "missing"
	codeNotDirectory   = "not-a-directory"
	codeLoop           = "symlink-loop"
	codeWrongType      = "wrong-type"
	codeWrongSize      = "wrong-size"
	codeWrongContent   = "wrong-content"
	codeWrongMode      = "wrong-mode"
	codeWrongOwner     = "wrong-owner"
	codeWrongTarget    = "wrong-target"
	codeWrongLink      = "wrong-link"
	codeOtherName      = "other-name"
	codeParentOwner    = "parent-owner"
	codeParentWritable = "parent-writable"
	codeUnconfirmed    = "unconfirmed"
	codeDisagree       = "readers-disagree"
	codeNoReader       = "no-reader"
	codeNeedsRecovery  = "needs-recovery"
	codeErrorsFlag     = "errors-flag"
	codeDamaged        = "damaged"
	codeNotAudited     = "not-audited"
	codeMore           = "more-findings"
	codeLeak           = "leak"
	codeNotSearched    = "not-searched"
	codeChanged        = "unexplained-change"
	codePrivateKey     = "private-key"
	codePublicKey      = "public-key"
	codeKeyMismatch    = "key-mismatch"
	codeEnvironment    = "environment"
	codeSSID           = "ssid"
	codePSK            = "psk"
)

// NewReport is a report in which nothing was looked at.
func NewReport() *Report { return &Report{Readers: []Reader{}, Files: []File{}, Findings: []Finding{}} }

// Add adds findings. What concerns the file system as a whole and has been found already, by its code, is not said twice.
func (r *Report) Add(findings []Finding) {
	known := map[string]bool{codeErrorsFlag: false, codeNeedsRecovery: false}
	for _, f := range r.Findings {
		if _, once := known[f.Code]; once {
			known[f.Code] = true
		}
	}
	for _, f := range findings {
		if !known[f.Code] {
			r.Findings = append(r.Findings, f)
		}
	}
}

// Sound says that nothing is wrong but for warnings.
func (r *Report) Sound() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity != Warning })
}

// OK says that every wanted path was confirmed and nothing is wrong but for warnings.
func (r *Report) OK() bool {
	if len(r.Readers) == 0 || !slices.ContainsFunc(r.Readers, func(r Reader) bool { return r.Reason == "" }) {
		return false
	}
	return r.Sound() && !slices.ContainsFunc(r.Files, func(f File) bool { return !f.Above && len(f.ConfirmedBy) == 0 })
}

// reasons lists why readers could not read the image.
func (r *Report) reasons() string {
	var all []string
	for _, reader := range r.Readers {
		if reader.Reason != "" {
			all = append(all, reader.Name+": "+reader.Reason)
		}
	}
	return strings.Join(all, "; ")
}

// describe fills in what is wanted, for want of anything better.
func (f *File) describe(want *manifest.Entry) {
	f.Kind = wantedKind(want.Kind)
	f.Mode = fmt.Sprintf("%04o", unixMode(want.Mode))
	f.UID, f.GID = want.UID, want.GID
	if want.Content != nil && !want.Secret {
		f.Size = want.Content.Size()
	}
}

// see fills in what a reader found.
func (f *File) see(a attr, secret bool) {
	f.Kind, f.UID, f.GID = a.kind, a.uid, a.gid
	f.Mode = fmt.Sprintf("%04o", a.mode)
	if !secret {
		f.Size = a.size
	}
}

// Summary says in one line how the image was found: "verified", or what is wrong first and how much more there is.
func (r *Report) Summary() string {
	if r.OK() {
		return "verified"
	}
	var errs []Finding
	for _, f := range r.Findings {
		if f.Severity != Warning {
			errs = append(errs, f)
		}
	}
	switch len(errs) {
	case 0:
		return "not every path was confirmed"
	case 1:
		return errs[0].String()
	}
	return fmt.Sprintf("%s; and %d more", errs[0], len(errs)-1)
}

// String is the finding in one line, without its severity.
func (f Finding) String() string {
	if f.Path == "" {
		return f.Message
	}
	return printable(f.Path) + ": " + f.Message
}

// maxReason bounds the error of a library in a report, in bytes.
const maxReason = 240

// reason makes a library's error fit for a report: one line, and not too long.
func reason(err error) string {
	s := printable(strings.Join(strings.Fields(err.Error()), " "))
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}

// printable makes a text that may come from the image fit for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
