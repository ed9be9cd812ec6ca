package main

// This file is the command inject.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"boringboot/ext4"
	"boringboot/inject"
	"boringboot/internal/atomicfile"
	"boringboot/internal/cli"
	"boringboot/internal/diskimage"
	"boringboot/internal/filemode"
	"boringboot/internal/needed"
	"boringboot/internal/nixbuild"
	"boringboot/internal/options"
	"boringboot/partition"
)

type injectCommand struct {
	image, dest, host string
	noJournal         bool
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
content of directories (--tree), single files (--file). It changes IMAGE in place, or writes the changed image to -o OUT; for a
compressed IMAGE -o is required.

In place, the change goes through the journal of IMAGE's file system: cut off at any moment, it is there or it is not. Where there is no
journal, a copy beside IMAGE is changed and takes its name when it was read back. IMAGE may be a block device (on Linux) that is not
mounted; one whose file system has no journal needs --no-journal.`,
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
	cmd.Flags().BoolVar(&i.noJournal, "no-journal", false, "change a file system that has no journal where it lies: cut off in the middle, it is damaged")
	i.source.registerSecrets(cmd)
	i.source.registerFiles(cmd)
	i.root.Register(cmd)
	i.write.register(cmd)
	i.out.Register(cmd, "say more")
	return cmd
}

func (i *injectCommand) run(cmd *cobra.Command, c *console) error {
	ctx := cmd.Context()
	i.write.clean(cmp.Or(i.dest, i.image))
	useManifest := i.source.secrets != "" || i.source.manifest.File != "" || i.host != "" && len(i.source.trees)+len(i.source.files) == 0
	if !useManifest && len(i.source.trees)+len(i.source.files) == 0 {
		return cli.Usage(cmd, "nothing to inject: none of --secrets, --manifest, --host, --tree and --file is there")
	}
	if i.host != "" {
		if err := nixbuild.CheckHost(i.host); err != nil {
			return err
		}
	}
	if i.noJournal && i.dest != "" {
		return cli.Usage(cmd, "--no-journal is about a change in place, and -o names a copy")
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
	if err := checkOutputs(i.files(payload)); err != nil {
		return err
	}
	records, err := i.write.checkRecords(i.host, payload)
	if err != nil {
		return err
	}
	j := &job{sel: partition.Selector(i.root), entries: payload.entries, dryRun: i.write.dryRun,
		options: inject.Options{Allow: i.write.allow, Overwrite: i.write.overwrite, Time: epoch, Copy: i.dest != "", NoJournal: i.noJournal}}
	res := result{Command: "inject", Host: i.host, Image: i.image, Dest: i.dest}
	if i.dest == "" && payload.private() {
		res.Warnings = append(res.Warnings, readableByOthers(i.image)...)
	}
	switch {
	case i.write.dryRun && i.dest == "":
		return i.rehearse(ctx, c, j, res)
	case i.write.dryRun:
		if err := diskimage.Check(i.dest, i.write.force); err != nil {
			return hintDest(err)
		}
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

// files are what the run writes, and what it reads. An image that -o names, too, is one that is changed through a copy.
func (i *injectCommand) files(p *payload) (outputs []output, inputs []string) {
	if i.dest == "" {
		return append(i.write.outputs(), output{"IMAGE", i.image}), p.inputs
	}
	if !needed.Same(i.dest, i.image) {
		inputs = append(inputs, i.image)
	}
	return append(i.write.outputs(), output{"-o", i.dest}), append(inputs, p.inputs...)
}

// inPlace changes the image itself: through the journal of its file system or, where it has none, as throughCopy does.
func (i *injectCommand) inPlace(ctx context.Context, c *console, j *job, records *records, res result) error {
	img, err := diskimage.OpenInPlace(i.image)
	if err != nil {
		return hintInPlace(err)
	}
	defer img.Close()
	j.source = i.image
	done, err := j.plan(img)
	if err != nil {
		return err
	}
	err = j.apply(ctx, img, done)
	switch {
	case errors.Is(err, ext4.ErrNoJournal) && img.Device():
		return i.needsJournal()
	case errors.Is(err, ext4.ErrNoJournal):
		return i.throughCopy(ctx, c, j, img, records, res)
	case err != nil:
		return err
	}
	if err := img.Close(); err != nil {
		return err
	}
	return report(ctx, c, records, res, done)
}

// rehearse shows what inPlace would do, and refuses what it would refuse.
func (i *injectCommand) rehearse(ctx context.Context, c *console, j *job, res result) error {
	img, err := diskimage.RehearseInPlace(i.image)
	if err != nil {
		return hintInPlace(err)
	}
	defer img.Close()
	j.source = i.image
	done, err := j.run(ctx, img)
	if err != nil {
		return err
	}
	if done.changes && !i.noJournal && !slices.Contains(done.info.Features, "has_journal") {
		if img.Device() {
			return i.needsJournal()
		}
		if err := img.Replaceable(); err != nil {
			return hintInPlace(err)
		}
	}
	res.fill(done)
	return c.finish(res)
}

// needsJournal is the error of a device whose file system has no journal.
func (i *injectCommand) needsJournal() error {
	return cli.WithHint(fmt.Errorf("%s: its file system has no journal: what is cut off in the middle of a change leaves it damaged", i.image),
		"--no-journal takes that risk; tune2fs -j gives it a journal")
}

// throughCopy changes a copy of the image that takes its place when it is verified and synced: the file system has no journal that
// would make a cut in the middle harmless.
func (i *injectCommand) throughCopy(ctx context.Context, c *console, j *job, img *diskimage.Image, records *records, res result) error {
	out, err := img.Replace(ctx, c.progress)
	if err != nil {
		return hintInPlace(err)
	}
	defer out.Abort()
	c.step("%s has no journal: changing a copy, which then takes its place", i.image)
	j.options.Copy = true
	done, err := j.run(ctx, out)
	if err != nil {
		return err
	}
	if err := out.Commit(ctx, c.progress); err != nil {
		return hintInPlace(err)
	}
	return report(ctx, c, records, res, done)
}

// readableByOthers warns of an image that is to hold secrets and that its owner is not alone to read. Its mode is the user's own choice:
// a new image would be 0600.
func readableByOthers(path string) []findingResult {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil // opening it says what is wrong, and who may read a device is the system's to say
	}
	return []findingResult{{Code: "readable-image", Message: fmt.Sprintf("others may read %s (mode %s), which holds secrets: chmod 600 keeps it to yourself", path, filemode.Octal(info.Mode()))}}
}

// hintInPlace adds to an error about an image that is changed in place what the user can do about it.
func hintInPlace(err error) error {
	var linked *diskimage.LinkedError
	switch {
	case errors.Is(err, diskimage.ErrCompressed):
		return cli.WithHint(err, "-o OUT names the file that the changed image is written to")
	case errors.Is(err, diskimage.ErrInUse):
		return cli.WithHint(err, "wait until the other run has ended")
	case errors.Is(err, diskimage.ErrBusy):
		return cli.WithHint(err, "unmount it first")
	case errors.As(err, &linked), atomicfile.DiskFull(err):
		return cli.WithHint(err, "-o OUT writes the changed copy elsewhere; --no-journal changes the image where it lies, which a cut in the middle damages")
	}
	return err
}
