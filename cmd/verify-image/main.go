// Command verify-image says whether a disk image holds the bootstrap files that it should, as independent readers of ext4 find
// them. It does not link the writer that put them there.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"boringboot/internal/cli"
	"boringboot/internal/options"
)

func main() {
	cli.Main("verify-image", func(ctx context.Context) error {
		return run(ctx, os.Args[1:])
	})
}

// settings are the command line.
type settings struct {
	image, secrets string
	before         string // the original, for --before
	html           string // where the page goes
	structureOnly  bool
	contentsOnly   bool
	manifest       options.Manifest
	root           options.Root
	out            options.Output
}

func run(ctx context.Context, args []string) error {
	var o settings
	var err error
	cmd := newCommand(&o, func(ctx context.Context) { err = audit(ctx, o) })
	cmd.SetArgs(args)
	if usage := cli.Execute(ctx, cmd); usage != nil {
		return usage
	}
	return err
}

// newCommand is the command line; do is called when it is sound.
func newCommand(o *settings, do func(context.Context)) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify-image IMAGE",
		Short: "Say whether a disk image holds the bootstrap files that it should",
		Long: `verify-image reads the bootstrap files of a disk image back through three independent implementations of ext4 and says who
confirmed what. IMAGE is a raw disk image, a bare ext4 file system, or either compressed with zstd, xz, gzip or bzip2.

Without --secrets it checks what needs none: the files are there, their modes and owners, the host key parses, its public half
belongs to it, the environment file holds its variables, and a network's name and key are such as can be one. With --secrets every
byte is compared.

The partition table is audited, and the structure of the file system as a whole, on a par with "e2fsck -fn". With --secrets the secrets are also looked for in every
byte of the disk: they may be nowhere but in their own files. With --before every byte that differs from the original has to be explained
by the files. --structure-only asks for no files, --contents-only for nothing but them.

Exit codes: 0 verified; 1 the image is wrong (findings); 2 it could not be judged.`,
		Example: `  verify-image sd-image.img.zst
  verify-image --secrets secrets/bastet.yaml out/bastet.img
  verify-image --secrets secrets/bastet.yaml --before sd-image.img.zst out/bastet.img
  verify-image --structure-only any-disk.img
  verify-image --json bastet.img | jq .findings`,
		Args:    cli.Args("IMAGE"),
		Version: cli.Version(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.root.Check(cmd); err != nil {
				return err
			}
			if args[0] == "" {
				return cli.Usage(cmd, "the image's name is empty")
			}
			if err := o.check(cmd); err != nil {
				return err
			}
			o.image = args[0]
			do(cmd.Context())
			return nil
		},
	}
	o.manifest.Register(cmd, "what must be there")
	cmd.Flags().StringVar(&o.secrets, "secrets", "", "compare every byte with what the SOPS `FILE` holds")
	cmd.Flags().StringVar(&o.before, "before", "", "the `ORIGINAL` that the image was made from: whatever else was changed is an error")
	cmd.Flags().StringVar(&o.html, "html", "", "write the report as a page to `FILE`: the disk drawn, the files, the findings")
	cmd.Flags().BoolVar(&o.structureOnly, "structure-only", false, "audit the structure of the file system, and look for no files")
	cmd.Flags().BoolVar(&o.contentsOnly, "contents-only", false, "read the files, and audit no more than what is on the way to them")
	o.root.Register(cmd)
	o.out.Register(cmd, "show the directories above the files as well, and what a reader could not read")
	cmd.SetVersionTemplate(fmt.Sprintf("verify-image %s\n", cli.Version()))
	return cmd
}

// check finds options that do not go together.
func (o *settings) check(cmd *cobra.Command) error {
	switch {
	case o.structureOnly && o.contentsOnly:
		return cli.Usage(cmd, "--structure-only and --contents-only leave nothing to do")
	case o.structureOnly && (o.secrets != "" || o.manifest.File != "" || o.before != ""):
		return cli.Usage(cmd, "--structure-only looks for no files: it does not go with --secrets, --manifest or --before")
	case o.contentsOnly && o.before != "":
		return cli.Usage(cmd, "--contents-only does not go with --before, which looks at the whole image")
	case cmd.Flags().Changed("before") && o.before == "":
		return cli.Usage(cmd, "the original's name is empty")
	case cmd.Flags().Changed("html") && o.html == "":
		return cli.Usage(cmd, "the page's name is empty")
	}
	return nil
}
