//go:build !windows

// This file makes a spool that has no name (Unix: a file lives on while it is open).

package diskimage

import "os"

func createSpool(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "boringboot-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
