// Command verify-image says whether a disk image holds the bootstrap files that it should, as independent readers of ext4 find
// them. It does not link the writer that put them there.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"boringboot/internal/cli"
	"boringboot/partition"
)

func main() {
	cli.Main("verify-image", func(ctx context.Context) error {
		return run(ctx, os.Args[1:])
	})
}

// options are the command line.
type options struct {
	image             string
	manifest, secrets string
	root              partition.Selector
	json              bool
	quiet, verbose    bool
}

func run(ctx context.Context, args []string) error {
	var o options
	var err error
	cmd := newCommand(&o, func(ctx context.Context) { err = audit(ctx, o) })
	cmd.SetArgs(args)
	if usage := cli.Execute(ctx, cmd); usage != nil {
		return usage
	}
	return err
}

// newCommand is the command line; do is called when it is sound.
func newCommand(o *options, do func(context.Context)) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify-image IMAGE",
		Short: "Say whether a disk image holds the bootstrap files that it should",
		Long: `verify-image reads the bootstrap files of a disk image back through three independent implementations of ext4 and says who
confirmed what. IMAGE is a raw disk image, a bare ext4 file system, or either compressed with zstd, xz, gzip or bzip2.

Without --secrets it checks what needs none: the files are there, their modes and owners, the host key parses, its public half
belongs to it, the environment file holds its variables, and a network's name and key are such as can be one. With --secrets every
byte is compared.

Exit codes: 0 verified; 1 the image is wrong (findings); 2 it could not be judged.`,
		Example: `  verify-image sd-image.img.zst
  verify-image --secrets secrets/bastet.yaml out/bastet.img
  verify-image --json bastet.img | jq .findings`,
		Args:    cli.Args("IMAGE"),
		Version: cli.Version(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("partition") && o.root.Number < 1 {
				return cli.Usage(cmd, "--partition %d: partitions are numbered from 1", o.root.Number)
			}
			if cmd.Flags().Changed("label") && o.root.Label == "" {
				return cli.Usage(cmd, "--label: a label is missing")
			}
			if args[0] == "" {
				return cli.Usage(cmd, "the image's name is empty")
			}
			if o.json && o.quiet {
				return cli.Usage(cmd, "--json and --quiet contradict each other")
			}
			o.image = args[0]
			do(cmd.Context())
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.manifest, "manifest", "", "what must be there, from `FILE` (default: an SSH host key, its public half, Wi-Fi credentials)")
	f.StringVar(&o.secrets, "secrets", "", "compare every byte with what the SOPS `FILE` holds")
	f.IntVar(&o.root.Number, "partition", 0, "the root partition's `number`, where it is not plain which one it is")
	f.StringVar(&o.root.Label, "label", "", "the root file system's `label`, where it is not plain which one it is")
	f.BoolVar(&o.json, "json", false, "one JSON object on standard output, all else on standard error")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but what is wrong")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show the directories above the files as well, and what a reader could not read")
	cmd.SetVersionTemplate(fmt.Sprintf("verify-image %s\n", cli.Version()))
	return cmd
}
