package main

// This file keeps what remains of a job besides the image: the host's line in a known_hosts file, and the receipt. Both are tried
// before the job begins, so that a name that cannot be written to is found out before anything is built.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"boringboot/internal/atomicfile"
	"boringboot/internal/cli"
	"boringboot/internal/sshkey"
)

type records struct {
	host                string
	key                 *sshkey.Key
	knownHosts, receipt string // paths; empty: not wanted
}

// checkRecords finds out whether what remains of a job can be written, before the job begins. It leaves nothing behind.
func (f *writeFlags) checkRecords(host string, p *payload) (*records, error) {
	r := &records{host: host, key: p.hostKey}
	if f.knownHosts != "" && p.hostKey == nil {
		return nil, fmt.Errorf("--known-hosts %s: no SSH host key is among what is injected", f.knownHosts)
	}
	if f.knownHosts != "" && host == "" {
		return nil, cli.WithHint(fmt.Errorf("--known-hosts %s: the host's name is not known", f.knownHosts), "name it with --host NAME")
	}
	if err := notStdout("--known-hosts", f.knownHosts, "the line is printed with the result, without the option"); err != nil {
		return nil, err
	}
	if err := notStdout("--receipt", f.receipt, "--json prints the same object to standard output"); err != nil {
		return nil, err
	}
	r.knownHosts, r.receipt = f.knownHosts, f.receipt
	probe := checkReplaceable
	if f.dryRun {
		probe = func(path string) error { return atomicfile.Check(path, true) }
	}
	if r.knownHosts != "" {
		if err := checkAppendable(r.knownHosts, probe); err != nil {
			return nil, fmt.Errorf("--known-hosts: %w", err)
		}
	}
	if r.receipt != "" {
		if err := probe(r.receipt); err != nil {
			return nil, fmt.Errorf("--receipt: %w", err)
		}
	}
	return r, nil
}

// notStdout refuses "-" for a file that is to be written: a user who means standard output would find a file of that name.
func notStdout(what, path, instead string) error {
	if path != "-" {
		return nil
	}
	return cli.WithHint(fmt.Errorf("%s -: it is written to a file, not to standard output", what), "%s; ./- is a file of that name", instead)
}

// checkAppendable fails where a file cannot be made, as probe finds out, or appended to.
func checkAppendable(path string, probe func(string) error) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return probe(path)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is %s", path, atomicfile.KindName(info.Mode()))
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// checkReplaceable fails where a file cannot be made, or replaced by another that takes its name.
func checkReplaceable(path string) error {
	probe, err := atomicfile.Create(path, true)
	if err != nil {
		return err
	}
	return probe.Abort()
}

// write leaves the records of a job that is done. It adds a warning to the result where the known_hosts file trusts another key, too.
func (r *records) write(ctx context.Context, res *result) error {
	if r.knownHosts != "" {
		other, err := r.appendKnownHosts(ctx)
		if err != nil {
			return fmt.Errorf("--known-hosts: %w", err)
		}
		if other {
			res.Warnings = append(res.Warnings, findingResult{Code: "known-hosts", Message: fmt.Sprintf(
				"%s trusts another ed25519 key of %s, too; ssh-keygen -R %s -f %s removes them all", r.knownHosts, r.host, r.host, r.knownHosts)})
		}
	}
	if r.receipt == "" {
		return nil
	}
	data, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return fmt.Errorf("--receipt: %w", err)
	}
	if err := atomicfile.Write(r.receipt, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("--receipt: %w", err)
	}
	return nil
}

// hintDest adds to an error about DEST what the user can do about it.
func hintDest(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return cli.WithHint(err, "--force replaces it")
	}
	return err
}
