// Package filemode translates between Go's file modes and what chmod and people call them.
package filemode

import (
	"fmt"
	"io/fs"
	"strings"
)

// Permissions are the 12 bits that chmod knows, as Go has them.
const Permissions = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

var highBits = []struct {
	octal uint32
	mode  fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

// FromUnix translates the low 12 bits of a Unix mode.
func FromUnix(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for _, b := range highBits {
		if bits&b.octal != 0 {
			m |= b.mode
		}
	}
	return m
}

// ToUnix is the other way.
func ToUnix(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range highBits {
		if m&b.mode != 0 {
			bits |= b.octal
		}
	}
	return bits
}

// Octal writes the permission bits as chmod takes them, in four digits.
func Octal(m fs.FileMode) string { return fmt.Sprintf("%04o", ToUnix(m)) }

// Kind says what a file is by its mode's type bits: "regular file", "directory", …
func Kind(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "regular file"
	case m.IsDir():
		return "directory"
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeCharDevice != 0:
		return "character device"
	case m&fs.ModeDevice != 0:
		return "block device"
	}
	return "file of unknown type"
}

// Word is Kind in one word, as manifests and JSON output have it: "file", "directory", "symlink", "fifo", "socket", "character-device",
// "block-device", "unknown".
func Word(m fs.FileMode) string {
	switch k := Kind(m); k {
	case "regular file":
		return "file"
	case "symbolic link":
		return "symlink"
	case "named pipe":
		return "fifo"
	case "file of unknown type":
		return "unknown"
	default:
		return strings.ReplaceAll(k, " ", "-")
	}
}
