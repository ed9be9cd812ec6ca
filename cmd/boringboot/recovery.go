package main

// This file tells of what a file system needed before anything could be put into it.

import (
	"fmt"
	"strings"

	"boringboot/ext4"
)

// describeRecovery says what was recovered, in a sentence, or what would be.
func describeRecovery(r *ext4.Recovery, dryRun bool) string {
	var done []string
	was, were := "was", "were"
	if dryRun {
		was, were = "would be", "would be"
	}
	for _, part := range []struct {
		count      int
		one, other string
	}{
		{r.Transactions, "transaction of its journal %s replayed", "transactions of its journal %s replayed"},
		{r.FastCommits, "fast commit %s replayed", "fast commits %s replayed"},
		{r.Deleted, "file without a name %s removed", "files without a name %s removed"},
		{r.Truncated, "file %s cut to its length", "files %s cut to their length"},
	} {
		switch part.count {
		case 0:
		case 1:
			done = append(done, fmt.Sprintf("1 "+part.one, was))
		default:
			done = append(done, fmt.Sprintf("%d "+part.other, part.count, were))
		}
	}
	text := "the file system was not unmounted"
	if len(done) == 0 {
		return text + "; its journal held nothing to be replayed"
	}
	return text + ": " + strings.Join(done, ", ")
}
