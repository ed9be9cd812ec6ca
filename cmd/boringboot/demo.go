package main

// This file is the command demo.

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"boringboot/internal/cli"
	"boringboot/internal/demo"
	"boringboot/internal/options"
)

type demoCommand struct {
	dir   string
	force bool
	out   options.Output
}

func newDemo() *cobra.Command {
	var d demoCommand
	cmd := &cobra.Command{
		Use:   "demo DIR",
		Short: "The whole job on an embedded image, with keys made on the spot: needs nothing but Go",
		Long: `demo writes a small NixOS-like SD image, an age identity and a SOPS file into DIR and provisions the host "demo" from them. It
prints each command it stands for, so that you can run them by hand (with --force, as the image is there by then). The keys are made on the spot; use them for nothing else.`,
		Args: cli.Args("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.dir = args[0]
			return d.run(cmd.Context(), newConsole(d.out))
		},
	}
	cmd.Flags().BoolVar(&d.force, "force", false, "replace the files of an earlier demo in DIR")
	d.out.Register(cmd, "say more")
	return cmd
}

func (d *demoCommand) run(ctx context.Context, c *console) error {
	in, err := demo.WriteInputs(d.dir, d.force)
	if err != nil {
		return err
	}
	c.step("made %s, an SD image as NixOS builds it", in.Image)
	c.step("made %s, an age identity, and %s, a SOPS file encrypted to it", in.Identity, in.Secrets)
	// Ours and nobody else's: what the commands below say is what is done.
	for _, name := range []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"} {
		os.Unsetenv(name)
	}
	if err := os.Setenv("SOPS_AGE_KEY_FILE", in.Identity); err != nil {
		return err
	}
	image := filepath.Join(in.Dir, demo.Host+".img")
	args := []string{"provision", demo.Host, in.Dir + "/", "--image", in.Image, "--secrets", in.Secrets,
		"--known-hosts", filepath.Join(in.Dir, "known_hosts"), "--receipt", filepath.Join(in.Dir, "receipt.json"), "--force"}
	for flag, on := range map[string]bool{"--json": d.out.JSON, "--quiet": d.out.Quiet} {
		if on {
			args = append(args, flag)
		}
	}
	c.step("\nYou can run these again by hand: --force replaces the image that is there by then.")
	c.step("$ export SOPS_AGE_KEY_FILE=%s", shellQuote(in.Identity))
	c.step("$ boringboot %s", commandLine(args))
	if err := run(ctx, args); err != nil {
		return err
	}
	if d.out.JSON || d.out.Quiet {
		return nil
	}
	args = []string{"inspect", image, "/var/lib/bootstrap"}
	c.step("\n$ boringboot %s", commandLine(args))
	if err := run(ctx, args); err != nil {
		return err
	}
	c.step("\nTo look at it by hand:\n$ boringboot inspect %s\n$ verify-image %s --secrets %s", shellQuote(image), shellQuote(image), shellQuote(in.Secrets))
	return nil
}

// commandLine writes arguments as one would type them.
func commandLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = shellQuote(a)
	}
	return strings.Join(quoted, " ")
}

func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,+@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
