package main

// This file holds the options that several commands share.

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"boringboot/internal/cli"
	"boringboot/partition"
)

// rootFlags choose the partition to work on.
type rootFlags struct {
	sel    partition.Selector
	wasSet func(flag string) bool
}

func (f *rootFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.sel.Number, "partition", 0, "the root partition's `number`, where it is not plain which one it is")
	cmd.Flags().StringVar(&f.sel.Label, "label", "", "the root file system's `label`, where it is not plain which one it is")
	f.wasSet = cmd.Flags().Changed
}

func (f *rootFlags) selector() (partition.Selector, error) {
	if f.wasSet("partition") && f.sel.Number < 1 {
		return f.sel, fmt.Errorf("--partition %d: partitions are numbered from 1", f.sel.Number)
	}
	if f.wasSet("label") && f.sel.Label == "" {
		return f.sel, fmt.Errorf("--label: a label is missing")
	}
	return f.sel, nil
}

// outputFlags say what is told, and how.
type outputFlags struct {
	json, quiet, verbose bool
}

func (f *outputFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.json, "json", false, "one JSON object on standard output, all else on standard error")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "say more")
}

// writeFlags belong to the commands that change an image.
type writeFlags struct {
	overwrite, force, dryRun bool
	allow                    []string
	knownHosts, receipt      string
}

func (f *writeFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.overwrite, "overwrite", false, "replace files that are in the image with other content")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace the output file if it exists")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show the plan and whether it would fit; write nothing")
	cmd.Flags().StringArrayVar(&f.allow, "allow", nil, "lift the refusal of paths below `PREFIX`, and accept directories there that others may write to (repeatable)")
	cmd.Flags().StringVar(&f.knownHosts, "known-hosts", "", "append the host's line to `FILE`, once")
	cmd.Flags().StringVar(&f.receipt, "receipt", "", "write what was done to `FILE`, as JSON without secrets")
}

// sourceDateEpoch returns the time that SOURCE_DATE_EPOCH names, or the zero time where it is unset.
func sourceDateEpoch() (time.Time, error) {
	v, ok := os.LookupEnv("SOURCE_DATE_EPOCH")
	if !ok || v == "" {
		return time.Time{}, nil
	}
	sec, err := strconv.ParseUint(v, 10, 63)
	// ext4's 34-bit seconds reach from 1901 to 2446; a build date is neither before 1970 nor so far off.
	if err != nil || sec >= 1<<34-1<<31 {
		return time.Time{}, cli.WithHint(fmt.Errorf("SOURCE_DATE_EPOCH %q: not a number of seconds since 1970 that ext4 can hold", v),
			"unset it, or set it to a number like $(git log -1 --format=%%ct)")
	}
	return time.Unix(int64(sec), 0).UTC(), nil
}
