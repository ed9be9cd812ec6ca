// Command boringboot puts bootstrap secrets into a disk image on the machine that builds it, and proves that they are there.
package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"boringboot/internal/cli"
)

func main() {
	cli.Main("boringboot", func(ctx context.Context) error {
		return run(ctx, os.Args[1:])
	})
}

func run(ctx context.Context, args []string) error {
	root := newRoot()
	root.SetArgs(args)
	return cli.Execute(ctx, root)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "boringboot",
		Short: "Let the first boot be boring: put bootstrap secrets into a disk image and prove that they are there",
		Long: `boringboot puts the few files that a headless machine needs before its first boot (an SSH host key, Wi-Fi credentials)
into its disk image, on the machine that builds the image, and reads them back with a second ext4 implementation.

Exit codes: 0 done and verified; 1 the image is wrong (verification failed); 2 it could not be done or could not be judged.`,
		Args:    cobra.NoArgs,
		Version: cli.Version(),
		RunE:    func(cmd *cobra.Command, args []string) error { return cli.Usage(cmd, "a command is missing") },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newProvision(), newInject(), newInspect(), newDemo())
	return root
}
