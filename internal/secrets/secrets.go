// Package secrets reads files that are encrypted with SOPS (YAML, JSON, dotenv, INI) or age, in memory only.
//
// What age can open is opened here. The data key is decrypted by the packages of github.com/getsops/sops/v3 that are small (age, shamir),
// with the identities that sops would find (identity.go lists them). What sops does with that key this package does on its own, in the forms
// that sops writes and nothing else: sops' package for it links the clients of every key service, which costs more at each start than the
// whole job. For a file whose key such a service has, or PGP, the sops program is asked (sops.go).
//
// sops' and age's error texts may quote what they were reading, so none of them is passed on. Every failure has a kind for errors.Is, names
// the file and where there is one the key, and never holds a plaintext or an identity.
//
// Reading order: format.go, read.go and readyaml.go (bytes to trees), metadata.go (who, and which values), decrypt.go (the data key),
// mac.go and cipher.go (the values), lookup.go (what was asked for).
package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/getsops/sops/v3/logging"
)

// Kinds of failure, for errors.Is. A file that is not there is fs.ErrNotExist.
var (
	ErrNotEncrypted  = errors.New("not encrypted")
	ErrNoIdentity    = errors.New("no identity")
	ErrWrongIdentity = errors.New("no identity that fits")
	ErrDamaged       = errors.New("damaged")
	ErrKeyMissing    = errors.New("key missing")
	ErrValue         = errors.New("unusable value")
)

// Error is a failure, with its kind, the file and perhaps a hint.
type Error struct {
	File string // as it was named
	Kind error  // one of the kinds above
	text string
	hint string
}

func (e *Error) Error() string { return e.File + ": " + e.text }
func (e *Error) Unwrap() error { return e.Kind }

// Hint says what the user can do about it; it may be empty.
func (e *Error) Hint() string { return e.hint }

// maxFile bounds what is read into memory: far above any file of secrets, far below what hurts.
const maxFile = 16 << 20

func init() {
	// sops logs what it does, with keys and comments of the file, to standard error.
	for _, l := range logging.Loggers {
		l.SetOutput(io.Discard)
	}
}

// File is a decrypted SOPS file.
type File struct {
	path      string
	format    Format
	documents []branch
}

// Name returns the path that the file was opened by.
func (f *File) Name() string { return f.path }

// Open reads and decrypts a SOPS file and checks its MAC. The format is told by the name's extension, or by the content where that
// says nothing. Where ctx ends while somebody else is asked for the key (an agent, a plugin, a person, the sops program), its error
// comes at once.
func Open(ctx context.Context, path string) (*File, error) {
	f, err := await(ctx, path, func() (*File, error) {
		data, err := readAll(path)
		if err != nil {
			return nil, err
		}
		return decrypt(ctx, path, data)
	})
	return orBySops(ctx, f, err)
}

// recovered turns a panic of a library into an error: what it could not handle is a damaged file. The panic's value is not
// passed on, it may hold anything.
func recovered(path string, err *error) {
	if recover() != nil {
		*err = &Error{File: path, Kind: ErrDamaged, text: "damaged: the library that reads it fails on it"}
	}
}

// readAll reads a file of at most maxFile bytes.
func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return nil, err
	} else if fi.IsDir() {
		return nil, fmt.Errorf("%s: is a directory", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, &Error{File: path, Kind: ErrDamaged, text: fmt.Sprintf("has more than %d MiB, which no file of secrets has", maxFile>>20)}
	}
	return data, nil
}

// Find returns the SOPS file of a host below dir: the first that exists of secrets/HOST.yaml and hosts/HOST/secrets.yaml. Where
// none does, the error is fs.ErrNotExist.
func Find(dir, host string) (string, error) {
	if host == "" || host == "." || host == ".." || strings.ContainsAny(host, "/\\\x00") {
		return "", fmt.Errorf("%q is not the name of a host", host)
	}
	candidates := []string{
		filepath.Join(dir, "secrets", host+".yaml"),
		filepath.Join(dir, "hosts", host, "secrets.yaml"),
	}
	for _, c := range candidates {
		_, err := os.Stat(c)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("no SOPS file for %s: neither %s: %w", host, strings.Join(candidates, " nor "), fs.ErrNotExist)
}
