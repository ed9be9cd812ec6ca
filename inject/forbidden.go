package inject

// This file knows where bootstrap files must not go, and why.

import (
	"fmt"
	"strings"

	"boringboot/internal/manifest"
)

// forbidden lists the directories whose content does not survive until, or is not read from, the first boot.
var forbidden = []struct{ prefix, reason string }{
	{"/etc", "NixOS renders /etc at activation; bootstrap state belongs under /var/lib"},
	{"/nix/store", "the store is immutable and world-readable; bootstrap state belongs under /var/lib"},
	{"/run", "/run is a tmpfs: what is in the image is hidden at boot"},
	{"/tmp", "/tmp is emptied at boot"},
	{"/proc", "/proc is mounted by the kernel: what is in the image is hidden at boot"},
	{"/sys", "/sys is mounted by the kernel: what is in the image is hidden at boot"},
	{"/dev", "/dev is mounted by the kernel: what is in the image is hidden at boot"},
}

// RefusedError says that a path lies where bootstrap files must not go.
type RefusedError struct {
	Path   string // as the manifest names it
	Actual string // where it leads in the image; equal to Path without symbolic links on the way
	Prefix string // the refused directory
	Reason string
}

func (e *RefusedError) Error() string {
	if e.Actual != e.Path {
		return fmt.Sprintf("%s: it leads to %s, below %s: %s", e.Path, e.Actual, e.Prefix, e.Reason)
	}
	return fmt.Sprintf("%s: a path below %s is refused: %s", e.Path, e.Prefix, e.Reason)
}

// within reports whether the absolute clean path p is prefix or lies below it.
func within(p, prefix string) bool {
	prefix = strings.TrimRight(prefix, "/")
	return p == prefix || strings.HasPrefix(p, prefix+"/")
}

// checkAllowed returns a RefusedError when actual lies in a refused directory and neither it nor path is at or below one of allow.
func checkAllowed(path, actual string, allow []string) error {
	for _, f := range forbidden {
		if !within(actual, f.prefix) {
			continue
		}
		allowed := false
		for _, a := range allow {
			allowed = allowed || within(actual, a)
		}
		if !allowed {
			return &RefusedError{Path: path, Actual: actual, Prefix: f.prefix, Reason: f.reason}
		}
	}
	return nil
}

// CheckPaths finds what can be said of paths without an image: which are no paths, and which lie where nothing may go. allow names
// the directories in which the latter is lifted.
func CheckPaths(entries []manifest.Entry, allow []string) error {
	for _, a := range allow {
		if err := manifest.CheckPath(strings.TrimRight(a, "/")); err != nil && a != "/" { // shells complete a directory with a slash
			return fmt.Errorf("--allow: %w", err)
		}
	}
	for _, e := range entries {
		if err := manifest.CheckPath(e.Path); err != nil {
			return err
		}
		if err := checkAllowed(e.Path, e.Path, allow); err != nil {
			return err
		}
	}
	return nil
}
