package main

// This file is what a job's result looks like to programs: the object of --json, and the receipt. Nothing in it is derived from a
// secret, not even the size of a file with secret content, except the public key and its fingerprint.

import (
	"boringboot/inject"
	"boringboot/internal/cli"
	"boringboot/internal/filemode"
	"boringboot/internal/manifest"
)

type result struct {
	Version  string          `json:"boringboot"`
	Command  string          `json:"command"`
	Host     string          `json:"host,omitempty"`
	Image    string          `json:"image"`          // what the job started from
	Dest     string          `json:"dest,omitempty"` // what it made; absent where Image was changed in place
	DryRun   bool            `json:"dry_run,omitempty"`
	Changed  bool            `json:"changed"`
	Verified bool            `json:"verified"`
	Root     rootResult      `json:"root"`
	Files    []fileResult    `json:"files"`
	Readers  []readerResult  `json:"readers"`
	SSH      *sshResult      `json:"ssh_host_key,omitempty"`
	Warnings []findingResult `json:"warnings,omitempty"`
	plan     *inject.Plan
}

type rootResult struct {
	Table      string `json:"table"` // mbr, gpt, none
	Partition  int    `json:"partition,omitempty"`
	Start      int64  `json:"start"` // bytes
	Size       int64  `json:"size"`  // bytes
	Label      string `json:"label,omitempty"`
	UUID       string `json:"uuid"`
	BlockSize  int    `json:"block_size"`  // bytes
	FreeBlocks uint64 `json:"free_blocks"` // before
	FreeInodes uint64 `json:"free_inodes"` // before
	NeedBlocks uint64 `json:"need_blocks"` // at the least
	NeedInodes uint64 `json:"need_inodes"`
}

type fileResult struct {
	Path        string   `json:"path"`
	Actual      string   `json:"actual,omitempty"` // where links in the image lead it, if elsewhere
	Kind        string   `json:"kind"`
	Link        string   `json:"link,omitempty"` // the path that it is another name of
	Mode        string   `json:"mode"`
	UID         uint32   `json:"uid"`
	GID         uint32   `json:"gid"`
	Size        *int64   `json:"size,omitempty"` // bytes; absent where the content is secret
	Action      string   `json:"action"`
	Origin      string   `json:"origin,omitempty"`
	ConfirmedBy []string `json:"confirmed_by"`
}

type readerResult struct {
	Name   string `json:"name"`
	Reason string `json:"unable_because,omitempty"`
}

type findingResult struct {
	Code    string `json:"code"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

type sshResult struct {
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"`
	KnownHosts  string `json:"known_hosts,omitempty"`
}

// fill takes over what a job did.
func (r *result) fill(o *outcome) {
	r.Version = cli.Version()
	r.plan = o.plan
	r.Changed = o.changes
	r.DryRun = o.report == nil
	r.Root = rootResult{
		Table: string(o.table.Scheme), Partition: o.root.Number, Start: o.root.Start, Size: o.root.Size,
		Label: o.info.Label, UUID: o.info.UUID, BlockSize: int(o.info.BlockSize),
		FreeBlocks: o.plan.Free.Blocks, FreeInodes: o.plan.Free.Inodes,
		NeedBlocks: o.plan.Need.Blocks, NeedInodes: o.plan.Need.Inodes,
	}
	for _, w := range o.table.Warnings {
		r.Warnings = append(r.Warnings, findingResult{Code: "partition-table", Message: w})
	}
	for _, text := range o.plan.Unlike() {
		r.Warnings = append(r.Warnings, findingResult{Code: "kept-attributes", Message: "the directory was there: " + text + " as below --tree"})
	}
	if rec := o.recovery; rec != nil {
		r.Warnings = append(r.Warnings, findingResult{Code: "recovered", Message: describeRecovery(rec, r.DryRun)})
	}
	confirmed := map[string][]string{}
	r.Readers = []readerResult{}
	if o.report != nil {
		r.Verified = o.report.OK()
		for _, rd := range o.report.Readers {
			r.Readers = append(r.Readers, readerResult{Name: rd.Name, Reason: rd.Reason})
		}
		for _, f := range o.report.Files {
			confirmed[f.Path] = f.ConfirmedBy
		}
		for _, f := range o.report.Findings {
			r.Warnings = append(r.Warnings, findingResult{Code: f.Code, Path: f.Path, Message: f.Message})
		}
	}
	r.Files = []fileResult{}
	for _, s := range o.plan.Steps {
		f := fileResult{Path: s.Path, Kind: string(s.Kind), Link: s.Link, Mode: filemode.Octal(s.Mode), UID: s.UID, GID: s.GID,
			Action: string(s.Action), Origin: s.Origin, ConfirmedBy: append([]string{}, confirmed[s.Path]...)}
		if s.Actual != s.Path {
			f.Actual = s.Actual
		}
		if s.Kind == manifest.File && !s.Secret {
			n := s.Content.Size()
			f.Size = &n
		}
		r.Files = append(r.Files, f)
	}
}

// addKey takes over the host key's public half.
func (r *result) addKey(rec *records) {
	if rec.key == nil {
		return
	}
	r.SSH = &sshResult{PublicKey: string(trimNewline(rec.key.Public())), Fingerprint: rec.key.Fingerprint()}
	if rec.host != "" {
		r.SSH.KnownHosts = rec.key.KnownHosts(rec.host)
	}
}

func trimNewline(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}
