//go:build unix && !linux

// Elsewhere no signal tells a child of its parent's death: nix ends its build and leaves the result in its store, sops waits for its answer.

package procgroup

import "syscall"

func dieWithParent(*syscall.SysProcAttr) {}
