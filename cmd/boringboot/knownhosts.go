package main

// This file puts the host's line into a known_hosts file.

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"boringboot/internal/atomicfile"
)

// appendKnownHosts appends the host's line. It locks the file: two runs for one host at the same time append it once. After an error the
// file is as it was, and one that was not there is not.
func (r *records) appendKnownHosts(ctx context.Context) (other bool, err error) {
	f, isNew, err := openLocked(ctx, r.knownHosts)
	if err != nil {
		return false, err
	}
	if isNew {
		err = f.Chmod(0o600) // whatever the umask made of it
	}
	if err == nil {
		other, err = appendOnce(f, r.key.KnownHosts(r.host))
	}
	if err != nil && isNew {
		err = errors.Join(err, os.Remove(r.knownHosts)) // while it is locked: whoever waits for it then makes another
	}
	return other, errors.Join(err, f.Close())
}

// openLocked opens a file to append to it, makes it where it is not there, and waits until no other run has it. A file that another
// program has replaced meanwhile (ssh-keygen -R) is opened anew.
func openLocked(ctx context.Context, path string) (f *os.File, isNew bool, err error) {
	for {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
		isNew = err == nil
		if errors.Is(err, fs.ErrExist) {
			f, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
		}
		if err != nil {
			return nil, false, err
		}
		if err := atomicfile.Await(ctx, f); err != nil {
			return nil, false, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
		}
		ours, err := f.Stat()
		if err != nil {
			return nil, false, errors.Join(err, f.Close())
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(ours, there) {
			return f, isNew, nil
		}
		if err := f.Close(); err != nil {
			return nil, false, err
		}
	}
}

// appendOnce appends a known_hosts line to f unless f has the same key for the same host already, and reports whether f has another key of
// the same host and type. The append is one write, so that whoever reads meanwhile sees no half of a line.
func appendOnce(f *os.File, line string) (other bool, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	const limit = 64 << 20 // far beyond any known_hosts file
	old, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return false, err
	}
	if len(old) == limit {
		return false, errors.New("larger than 64 MiB: not a known_hosts file")
	}
	there, other, err := trusted(old, line)
	if err != nil || there {
		return other, err
	}
	text := line + "\n"
	if len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
		text = "\n" + text
	}
	if _, err = io.WriteString(f, text); err != nil {
		err = errors.Join(err, f.Truncate(int64(len(old)))) // a full disk may have taken half of the line
	}
	return other, err
}

// trusted reports whether a known_hosts file has the key that line has for the same host, whatever else its line says, and whether it has
// another key of the same type for it.
func trusted(file []byte, line string) (same, other bool, err error) {
	_, hosts, key, _, _, err := ssh.ParseKnownHosts([]byte(line))
	if err != nil {
		return false, false, err
	}
	for l := range bytes.Lines(file) {
		if !bytes.Contains(l, []byte(key.Type())) { // most lines of a large file are done with by that
			continue
		}
		// A line that is none is none to ssh either. One with a marker trusts no host key: it revokes one, or trusts those who sign.
		marker, patterns, found, _, _, err := ssh.ParseKnownHosts(l)
		if err != nil || marker != "" || found.Type() != key.Type() || !slices.ContainsFunc(patterns, func(p string) bool { return names(p, hosts[0]) }) {
			continue
		}
		if bytes.Equal(found.Marshal(), key.Marshal()) {
			same = true
		} else {
			other = true
		}
	}
	return same, other, nil
}

// names reports whether a pattern of a known_hosts file is the name of a host: itself, or "|1|SALT|HASH", which HashKnownHosts makes of it.
// Wildcards are no names.
func names(pattern, host string) bool {
	rest, hashed := strings.CutPrefix(pattern, "|1|")
	if !hashed {
		return strings.EqualFold(pattern, host)
	}
	salt, hash, _ := strings.Cut(rest, "|")
	key, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(host))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)) == hash
}
