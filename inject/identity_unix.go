//go:build !windows

// This file tells which names of this machine are names of one file.

package inject

import (
	"io/fs"
	"syscall"
)

// identity is what all names of a file have in common.
type identity struct{ device, inode uint64 }

// identify says which file it is, if that has several names.
func identify(info fs.FileInfo) (id identity, several bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Nlink < 2 {
		return identity{}, false
	}
	return identity{uint64(st.Dev), uint64(st.Ino)}, true
}
