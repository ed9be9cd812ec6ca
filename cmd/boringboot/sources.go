package main

// This file gathers what is to be injected: from a manifest and a SOPS file, from directories, from single files.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"boringboot/inject"
	"boringboot/internal/cli"
	"boringboot/internal/manifest"
	"boringboot/internal/options"
	"boringboot/internal/secrets"
	"boringboot/internal/sshkey"
)

// sourceFlags name what is to be injected.
type sourceFlags struct {
	secrets      string
	manifest     options.Manifest
	trees, files []string
}

func (f *sourceFlags) registerSecrets(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.secrets, "secrets", "", "the SOPS `FILE` (default: the first of secrets/HOST.yaml, hosts/HOST/secrets.yaml)")
	f.manifest.Register(cmd, "what to inject")
}

func (f *sourceFlags) registerFiles(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.trees, "tree", nil, "inject every file, directory and symlink below `DIR`, owned by root; hard links stay such, a directory that is in the image keeps its mode (repeatable)")
	cmd.Flags().StringArrayVar(&f.files, "file", nil, "inject one file, `SRC:DEST[:MODE[:UID:GID]]` (repeatable)")
}

// payload is what is to be injected, decrypted and checked.
type payload struct {
	entries []manifest.Entry
	hostKey *sshkey.Key // nil where no host key is among the entries
	inputs  []string    // the files that all this is read from; those with an empty name are none
}

// private reports whether there is a secret among what is to be injected.
func (p *payload) private() bool {
	return slices.ContainsFunc(p.entries, func(e manifest.Entry) bool { return e.Secret })
}

// gather reads and decrypts everything that is to be injected. It touches no image. With useManifest the manifest (the default one
// where none is named) is part of it.
func (f *sourceFlags) gather(ctx context.Context, host string, useManifest bool, allow []string) (*payload, error) {
	// What was named is kept, whether it is needed or not; and so is an identity that is there.
	p := &payload{inputs: []string{f.secrets, f.manifest.File}}
	if useManifest {
		if err := f.gatherManifest(ctx, p, host); err != nil {
			return nil, err
		}
	}
	for _, dir := range f.trees {
		entries, err := inject.Tree(dir)
		if err != nil {
			return nil, fmt.Errorf("--tree %s: %w", dir, err)
		}
		p.entries = append(p.entries, entries...)
	}
	for _, spec := range f.files {
		e, err := inject.FileSpec(spec)
		if err != nil {
			return nil, err
		}
		p.entries = append(p.entries, e)
	}
	for _, e := range p.entries {
		if c, ok := e.Content.(*manifest.FileContent); ok {
			p.inputs = append(p.inputs, c.Path())
		}
	}
	// What can be refused without an image is refused before one is built.
	return p, hintPlan(inject.CheckPaths(p.entries, allow))
}

func (f *sourceFlags) gatherManifest(ctx context.Context, p *payload, host string) error {
	m, dir, err := f.manifest.Load(ctx)
	if err != nil {
		return err
	}
	for _, item := range m.Files {
		if item.From.Source == manifest.Age {
			p.inputs = append(p.inputs, local(dir, item.From.File))
		}
	}
	src := manifest.Sources{Dir: dir, Age: secrets.DecryptAge}
	if m.NeedsSecrets() {
		file, err := f.findSecrets(host)
		if err != nil {
			return err
		}
		p.inputs = append(p.inputs, file)
		opened, err := secrets.Open(ctx, file)
		if err != nil {
			return err
		}
		src.Secrets = opened
	}
	resolved, err := m.Resolve(ctx, src)
	if err != nil {
		return err
	}
	p.entries = append(p.entries, resolved.Entries...)
	p.hostKey = resolved.HostKey
	return nil
}

// local is a file that a manifest in dir names.
func local(dir, file string) string {
	if file = filepath.FromSlash(file); filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

func (f *sourceFlags) findSecrets(host string) (string, error) {
	if f.secrets != "" {
		return f.secrets, nil
	}
	if host == "" {
		return "", cli.WithHint(fmt.Errorf("the manifest needs secrets and no SOPS file is named"), "name it with --secrets FILE")
	}
	file, err := secrets.Find(".", host)
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.WithHint(err, "name the SOPS file with --secrets FILE")
	}
	return file, err
}
