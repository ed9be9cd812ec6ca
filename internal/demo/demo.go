// Package demo makes what the demo of the whole job works on: an SD image, an age identity and a SOPS file for a host that is called
// demo. The image is embedded (internal/demo/sdimage); the keys are made on the spot and protect nothing.
package demo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"boringboot/internal/atomicfile"
	"boringboot/internal/cli"
	"boringboot/internal/demo/sdimage"
	"boringboot/internal/sshkey"
)

// Host is the host that the demo provisions.
const Host = "demo"

// SSID and PSK are the demo's Wi-Fi credentials. They hold what the parsers between the image and NetworkManager would take for
// something else: spaces at both ends, quotes, backslashes, variables, separators, letters beyond ASCII.
const (
	SSID = " demo \"café\"; $SSID \\n `x` " // 28 of at most 32 bytes
	PSK  = `demo "only" \ $PSK; #1=` + "`"  // 8 to 63 printable characters
)

// ErrNotEmpty is the error for a directory that holds something already.
var ErrNotEmpty = errors.New("the directory is not empty")

// Inputs are the files that WriteInputs wrote. Each path begins with the directory as it was given.
type Inputs struct {
	Dir      string
	Image    string // the SD image, compressed with zstd
	Identity string // the age identity that decrypts Secrets, as SOPS_AGE_KEY_FILE names it; mode 0600
	Secrets  string // the SOPS file with ssh_host_ed25519_key, wifi_ssid and wifi_psk

	HostKey *sshkey.Key // the key in Secrets
}

// WriteInputs makes the inputs in dir, which is made if it is missing. A directory with something in it is ErrNotEmpty unless force
// is set: then the files of an earlier demo are replaced, and nothing else is touched. After an error nothing new is left.
func WriteInputs(dir string, force bool) (_ *Inputs, err error) {
	if dir == "" {
		return nil, errors.New("the demo needs a directory")
	}
	dir = filepath.Clean(dir)
	if strings.HasPrefix(dir, "-") { // or the commands with it would take it for an option
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
	}
	made := &made{force: force}
	defer func() {
		if err != nil {
			err = errors.Join(err, made.undo())
		}
	}()
	if err := made.directory(dir); err != nil {
		return nil, err
	}
	if !force {
		if err := checkEmpty(dir); err != nil {
			return nil, err
		}
	}
	in := &Inputs{
		Dir:      dir,
		Image:    filepath.Join(dir, sdimage.Name),
		Identity: filepath.Join(dir, "demo-age.key"),
		Secrets:  filepath.Join(dir, "secrets", Host+".yaml"),
	}
	secret, err := makeSecrets()
	if err != nil {
		return nil, err
	}
	in.HostKey = secret.hostKey
	if err := made.directory(filepath.Dir(in.Secrets)); err != nil {
		return nil, err
	}
	if err := made.file(in.Image, sdimage.Compressed, 0o644); err != nil {
		return nil, err
	}
	if err := made.file(in.Identity, secret.identityFile, 0o600); err != nil {
		return nil, err
	}
	if err := made.file(in.Secrets, secret.encrypted, 0o644); err != nil {
		return nil, err
	}
	return in, nil
}

func checkEmpty(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(1)
	if err != nil && err != io.EOF {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	if len(names) > 0 {
		return cli.WithHint(fmt.Errorf("%s: %w", dir, ErrNotEmpty), "name a directory that does not exist, or replace an earlier demo's files with --force")
	}
	return nil
}

// made remembers what was made, so that it can be undone.
type made struct {
	force bool
	paths []string // in the order in which they were made
}

// directory makes dir and those above it that are missing.
func (m *made) directory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("a file is in its place")}
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := m.directory(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	m.paths = append(m.paths, dir)
	return nil
}

// file writes a file, whole or not at all.
func (m *made) file(path string, content []byte, mode fs.FileMode) error {
	_, err := os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	write := atomicfile.WriteNew
	if m.force {
		write = atomicfile.Write
	}
	if err := write(path, content, mode); err != nil {
		return err
	}
	if isNew {
		m.paths = append(m.paths, path)
	}
	return nil
}

// undo removes what was made, last first. What was replaced stays.
func (m *made) undo() error {
	var errs []error
	for i := len(m.paths) - 1; i >= 0; i-- {
		if err := os.Remove(m.paths[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
