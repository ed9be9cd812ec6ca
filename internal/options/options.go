// Package options is the part of the command line that both programs have: which root file system, which manifest, what is told and
// how.
package options

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"boringboot/internal/cli"
	"boringboot/internal/manifest"
	"boringboot/internal/show"
)

// Root chooses the partition to work on. Its fields are those of a partition.Selector, which it converts to.
type Root struct {
	Number int
	Label  string
}

// Register adds --partition and --label to cmd.
func (r *Root) Register(cmd *cobra.Command) {
	cmd.Flags().Var((*number)(&r.Number), "partition", "the root partition's `number`, where it is not plain which one it is")
	cmd.Flags().StringVar(&r.Label, "label", "", "the root file system's `label`, where it is not plain which one it is")
}

// number is a pflag.Value that says in plain words what is none.
type number int

func (n *number) String() string { return strconv.Itoa(int(*n)) }
func (n *number) Type() string   { return "int" }

func (n *number) Set(text string) error {
	v, err := strconv.ParseInt(text, 0, strconv.IntSize)
	if errors.Is(err, strconv.ErrRange) {
		return errors.New("no disk has so many")
	}
	if err != nil {
		return errors.New("it is not a number")
	}
	*n = number(v)
	return nil
}

// Check finds what can be no partition before an image is opened.
func (r *Root) Check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("partition") && r.Number < 1 {
		return cli.Usage(cmd, "--partition %d: partitions are numbered from 1", r.Number)
	}
	return nil
}

// Output says what is told, and how. With JSON and Quiet both, the object is all that is printed.
type Output struct{ JSON, Quiet, Verbose bool }

// Register adds --json, --quiet and --verbose to cmd; more is what the last one adds.
func (o *Output) Register(cmd *cobra.Command, more string) {
	cmd.Flags().BoolVar(&o.JSON, "json", false, "one JSON object on standard output, all else on standard error")
	cmd.Flags().BoolVarP(&o.Quiet, "quiet", "q", false, "say nothing but what is wrong")
	cmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, more)
}

// Manifest names what has to be in an image.
type Manifest struct{ File string }

// Register adds --manifest to cmd; what says what the manifest is asked for.
func (m *Manifest) Register(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&m.File, "manifest", "", what+", from `FILE` (default: an SSH host key, its public half, Wi-Fi credentials)")
}

// Load returns the manifest and the directory that its relative paths start from.
func (m Manifest) Load(ctx context.Context) (*manifest.Manifest, string, error) {
	if m.File == "" {
		return manifest.Default(), "", nil
	}
	data, err := readSmall(ctx, m.File)
	if err != nil {
		return nil, "", fmt.Errorf("--manifest: %w", err)
	}
	parsed, err := manifest.Parse(m.File, data)
	return parsed, filepath.Dir(m.File), err
}

const maxManifest = 1 << 20 // bytes, manifest.Parse's own limit

// readSmall reads a file, which may be a pipe (--manifest <(nix eval --json …)), until ctx ends. It is not larger than maxManifest.
func readSmall(ctx context.Context, path string) ([]byte, error) {
	type answer struct {
		data []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() { // opening and reading a pipe wait for whoever writes to it
		data, err := read(path)
		done <- answer{data, err}
	}()
	select {
	case a := <-done:
		return a.data, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", path, ctx.Err())
	}
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("%s: larger than %s: not a manifest", path, show.Size(maxManifest))
	}
	return data, nil
}
