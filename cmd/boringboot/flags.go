package main

// This file holds the options that several commands share.

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"boringboot/internal/cli"
)

// writeFlags belong to the commands that change an image.
type writeFlags struct {
	overwrite, force, dryRun bool
	allow                    []string
	knownHosts, receipt      string
}

func (f *writeFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.overwrite, "overwrite", false, "replace files that are in the image with other content")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace the output file if it exists; a file that the run reads is never replaced")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show the plan and whether it would fit, or refuse what the run would refuse; write nothing")
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
