package main

// This file is the command provision, and the end that it shares with inject: a copy that comes into being whole.

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"boringboot/inject"
	"boringboot/internal/cli"
	"boringboot/internal/diskimage"
	"boringboot/internal/nixbuild"
	"boringboot/internal/options"
	"boringboot/partition"
)

type provision struct {
	host, dest  string
	image       string
	flake, attr string
	source      sourceFlags
	root        options.Root
	write       writeFlags
	out         options.Output
}

func newProvision() *cobra.Command {
	var p provision
	cmd := &cobra.Command{
		Use:   "provision HOST DEST",
		Short: "Build (or take) the host's image, copy it to DEST, inject, verify",
		Long: `provision builds HOST's SD image with nix, or takes the one that --image names, copies it to DEST, puts HOST's decrypted bootstrap
files into its ext4 root and reads them back. DEST is a path, or a directory (it ends in / or is one): then HOST.img in it. A DEST
that ends in .zst is compressed. DEST appears only when everything was verified; after any failure it is as it was before.`,
		Example: `  boringboot provision bastet out/
  boringboot provision bastet bastet.img --image nixos-sd-image.img.zst --secrets secrets/bastet.yaml`,
		Args: cli.Args("HOST", "DEST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.host, p.dest = args[0], args[1]
			return p.run(cmd, newConsole(p.out))
		},
	}
	cmd.Flags().StringVar(&p.image, "image", "", "use the image `FILE` rather than build one")
	cmd.Flags().StringVar(&p.flake, "flake", ".", "the `FLAKE` whose nixosConfigurations.HOST is built")
	cmd.Flags().StringVar(&p.attr, "attr", nixbuild.DefaultAttr, "the `ATTRIBUTE` of the host's configuration that is the image")
	p.source.registerSecrets(cmd)
	p.root.Register(cmd)
	p.write.register(cmd)
	p.out.Register(cmd, "say more")
	return cmd
}

func (p *provision) run(cmd *cobra.Command, c *console) error {
	ctx := cmd.Context()
	if err := nixbuild.CheckHost(p.host); err != nil {
		return err
	}
	dest := destination(p.dest, p.host)
	p.write.clean(dest)
	if err := p.root.Check(cmd); err != nil {
		return err
	}
	epoch, err := sourceDateEpoch()
	if err != nil {
		return err
	}
	if err := notStdout("DEST", p.dest, imageToFile); err != nil {
		return err
	}
	payload, err := p.source.gather(ctx, p.host, true, p.write.allow)
	if err != nil {
		return err
	}
	if err := checkOutputs(append(p.write.outputs(), output{"DEST", dest}), append(payload.inputs, p.starting()...)); err != nil {
		return err
	}
	records, err := p.write.checkRecords(p.host, payload)
	if err != nil {
		return err
	}
	j := &job{sel: partition.Selector(p.root), entries: payload.entries, dryRun: p.write.dryRun,
		options: inject.Options{Allow: p.write.allow, Overwrite: p.write.overwrite, Time: epoch, Copy: true}}
	if p.write.dryRun {
		if err := diskimage.Check(dest, p.write.force); err != nil {
			return hintDest(err)
		}
		source, err := p.sourceImage(ctx, c)
		if err != nil {
			return err
		}
		return dryRun(ctx, c, j, source, result{Command: "provision", Host: p.host, Image: source, Dest: dest})
	}
	out, err := diskimage.Create(dest, p.write.force)
	if err != nil {
		return hintDest(err)
	}
	defer out.Abort()
	source, err := p.sourceImage(ctx, c)
	if err != nil {
		return err
	}
	return finish(ctx, c, j, out, source, records, result{Command: "provision", Host: p.host, Image: source, Dest: dest})
}

const imageToFile = "an image gets its name when it was read back and found right"

// starting are the files that the image to start from is, or is built from.
func (p *provision) starting() []string {
	if p.image != "" {
		return []string{p.image}
	}
	return []string{filepath.Join(p.flake, "flake.nix"), filepath.Join(p.flake, "flake.lock")} // of a flake that is no directory there is none
}

// sourceImage returns the path of the image to start from, built if need be.
func (p *provision) sourceImage(ctx context.Context, c *console) (string, error) {
	if p.image != "" {
		return p.image, nil
	}
	c.step("building %s#nixosConfigurations.%s.%s", p.flake, p.host, p.attr)
	image, err := nixbuild.Build(ctx, nixbuild.Options{Flake: p.flake, Attr: p.attr, Host: p.host, Stderr: c.childOutput()})
	return image, err
}

// destination returns the file that DEST means.
func destination(dest, host string) string {
	if info, err := os.Stat(dest); strings.HasSuffix(dest, "/") || strings.HasSuffix(dest, string(filepath.Separator)) || err == nil && info.IsDir() {
		return filepath.Join(dest, host+".img")
	}
	return dest
}

// dryRun shows what a job would do to a copy of the image at path, and whether it would fit.
func dryRun(ctx context.Context, c *console, j *job, path string, res result) error {
	j.source = path
	img, err := diskimage.Open(ctx, path, c.progress)
	if err != nil {
		return err
	}
	defer img.Close()
	done, err := j.run(ctx, img)
	if err != nil {
		return err
	}
	res.fill(done)
	return c.finish(res)
}

// finish copies the image at source into out, does the job on the copy, and lets it appear under its name.
func finish(ctx context.Context, c *console, j *job, out *diskimage.Output, source string, records *records, res result) error {
	j.source = source
	if err := out.Fill(ctx, source, c.progress); err != nil {
		return err
	}
	done, err := j.run(ctx, out)
	if err != nil {
		return err
	}
	if err := out.Commit(ctx, c.progress); err != nil {
		return hintDest(err)
	}
	return report(ctx, c, records, res, done)
}

// report leaves the records of a job that is done, and prints its result.
func report(ctx context.Context, c *console, records *records, res result, done *outcome) error {
	res.fill(done)
	res.addKey(records)
	image := cmp.Or(res.Dest, res.Image)
	if err := records.write(ctx, &res); err != nil {
		return fmt.Errorf("%s is complete and verified, but: %w", image, err)
	}
	return unprinted(image, c.finish(res))
}

// unprinted says of an error in printing a result that the result itself is there.
func unprinted(image string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is complete and verified, but the result could not be printed: %w", image, err)
}
