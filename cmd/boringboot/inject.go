package main

// This file is the command inject.

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"boringboot/inject"
	"boringboot/internal/cli"
	"boringboot/internal/diskimage"
	"boringboot/internal/nixbuild"
	"boringboot/internal/options"
	"boringboot/partition"
)

type injectCommand struct {
	image, dest, host string
	source            sourceFlags
	root              options.Root
	write             writeFlags
	out               options.Output
}

func newInject() *cobra.Command {
	var i injectCommand
	cmd := &cobra.Command{
		Use:   "inject IMAGE",
		Short: "Put files into an image that exists",
		Long: `inject puts files into IMAGE's ext4 root and reads them back: the manifest's files (with --secrets, --manifest or --host), the
content of directories (--tree), single files (--file). It changes IMAGE in place, in one transaction, or writes the changed image to
-o OUT; for a compressed IMAGE -o is required.`,
		Example: `  boringboot inject nixos.img --secrets secrets/bastet.yaml
  boringboot inject nixos.img.zst -o ready.img.zst --tree ./root --file ./wpa.conf:/var/lib/wpa.conf:0600`,
		Args: cli.Args("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			i.image = args[0]
			return i.run(cmd, newConsole(i.out))
		},
	}
	cmd.Flags().StringVarP(&i.dest, "output", "o", "", "write the changed image to `OUT` and leave IMAGE alone")
	cmd.Flags().StringVar(&i.host, "host", "", "the host's `NAME`: finds its SOPS file, and is what the known_hosts line begins with")
	i.source.registerSecrets(cmd)
	i.source.registerFiles(cmd)
	i.root.Register(cmd)
	i.write.register(cmd)
	i.out.Register(cmd, "say more")
	return cmd
}

func (i *injectCommand) run(cmd *cobra.Command, c *console) error {
	ctx := cmd.Context()
	useManifest := i.source.secrets != "" || i.source.manifest.File != "" || i.host != "" && len(i.source.trees)+len(i.source.files) == 0
	if !useManifest && len(i.source.trees)+len(i.source.files) == 0 {
		return cli.Usage(cmd, "nothing to inject: none of --secrets, --manifest, --host, --tree and --file is there")
	}
	if i.host != "" {
		if err := nixbuild.CheckHost(i.host); err != nil {
			return err
		}
	}
	if i.write.force && i.dest == "" {
		return cli.Usage(cmd, "--force replaces the file that -o names, and there is no -o")
	}
	if err := i.root.Check(cmd); err != nil {
		return err
	}
	epoch, err := sourceDateEpoch()
	if err != nil {
		return err
	}
	if err := notStdout("-o", i.dest, imageToFile); err != nil {
		return err
	}
	payload, err := i.source.gather(ctx, i.host, useManifest, i.write.allow)
	if err != nil {
		return err
	}
	records, err := i.write.checkRecords(i.host, payload)
	if err != nil {
		return err
	}
	j := &job{sel: partition.Selector(i.root), entries: payload.entries, dryRun: i.write.dryRun,
		options: inject.Options{Allow: i.write.allow, Overwrite: i.write.overwrite, Time: epoch, Copy: i.dest != ""}}
	if err := records.distinct(append(payload.inputs, i.image, i.dest)...); err != nil {
		return err
	}
	res := result{Command: "inject", Host: i.host, Image: i.image, Dest: i.dest}
	switch {
	case i.write.dryRun:
		return dryRun(ctx, c, j, i.image, res)
	case i.dest != "":
		out, err := diskimage.Create(i.dest, i.write.force)
		if err != nil {
			return hintDest(err)
		}
		defer out.Abort()
		return finish(ctx, c, j, out, i.image, records, res)
	default:
		return i.inPlace(ctx, c, j, records, res)
	}
}

func (i *injectCommand) inPlace(ctx context.Context, c *console, j *job, records *records, res result) error {
	img, err := diskimage.OpenInPlace(i.image)
	if errors.Is(err, diskimage.ErrCompressed) {
		return cli.WithHint(err, "-o OUT names the file that the changed image is written to")
	}
	if errors.Is(err, diskimage.ErrInUse) {
		return cli.WithHint(err, "wait until the other run has ended")
	}
	if err != nil {
		return err
	}
	defer img.Close()
	j.source = i.image
	done, err := j.run(ctx, img)
	if err != nil {
		return err
	}
	if err := img.Close(); err != nil {
		return err
	}
	res.fill(done)
	res.addKey(records)
	if err := records.write(ctx, &res); err != nil {
		return fmt.Errorf("%s is complete and verified, but: %w", i.image, err)
	}
	return unprinted(i.image, c.finish(res))
}
