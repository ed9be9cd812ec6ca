// Build: one run of nix, from the question to the image's path.

package nixbuild

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"boringboot/internal/cli"
	"boringboot/internal/procgroup"
)

// DefaultAttr is the attribute, below nixosConfigurations.HOST, that nixpkgs' sd-image modules define.
const DefaultAttr = "config.system.build.sdImage"

// Options says which image to build. Only Host is required.
type Options struct {
	Flake  string    // a flake reference without a fragment; default "."
	Attr   string    // an attribute path below nixosConfigurations.HOST; default DefaultAttr
	Host   string    // the name of a configuration
	Stderr io.Writer // gets what nix says while it works; nil: nobody does
	Nix    string    // the program, a name to be found in PATH or a path; default "nix"
}

// interruptGrace is how long nix may take to stop its builders after an interrupt before it is killed.
const interruptGrace = 10 * time.Second

// maxAnswer bounds what is kept of nix's standard output, in bytes. The answer for one derivation is some 200.
const maxAnswer = 1 << 20

// Build builds the image of o.Host and returns the image file's path, which is below the nix store. Nothing keeps nix's garbage
// collector from that path: use it at once. When ctx ends, nix and all it started are interrupted, and after a grace time
// killed; the error then is ctx's.
func Build(ctx context.Context, o Options) (string, error) {
	return build(ctx, o, interruptGrace)
}

func build(ctx context.Context, o Options, grace time.Duration) (string, error) {
	installable, err := o.installable()
	if err != nil {
		return "", err
	}
	answer, err := run(ctx, o, installable, grace)
	if err != nil {
		return "", fmt.Errorf("build the image of %s: %w", o.Host, err)
	}
	out, err := parseAnswer(answer)
	if err != nil {
		return "", fmt.Errorf("build the image of %s: %w", o.Host, err)
	}
	return findImage(out)
}

// run asks nix for installable and returns what it wrote to standard output.
func run(ctx context.Context, o Options, installable string, grace time.Duration) ([]byte, error) {
	name := o.Nix
	if name == "" {
		name = "nix"
	}
	program, err := exec.LookPath(name)
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("%w: %w", ErrNixMissing, err),
			"install nix (https://nixos.org/download), or name an image that exists with --image FILE")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	answer := procgroup.NewOutput(maxAnswer)
	said := &tail{limit: maxTail}
	cmd := exec.CommandContext(ctx, program,
		"--extra-experimental-features", "nix-command flakes",
		"build", "--no-link", "--json", "--", installable)
	cmd.Env = childEnvironment(os.Environ())
	cmd.Stdout = answer
	cmd.Stderr = said
	if o.Stderr != nil {
		cmd.Stderr = io.MultiWriter(said, o.Stderr)
	}

	err = procgroup.Run(ctx, cmd, grace)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, diagnose(o, said.String(), err)
	}
	if answer.Overflowed() {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrAnswer, maxAnswer)
	}
	return answer.Bytes(), nil
}
