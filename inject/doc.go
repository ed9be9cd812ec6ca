// Package inject puts entries (files, directories, symbolic links) into an ext4 file system: first a plan, which reads only and
// in which everything that can be wrong is found, then its application, which is one transaction.
//
// Reading order: forbidden.go (where nothing may go), place.go (where a path leads inside the image), above.go (who may write to
// the directories above), plan.go (what is to be done), apply.go (doing it), tree.go and filespec.go (entries from a directory and
// from the command line).
package inject
