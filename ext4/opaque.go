package ext4

// This file is what has no meaning here: names and bytes that are encrypted, for which there is no key, and names in directories
// that do not tell upper from lower case, for which there are no tables of Unicode's.

import (
	"boringboot/ext4/internal/format"
)

// checkPlain refuses an inode whose names, bytes or target are encrypted.
func (v *view) checkPlain(n node) error {
	if n.flag(format.InodeEncrypt) {
		return unsupportedf("inode %d: encrypted", n.ino)
	}
	return nil
}

// checkAbsent is asked when a directory does not have a name as it is written.
func (v *view) checkAbsent(n node, name string) error {
	if n.flag(format.InodeCasefold) {
		return unsupportedf("inode %d: a directory that does not tell upper from lower case: %q is not there as it is written, but may be in other letters",
			n.ino, name)
	}
	return nil
}
