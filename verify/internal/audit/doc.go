// Package audit judges the structure of a whole ext4 file system, read-only, on a par with "e2fsck -fn": what e2fsck would repair is
// a finding, and what e2fsck is content with is none.
//
// It shares no code with the writer. Structures are decoded from the kernel's description of the format, front to back
// (Documentation/filesystems/ext4); what counts as damage is what e2fsck and the kernel hold against an image.
//
// # How it goes
//
//	the superblock, features, copies, descriptors              open.go, super.go, features.go, backups.go, groups.go, layout.go
//	pass 1   inodes: each by itself, maps, attributes; who     scan.go, inodecheck.go, contents.go, extents.go, indirect.go,
//	         has which cluster                                 xattr.go, xattrvalue.go, claims.go, duplicates.go
//	pass 2   directories: entries, hash trees                  directory.go, repeats.go, entries.go, htree.go, dirhash.go
//	pass 3   every directory has one way up to the root        parents.go, connect.go
//	pass 4   link counts                                       links.go
//	pass 5   bitmaps and counters against what was found       bitmaps.go, counters.go
//	besides  journal, orphans, resize inode, quota, mmp        journal.go, orphans.go, resize.go, quota.go, mmp.go
//
// An error is what "e2fsck -fn" ends with another exit code than 0 for, and what makes it look at the copies of superblock and
// descriptors instead. What it mentions and ends with 0 for, as before it has come to pass 1, is a warning: among others a wrong
// checksum of a descriptor.
//
// Passes 1 and 2 run on all cores: a worker has its own buffers and looks at whole groups or whole directories; what all share (which
// clusters are taken, how often an inode is named, findings) is behind atomics or a lock. The findings are sorted at the end, so
// that the same image always gives the same report.
//
// Nothing that is read from the image is trusted with memory: tables grow by what was really found, recursion is bounded by the
// format's depth, and how often blocks are read that several inodes have together is bounded.
package audit
