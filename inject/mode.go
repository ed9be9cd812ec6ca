package inject

import "io/fs"

// This file translates between Go's permission bits and the 12 that chmod knows.

const permissionBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

var highBits = []struct {
	octal uint32
	mode  fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

func fromOctal(o uint32) fs.FileMode {
	m := fs.FileMode(o & 0o777)
	for _, b := range highBits {
		if o&b.octal != 0 {
			m |= b.mode
		}
	}
	return m
}

func octal(m fs.FileMode) uint32 {
	o := uint32(m.Perm())
	for _, b := range highBits {
		if m&b.mode != 0 {
			o |= b.octal
		}
	}
	return o
}

// Octal returns the permission bits as chmod takes them, in four digits.
func Octal(m fs.FileMode) string {
	o := octal(m)
	return string([]byte{'0' + byte(o>>9), '0' + byte(o>>6&7), '0' + byte(o>>3&7), '0' + byte(o&7)})
}
