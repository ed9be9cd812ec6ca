//go:build !linux && !darwin && !windows

// This file renames without replacing where there is no call for it.

package atomicfile

func renameNew(from, to string) error { return renameByLink(from, to) }
