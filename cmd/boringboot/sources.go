package main

// This file gathers what is to be injected: from a manifest and a SOPS file, from directories, from single files.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"boringboot/inject"
	"boringboot/internal/cli"
	"boringboot/internal/manifest"
	"boringboot/internal/secrets"
	"boringboot/internal/show"
	"boringboot/internal/sshkey"
)

// sourceFlags name what is to be injected.
type sourceFlags struct {
	secrets, manifest string
	trees, files      []string
}

func (f *sourceFlags) registerSecrets(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.secrets, "secrets", "", "the SOPS `FILE` (default: the first of secrets/HOST.yaml, hosts/HOST/secrets.yaml)")
	cmd.Flags().StringVar(&f.manifest, "manifest", "", "what to inject, from `FILE` (default: an SSH host key, its public half, Wi-Fi credentials)")
}

func (f *sourceFlags) registerFiles(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.trees, "tree", nil, "inject every file, directory and symlink below `DIR`, owned by root (repeatable)")
	cmd.Flags().StringArrayVar(&f.files, "file", nil, "inject one file, `SRC:DEST[:MODE[:UID:GID]]` (repeatable)")
}

// payload is what is to be injected, decrypted and checked.
type payload struct {
	entries []manifest.Entry
	hostKey *sshkey.Key // nil where no host key is among the entries
	inputs  []string    // the files that all this is read from
}

// gather reads and decrypts everything that is to be injected. It touches no image. With useManifest the manifest (the default one
// where none is named) is part of it.
func (f *sourceFlags) gather(ctx context.Context, host string, useManifest bool, allow []string) (*payload, error) {
	p := &payload{}
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
	if f.manifest != "" {
		p.inputs = append(p.inputs, f.manifest)
	}
	m, dir, err := f.loadManifest(ctx)
	if err != nil {
		return err
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

// loadManifest returns the manifest and the directory that its relative paths start from.
func (f *sourceFlags) loadManifest(ctx context.Context) (*manifest.Manifest, string, error) {
	if f.manifest == "" {
		return manifest.Default(), "", nil
	}
	data, err := readSmall(ctx, f.manifest)
	if err != nil {
		return nil, "", fmt.Errorf("--manifest %s: %w", f.manifest, err)
	}
	m, err := manifest.Parse(f.manifest, data)
	return m, filepath.Dir(f.manifest), err
}

// readSmall reads a file, which may be a pipe (--manifest <(nix eval --json …)), until ctx ends. A manifest is not larger than
// maxManifest bytes.
func readSmall(ctx context.Context, path string) ([]byte, error) {
	type answer struct {
		data []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() { // opening and reading a pipe wait for whoever writes to it
		f, err := os.Open(path)
		if err != nil {
			done <- answer{nil, withoutPath(err)}
			return
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
		if err == nil && len(data) > maxManifest {
			err = fmt.Errorf("larger than %s: not a manifest", show.Size(maxManifest))
		}
		done <- answer{data, err}
	}()
	select {
	case a := <-done:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const maxManifest = 1 << 20 // manifest.Parse's own limit

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
