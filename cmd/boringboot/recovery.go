package main

// This file tells of what a file system needed before anything could be put into it.

import (
	"fmt"
	"strings"

	"boringboot/ext4"
)

// describeRecovery says what was recovered, in a sentence.
func describeRecovery(r *ext4.Recovery) string {
	var done []string
	for _, part := range []struct {
		count      int
		one, other string
	}{
		{r.Transactions, "transaction of its journal was replayed", "transactions of its journal were replayed"},
		{r.FastCommits, "fast commit was replayed", "fast commits were replayed"},
		{r.Deleted, "file without a name was removed", "files without a name were removed"},
		{r.Truncated, "file was cut to its length", "files were cut to their length"},
	} {
		switch part.count {
		case 0:
		case 1:
			done = append(done, "1 "+part.one)
		default:
			done = append(done, fmt.Sprintf("%d %s", part.count, part.other))
		}
	}
	text := "the file system was not unmounted"
	if len(done) == 0 {
		return text + "; its journal held nothing to be replayed"
	}
	return text + ": " + strings.Join(done, ", ")
}
