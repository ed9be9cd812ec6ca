// Package verify reads files back from an ext4 file system with libraries that did not write them, and says which of them found
// what was meant to be there.
//
// It knows nothing of the writer. Four independent implementations of ext4 read the image: go-ext4, go-diskfs, go-ext4-filesystem, and
// a decoder of our own, internal/ext4ro, that shares nothing with the writer. None of the libraries reads every image, so the rule is:
// every path, and every directory above it, is confirmed by at least one reader, and no reader contradicts. A reader that cannot read the image, or one path, is named with its
// reason; it neither confirms nor contradicts, unless its reason is that the image is damaged. Where no reader is left there is no
// verdict, and never a pass.
//
// The libraries read past much that the kernel refuses. Our own decoder judges what it meets on the way, and reports damage.
//
// Contents compares type, size, mode, owner, symlink target and every byte. Bootstrap has no bytes to compare with and checks what
// needs no secrets. Both return a Report; docs/verify-image.md describes its findings.
//
// To read the source: verify.go (the rule), walk.go (the way to a path), compare.go (what is compared), bootstrap.go (what a file of a
// known role must hold), names.go (who else has a secret), table.go (the partition table), readers.go and budget.go (the wall around a library), one file for each
// library, then own.go and internal/ext4ro.
package verify
