package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"boringboot/internal/cli"
	"boringboot/internal/sshkey"
)

// This file keeps what remains of a job besides the image: the host's line in a known_hosts file, and the receipt. Both are opened
// before the job begins, so that a name that cannot be written to is found out before anything is built.

type records struct {
	host       string
	key        *sshkey.Key
	knownHosts *os.File
	made       bool // openRecords made the known_hosts file
	receipt    *os.File
	receiptTo  string
}

func (f *writeFlags) openRecords(host string, p *payload) (*records, error) {
	r := &records{host: host, key: p.hostKey}
	if f.knownHosts != "" && p.hostKey == nil {
		return nil, fmt.Errorf("--known-hosts %s: no SSH host key is among what is injected", f.knownHosts)
	}
	if f.knownHosts != "" && host == "" {
		return nil, cli.WithHint(fmt.Errorf("--known-hosts %s: the host's name is not known", f.knownHosts), "name it with --host NAME")
	}
	if f.dryRun {
		return r, nil
	}
	if f.knownHosts != "" {
		k, err := os.OpenFile(f.knownHosts, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
		r.made = err == nil
		if errors.Is(err, fs.ErrExist) {
			k, err = os.OpenFile(f.knownHosts, os.O_RDWR|os.O_APPEND, 0)
		}
		if err != nil {
			return nil, fmt.Errorf("--known-hosts: %w", err)
		}
		r.knownHosts = k
	}
	if f.receipt != "" {
		if info, err := os.Stat(f.receipt); err == nil && !info.Mode().IsRegular() {
			r.abort()
			return nil, fmt.Errorf("--receipt %s: not a regular file", f.receipt)
		}
		t, err := os.CreateTemp(filepath.Dir(f.receipt), "."+filepath.Base(f.receipt)+".*.tmp")
		if err != nil {
			r.abort()
			return nil, fmt.Errorf("--receipt: %w", err)
		}
		r.receipt, r.receiptTo = t, f.receipt
	}
	return r, nil
}

// abort gives up what was not written. It is harmless after write.
func (r *records) abort() {
	if r.knownHosts != nil {
		r.knownHosts.Close()
		if r.made {
			os.Remove(r.knownHosts.Name())
		}
		r.knownHosts = nil
	}
	if r.receipt != nil {
		r.receipt.Close()
		os.Remove(r.receipt.Name())
		r.receipt = nil
	}
}

func (r *records) write(res result) error {
	if r.knownHosts != nil {
		err := appendOnce(r.knownHosts, r.key.KnownHosts(r.host))
		err = errors.Join(err, r.knownHosts.Close())
		r.knownHosts = nil
		if err != nil {
			return fmt.Errorf("--known-hosts: %w", err)
		}
	}
	if r.receipt != nil {
		defer r.abort()
		enc := json.NewEncoder(r.receipt)
		enc.SetIndent("", "  ")
		err := errors.Join(enc.Encode(res), r.receipt.Chmod(0o644), r.receipt.Sync(), r.receipt.Close())
		if err == nil {
			err = os.Rename(r.receipt.Name(), r.receiptTo)
		}
		if err != nil {
			return fmt.Errorf("--receipt: %w", err)
		}
		r.receipt = nil
	}
	return nil
}

// appendOnce appends line to f unless f holds it already. The append is one write, so that two runs do not mix their lines.
func appendOnce(f io.ReadWriteSeeker, line string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	const limit = 64 << 20 // far beyond any known_hosts file
	old, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return err
	}
	if len(old) == limit {
		return errors.New("larger than 64 MiB: not a known_hosts file")
	}
	for l := range strings.Lines(string(old)) {
		if strings.TrimSpace(l) == line {
			return nil
		}
	}
	text := line + "\n"
	if len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
		text = "\n" + text
	}
	_, err = io.WriteString(f, text)
	return err
}

// hintDest adds to an error about DEST what the user can do about it.
func hintDest(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return cli.WithHint(err, "--force replaces it")
	}
	return cli.Hinted(err)
}
