package cli

// This file makes cobra's commands fail the way both programs fail: one line, and a hint where to look.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Execute runs the command line of root with its errors left to Report. Help, version and completion that cannot be printed are errors, and so are
// options with an empty value.
func Execute(ctx context.Context, root *cobra.Command) error {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return Usage(cmd, "%v", err) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return notEmpty(cmd) }
	out := &printer{w: root.OutOrStdout()}
	root.SetOut(out)
	cmd, err := root.ExecuteContextC(ctx)
	if out.err != nil && (err == nil || errors.Is(err, out.err)) {
		return fmt.Errorf("writing to standard output: %w", out.err)
	}
	var known *Error
	if err != nil && cmd == root && !errors.As(err, &known) { // cobra's own: an unknown command
		return Usage(root, "%v", err)
	}
	return err
}

// notEmpty refuses options that were given an empty value, as "$UNSET" is: what was meant cannot be known, and to take them for options
// that were not given would do something else (change an image in place where -o "$OUT" was to keep it).
func notEmpty(cmd *cobra.Command) error {
	var empty *pflag.Flag
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if empty == nil && slices.Contains(values, "") {
			empty = f
		}
	})
	if empty == nil {
		return nil
	}
	return Usage(cmd, "--%s: its value is empty", empty.Name)
}

// printer remembers the first error of writing to what cobra prints to: cobra does not look.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if p.err == nil {
		p.err = err
	}
	return n, err
}

// Usage is the error of a command line that does not fit cmd.
func Usage(cmd *cobra.Command, format string, args ...any) error {
	return WithHint(fmt.Errorf(format, args...), "%s --help shows how it is used", cmd.CommandPath())
}

// Args checks that a command got exactly the named arguments.
func Args(names ...string) cobra.PositionalArgs { return ArgsRange(len(names), names...) }

// ArgsRange checks that a command got at least atLeast of the named arguments, and no more than all of them.
func ArgsRange(atLeast int, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < atLeast {
			return Usage(cmd, "%s is missing", names[len(args)])
		}
		if len(args) > len(names) {
			return Usage(cmd, "an argument too many: %q", args[len(names)])
		}
		return nil
	}
}

// version is set by the linker (-X boringboot/internal/cli.version=…) where the build knows one.
var version string

// Version returns the program's version, from the linker or from what the go command recorded of the checkout.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
