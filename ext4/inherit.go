package ext4

// This file is what a new inode has from its directory: flags, and the project whose quota it counts against.

import (
	"boringboot/ext4/internal/format"
)

// Flags that new inodes have from their directory (EXT4_FL_INHERITED), and those of them that only directories keep
// (EXT4_REG_FLMASK), or that are all that other files than these and regular ones keep (EXT4_OTHER_FLMASK).
const (
	inheritedFlags = format.InodeSecrm | format.InodeUnrm | format.InodeCompr | format.InodeSync | format.InodeNodump | format.InodeNoatime |
		format.InodeNocompr | format.InodeJournalData | format.InodeNotail | format.InodeDirsync | format.InodeDAX | format.InodeProjInherit | format.InodeCasefold
	directoryFlags = format.InodeDirsync | format.InodeCasefold | format.InodeProjInherit
	otherFlags     = format.InodeNodump | format.InodeNoatime
)

// inherit gives a new inode what it has from its directory. Of the type of file only i_mode must be set.
func (tx *Tx) inherit(n, dir node) {
	if dir.Type() != format.ModeDir {
		return // the value of an extended attribute
	}
	flags := format.IFlags.Get(dir.Inode) & inheritedFlags
	switch n.Type() {
	case format.ModeDir:
	case format.ModeRegular:
		flags &^= directoryFlags
	default:
		flags &= otherFlags
	}
	format.IFlags.Set(n.Inode, format.IFlags.Get(n.Inode)|flags)
	if tx.sb.HasROCompat(format.ROCompatProject) && dir.flag(format.InodeProjInherit) {
		n.SetProject(dir.Project())
	}
}

// checkProject: a directory that gives its project to new files takes none of another project (the kernel's EXDEV).
func (tx *Tx) checkProject(dir, n node) error {
	if tx.sb.HasROCompat(format.ROCompatProject) && dir.flag(format.InodeProjInherit) && dir.Project() != n.Project() {
		return unsupportedf("inode %d: of project %d, for directory inode %d, whose files are of project %d",
			n.ino, n.Project(), dir.ino, dir.Project())
	}
	return nil
}
